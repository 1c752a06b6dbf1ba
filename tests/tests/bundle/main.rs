//! The bundle: its format, damage to it, and its way into a program.

mod bundling;
mod damage;
mod document;
mod format;
mod include_bundle;
