//! Agents on booted kernels and on this one.

mod boot;
mod execwatch;
mod judge;
mod modules;
mod pages;
