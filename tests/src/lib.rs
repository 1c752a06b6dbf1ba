//! Harness and oracles.

pub mod pack;
