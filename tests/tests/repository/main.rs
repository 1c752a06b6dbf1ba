//! What the repository says of itself: documentation, public API, dependencies, mutants.

mod docs;
mod mutants;
mod public_api;
mod readme;
mod supply_chain;
