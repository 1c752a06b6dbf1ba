//! Loads the reader with BTF from one of two bundles or without any, waits for a file to
//! appear, and prints what the reader has seen.

mod loader;

use std::error::Error;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use btfhub_runtime::{Bundle, for_this_host, include_bundle};

static MODULES: Bundle<'_> = include_bundle!("modules");
static KERNEL: Bundle<'_> = include_bundle!("kernel");

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reader.bpf.o"));

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bundle = match arguments.next().as_deref() {
        Some("modules") => Some(&MODULES),
        Some("kernel") => Some(&KERNEL),
        _ => None,
    };
    let selection = bundle.map(for_this_host).transpose()?;
    if let Some(selection) = &selection {
        eprintln!("{selection}");
    }
    let go = arguments.next().ok_or("no file to wait for")?;
    let [port, device, packets, bytes] = loader::run(OBJECT, selection.as_ref(), || {
        eprintln!("watching");
        while !Path::new(&go).exists() {
            sleep(Duration::from_millis(50));
        }
    })?;
    println!("port_no={port} ifindex={device} packets={packets} bytes={bytes}");
    Ok(())
}
