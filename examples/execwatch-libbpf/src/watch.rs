//! Attaches the loaded program and prints its events.

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use execwatch::Printer;
use libbpf_rs::{MapCore, Object, PerfBufferBuilder};

/// Returns when the printer has had enough.
pub(crate) fn watch(object: &Object, mut printer: Printer) -> Result<(), Box<dyn Error>> {
    // Detached when dropped.
    let mut attached = Vec::new();
    for program in object.progs_mut().filter(|program| program.autoload()) {
        let (_, tracepoint) = (execwatch::PROGRAMS.into_iter())
            .find(|(name, _)| program.name() == *name)
            .ok_or("a program that is not known")?;
        attached.push(program.attach_raw_tracepoint(tracepoint)?);
    }

    let events = object
        .maps()
        .find(|map| map.name() == execwatch::EVENTS)
        .ok_or("the object has lost its event map")?;
    let done = Cell::new(false);
    let buffer = PerfBufferBuilder::new(&events)
        .sample_cb(|_cpu, sample| {
            if !done.get() {
                done.set(printer.sample(sample).is_break());
            }
        })
        .lost_cb(|_cpu, count| eprintln!("{count} events lost"))
        .build()?;
    eprintln!("watching");

    while !done.get() {
        buffer.poll(Duration::from_secs(1))?;
    }
    Ok(())
}
