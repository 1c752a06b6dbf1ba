//! Boots the kernels and regenerates the tables of what each does with every program:
//! `cargo run -p btfhub-tests --bin judge [RELEASE...]`. About two minutes per kernel.

use std::process::ExitCode;
use std::time::Instant;

use btfhub_tests::judge::{GUESTS, ask, objects};

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut missing = 0;
    for guest in GUESTS {
        if !wanted.is_empty() && !wanted.iter().any(|release| release == guest.release) {
            continue;
        }
        let from = Instant::now();
        let Some((table, symbols)) = objects(guest.arch).and_then(|objects| ask(&guest, &objects))
        else {
            missing += 1;
            continue;
        };
        table.store(&guest);
        symbols.store(&guest);
        let ran = table.lines.iter().filter(|line| line.ran()).count();
        println!(
            "{} ({}): {ran} of {} programs ran; {} s",
            guest.release,
            table.package,
            table.lines.len(),
            from.elapsed().as_secs()
        );
    }
    ExitCode::from(u8::from(missing > 0))
}
