//! Loads with libbpf.

use std::error::Error;

use btfhub_runtime::Selection;
use libbpf_rs::{MapCore, MapFlags, ObjectBuilder};

pub fn run(
    object: &[u8],
    selection: Option<&Selection<'_>>,
    wait: impl FnOnce(),
) -> Result<[u64; 4], Box<dyn Error>> {
    let mut builder = ObjectBuilder::default();
    let file = selection.map(Selection::to_file).transpose()?;
    if let Some(path) = file.as_ref().and_then(|file| file.path()) {
        builder.btf_custom_path(path)?;
    }
    let object = builder.open_memory(object)?.load()?;
    let links = object.progs_mut().map(|program| program.attach());
    let _links = links.collect::<Result<Vec<_>, _>>()?;
    wait();
    let mut maps = object.maps();
    let is_bss = |name: &str| name.ends_with(".bss");
    let bss = maps
        .find(|map| map.name().to_str().is_some_and(is_bss))
        .ok_or("no .bss")?;
    let seen = bss
        .lookup(&0u32.to_ne_bytes(), MapFlags::ANY)?
        .ok_or("no value")?;
    let mut values = seen
        .chunks_exact(8)
        .map(|value| value.try_into().map(u64::from_ne_bytes));
    let mut next = || values.next().ok_or("too short")?.map_err(|_| "too short");
    Ok([next()?, next()?, next()?, next()?])
}
