//! Loads with aya.

use std::error::Error;

use aya::maps::Array;
use aya::programs::KProbe;
use aya::{Btf, EbpfLoader, Endianness};
use btfhub_runtime::Selection;

pub fn run(
    object: &[u8],
    selection: Option<&Selection<'_>>,
    wait: impl FnOnce(),
) -> Result<[u64; 4], Box<dyn Error>> {
    let btf = match selection {
        Some(selection) => Some(Btf::parse(&selection.bytes()?, Endianness::default())?),
        None => Btf::from_sys_fs().ok(),
    };
    let mut ebpf = EbpfLoader::new().btf(btf.as_ref()).load(object)?;
    for (name, function) in [
        ("port", "ovs_vport_add"),
        ("connection", "__nf_conntrack_confirm"),
    ] {
        let program: &mut KProbe = ebpf.program_mut(name).ok_or("no program")?.try_into()?;
        program.load()?;
        program.attach(function, 0)?;
    }
    wait();
    let seen: Array<_, [u64; 4]> = ebpf.map(".bss").ok_or("no .bss")?.try_into()?;
    Ok(seen.get(&0, 0)?)
}
