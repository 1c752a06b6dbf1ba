//! Harness and oracles.

pub mod agents;
pub mod app;
pub mod atlases;
pub mod browser;
pub mod btf_builder;
pub mod cli;
pub mod contract;
pub mod cost;
pub mod derive;
pub mod elf_builder;
pub mod fixtures;
pub mod generate;
pub mod git;
pub mod hostile;
pub mod hostile_atlas;
pub mod hostile_bundle;
pub mod judge;
pub mod kernels;
pub mod large;
pub mod limits;
pub mod live;
pub mod modules;
pub mod objects;
pub mod oracle;
pub mod ours;
pub mod pack;
pub mod project;
pub mod rule_programs;
pub mod rules;
pub mod shared;
pub mod vm;

/// The Rust in the documentation, compiled.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/archive.md")]
    mod archive {}
    #[doc = include_str!("../../docs/atlas.md")]
    mod atlas {}
    #[doc = include_str!("../../docs/build-script.md")]
    mod build_script {}
    #[doc = include_str!("../../docs/without-archive.md")]
    mod without_archive {}
    #[doc = include_str!("../../docs/selection.md")]
    mod selection {}
}
