//! The bundle: its format, damage to it, and embedding it in a program.

mod bundling;
mod damage;
mod document;
mod format;
mod include_bundle;
