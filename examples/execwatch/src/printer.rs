//! The agent's output: a line for each event, until there were enough.

use std::io::{self, Write};
use std::ops::ControlFlow;

use crate::event::{Event, Exit};

/// Prints events; breaks off after as many as were asked for, or when nobody
/// reads them any more.
#[derive(Debug)]
pub struct Printer {
    left: Option<u64>,
}

impl Printer {
    /// For `count` events, or without end.
    pub fn new(count: Option<u64>) -> Self {
        Self { left: count }
    }

    /// One sample out of the program's event buffer.
    pub fn sample(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let mut out = io::stdout().lock();
        let printed = match (Event::parse(bytes), Exit::parse(bytes)) {
            (Some(event), _) => writeln!(out, "{event}"),
            (None, Some(exit)) => writeln!(out, "{exit}"),
            (None, None) => writeln!(io::stderr(), "event of {} bytes: too short", bytes.len()),
        };
        if printed.and_then(|()| out.flush()).is_err() {
            return ControlFlow::Break(());
        }
        match &mut self.left {
            None => ControlFlow::Continue(()),
            Some(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            }
        }
    }

    /// The kernel had to drop events, for the program was not fast enough.
    pub fn lost(&self, count: u64) {
        eprintln!("{count} events lost");
    }
}
