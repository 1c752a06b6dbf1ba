//! What the two execwatch agents share, so that each of them shows nothing but
//! how its loader gets the right BTF: the eBPF program, its events, the flags,
//! and the output of `--explain`.

use std::error::Error;
use std::process::ExitCode;

mod event;
mod explain;
mod options;
mod printer;

pub use event::Event;
pub use explain::explain;
pub use options::{HELP, Options};
pub use printer::Printer;

/// The compiled eBPF program, aligned as readers of ELF files like it.
pub static OBJECT: &[u8] = &ALIGNED.0;

/// The object's name, by which the bundle knows it: that of its file.
pub const OBJECT_NAME: &str = "execwatch.bpf.o";

/// The programs in the object, each with the tracepoint that it attaches to.
pub const PROGRAMS: [(&str, &str); 2] =
    [("execwatch", "sched_process_exec"), (EXITS, "sched_switch")];

/// The program that newer kernels take.
const EXITS: &str = "exits";

/// The map that its events come through.
pub const EVENTS: &str = "events";

#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("EXECWATCH_OBJECT")));

/// Runs an agent: its errors go to standard error, each with what caused it.
pub fn run(agent: fn(&Options) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let ran = Options::from_args().and_then(|options| {
        if options.help {
            print!("{HELP}");
            return Ok(());
        }
        agent(&options)
    });
    let Err(error) = ran else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error:#}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
