//! Harness and oracles.

pub mod pack;
pub mod project;
pub mod shared;
