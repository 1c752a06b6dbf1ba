//! The report: its pages in a browser, its claims against the verifier.

mod browser;
mod patch;
mod verdicts;
mod verifier;
