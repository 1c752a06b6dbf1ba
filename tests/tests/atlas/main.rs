//! The atlas: what goes in comes out, from files of any kind.

mod adversarial;
mod handmade;
mod modules;
mod properties;
mod scope;
mod whole;
