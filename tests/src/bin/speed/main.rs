//! How long tailoring a whole archive takes, compared with the floor and with what it replaces;
//! and what the crates themselves cost.
//!
//! ```text
//! cargo build -p btfhub-tests --bin speed            # as build scripts are compiled
//! cargo build -p btfhub-tests --bin speed --release
//! export BTFHUB_SHARED=DIR
//! target/release/speed cold [--rounds N] [--archive DIR | --derived N] [--pin COMMIT] [--lines N,N,…]
//! target/release/speed unchanged [--kernels N]
//! target/release/speed footprint
//! ```
//!
//! * `cold` compares from-scratch builds with plain decoding and with bpftool.
//!   `--derived N` uses N kernels with different content, made once from the real ones (each
//!   takes a tenth of a second, optimised, and about 1.3 MB). `--lines` measures only these
//!   lines of the table: 1,2,3 are the optimised ones with one job.
//! * `unchanged` builds again if nothing changed.
//! * `footprint` is what the runtime adds to a program, and how long the crates and each of
//!   their dependencies take to compile.

mod cold;
mod derived;
mod footprint;
mod process;
mod unchanged;
mod work;

use std::process::ExitCode;

/// `--flag value` among the arguments.
fn value<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1).map(String::as_str)
}

/// As [`value`], a number.
fn number(arguments: &[String], flag: &str) -> Option<usize> {
    value(arguments, flag).map(|text| text.parse().expect("a number"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, rest) = arguments
        .split_first()
        .map_or(("", &[][..]), |(what, rest)| (what, rest));
    match what {
        "work" => work::run(rest),
        "cold" => cold::compare(rest),
        "unchanged" => unchanged::measure(rest),
        "footprint" => footprint::measure(),
        _ => {
            eprintln!("speed cold | unchanged | footprint; see the head of its source");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
