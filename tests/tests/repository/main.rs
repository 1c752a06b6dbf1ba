//! The repository itself: documentation, layers, public API, dependencies, mutants.

mod docs;
mod layers;
mod mutants;
mod printing;
mod public_api;
mod readme;
mod supply_chain;
