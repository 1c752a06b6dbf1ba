//! What the two execwatch agents share, so that each of them shows nothing but
//! how its loader gets the right BTF: the eBPF program, its events, the flags,
//! and the output of `--explain`.

mod event;
mod printer;

pub use event::Event;
pub use printer::Printer;

/// The compiled eBPF program, aligned as readers of ELF files like it.
pub static OBJECT: &[u8] = &ALIGNED.0;

/// The program's name in the object.
pub const PROGRAM: &str = "execwatch";

/// The tracepoint it attaches to.
pub const TRACEPOINT: &str = "sched_process_exec";

/// The map that its events come through.
pub const EVENTS: &str = "events";

#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("EXECWATCH_OBJECT")));
