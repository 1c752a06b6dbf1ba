//! The command line, as pairs of a directory and a command.

mod add;
mod archive;
mod atlas;
mod bundle;
mod completion;
mod fetch;
mod inputs;
mod json;
mod lints;
mod modules;
mod names;
mod outputs;
mod report;
mod robust;
mod usage;
mod verdicts;
