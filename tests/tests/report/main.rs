//! The report: its pages in a browser, its claims against the verifier.

mod browser;
mod hostile;
mod patch;
mod verdicts;
mod verifier;
