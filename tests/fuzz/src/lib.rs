//! The functions that the fuzz targets call: the same as the tests'.

#[path = "../../src/btf_builder.rs"]
pub mod btf_builder;
#[path = "../../src/hostile.rs"]
pub mod hostile;
#[path = "../../src/hostile_atlas.rs"]
pub mod hostile_atlas;
#[path = "../../src/hostile_bundle.rs"]
pub mod hostile_bundle;
#[path = "../../src/pack.rs"]
pub mod pack;
#[path = "../../src/rules.rs"]
pub mod rules;
