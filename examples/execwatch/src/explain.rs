//! `--explain`: what is embedded, what is known of the host, and what follows.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};

use btfhub_runtime::{Bundle, ClassId, Host, Policy, select};

/// Prints what `bundle` holds, and which BTF `host` gets from it and why.
///
/// # Errors
/// When the bundle is damaged or the output can't be written. That there is no
/// BTF for the host is no error here: it is what was asked for.
pub fn explain(bundle: &Bundle<'_>, host: &Host, policy: Policy) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    inventory(bundle, &mut out)?;
    writeln!(out)?;
    match select(bundle, host, policy) {
        Ok(selection) => {
            selection.failing_programs()?;
            writeln!(out, "{selection:#}")?;
        }
        Err(refused) => writeln!(out, "{refused:#}")?,
    }
    Ok(())
}

/// Prints what the bundle holds: each kernel, by class.
fn inventory(bundle: &Bundle<'_>, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    writeln!(
        out,
        "bundle: {} kernels in {} classes, {} bytes{}",
        bundle.kernel_count()?,
        bundle.class_count()?,
        bundle.as_bytes().len(),
        if bundle.is_partial()? {
            " (a development bundle: only part of the archive)"
        } else {
            ""
        }
    )?;
    let provenance = bundle.provenance()?;
    writeln!(out, "  written by {}", provenance.tool)?;
    for pin in &provenance.pins {
        writeln!(out, "  from archive {pin}")?;
    }
    for object in &provenance.objects {
        writeln!(out, "  for {}", object.name)?;
    }

    let mut classes: BTreeMap<ClassId, Vec<String>> = BTreeMap::new();
    for entry in bundle.kernels() {
        let entry = entry?;
        let kernels = classes.entry(entry.class()).or_default();
        kernels.push(entry.kernel().to_string());
    }
    for (class, kernels) in classes {
        writeln!(
            out,
            "class {}: {} bytes of BTF",
            class.0,
            bundle.btf(class)?.len()
        )?;
        for kernel in kernels {
            writeln!(out, "  {kernel}")?;
        }
    }
    Ok(())
}
