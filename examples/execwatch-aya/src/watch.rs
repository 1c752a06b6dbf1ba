//! Attaches the loaded program and prints its events.

use std::error::Error;
use std::ops::ControlFlow;

use aya::Ebpf;
use aya::maps::PerfEventArray;
use aya::maps::perf::PerfEvent;
use aya::programs::RawTracePoint;
use execwatch::Printer;
use rustix::event::{PollFd, PollFlags, poll};

/// Returns when the printer has had enough.
pub(crate) fn watch(
    mut ebpf: Ebpf,
    programs: impl Iterator<Item = (&'static str, &'static str)>,
    mut printer: Printer,
) -> Result<(), Box<dyn Error>> {
    for (name, tracepoint) in programs {
        let program: &mut RawTracePoint = ebpf
            .program_mut(name)
            .ok_or("the object has lost a program")?
            .try_into()?;
        program.load()?;
        program.attach(tracepoint)?;
    }

    let map = ebpf
        .take_map(execwatch::EVENTS)
        .ok_or("the object has lost its event map")?;
    let mut events = PerfEventArray::try_from(map)?;
    let mut buffers = Vec::new();
    for cpu in aya::util::online_cpus().map_err(|(file, e)| format!("{file}: {e}"))? {
        buffers.push(events.open(cpu, None)?);
    }
    eprintln!("watching");

    loop {
        let mut ready: Vec<_> = buffers
            .iter()
            .map(|buffer| PollFd::new(buffer, PollFlags::IN))
            .collect();
        poll(&mut ready, None)?;
        for buffer in &mut buffers {
            let more = buffer.try_fold((), |(), event| match event {
                PerfEvent::Sample { head, tail } => printer.sample(&[head, tail].concat()),
                PerfEvent::Lost { count } => {
                    printer.lost(count);
                    ControlFlow::Continue(())
                }
            });
            if more.is_break() {
                return Ok(());
            }
        }
    }
}
