//! Prints every exec on the machine, on kernels with and without BTF of their
//! own. Loads with aya.

mod watch;

use std::error::Error;
use std::process::ExitCode;

use aya::{Btf, EbpfLoader, Endianness};
use btfhub_runtime::{Bundle, include_bundle, select};
use execwatch::{Options, Printer, explain};

static BTF: Bundle<'_> = include_bundle!("execwatch");

fn main() -> ExitCode {
    execwatch::run(agent)
}

fn agent(options: &Options) -> Result<(), Box<dyn Error>> {
    let host = options.host()?;
    if options.explain {
        return explain(&BTF, &host, options.policy());
    }
    let selection = select(&BTF, &host, options.policy())?;
    let failing = selection.failing_programs()?;
    eprintln!("{selection}");

    // Always some BTF: without any, aya up to 0.14 skips the relocations, and
    // the program reads whatever lies at the offsets it was compiled with.
    let btf = Btf::parse(&selection.bytes()?, Endianness::default())?;
    let ebpf = EbpfLoader::new().btf(Some(&btf)).load(execwatch::OBJECT)?;
    let programs = execwatch::PROGRAMS.into_iter();
    let programs = programs.filter(|(name, _)| options.loads(name, failing));
    watch::watch(ebpf, programs, Printer::new(options.count))
}
