//! The report: its pages in a browser, its claims against the verifier.

mod alternatives;
mod browser;
mod hostile;
mod old_kernels;
mod patch;
mod rules;
mod verdicts;
mod verifier;
