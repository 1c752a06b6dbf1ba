//! The atlas: what goes in comes out, whatever the files contain.

mod adversarial;
mod handmade;
mod modules;
mod properties;
mod scope;
mod whole;
