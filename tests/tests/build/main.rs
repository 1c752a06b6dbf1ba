//! Builds: archives, pins, the cache, cargo, and whatever goes wrong around them.

mod adversarial;
mod archive;
mod baseline;
mod cache;
mod concurrent;
mod failing;
mod faults;
mod messages;
mod missing;
mod mutations;
mod names;
mod pin_forgeries;
mod pins;
mod pure_rust;
mod recipes;
mod rerun;
mod script;
mod shards;
mod surroundings;
mod verdicts;
