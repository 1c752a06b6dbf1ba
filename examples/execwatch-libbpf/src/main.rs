//! Prints every exec on the machine, on kernels with and without BTF of their
//! own. Loads with libbpf.

mod watch;

use std::error::Error;
use std::process::ExitCode;

use btfhub_runtime::{Bundle, include_bundle, select};
use execwatch::{Options, Printer, explain};
use libbpf_rs::ObjectBuilder;

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

    let mut builder = ObjectBuilder::default();
    if let Some(path) = selection.to_file()?.path() {
        builder.btf_custom_path(path)?;
    }
    let mut object = builder.open_memory(execwatch::OBJECT)?;
    for mut program in object.progs_mut() {
        let loads = options.loads(&program.name().to_string_lossy(), failing);
        program.set_autoload(loads);
    }
    let object = object.load()?;
    watch::watch(&object, Printer::new(options.count))
}
