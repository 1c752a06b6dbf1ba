//! The BTF of modules in any form: `/sys/kernel/btf`, or `.ko` files from
//! `/lib/modules/<release>` or an unpacked package, compressed or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfhub_build::archive;
use btfhub_build::btf::{Btf, Endian};
use btfhub_runtime::Printable;
use object::{Object as _, ObjectSection as _};
use walkdir::WalkDir;

use super::BTF_MAGICS;
use super::codec::{Budget, CODECS, DENSEST};
use crate::failure::{Context as _, Failure};
use crate::files;

/// Longer than any module.
const LONGEST_MODULE: u64 = 256 << 20;
/// More than any kernel has; the most is about 4,300.
const MOST_MODULES: usize = 10_000;

/// A module, and its BTF on top of the kernel's.
#[derive(Debug)]
pub(crate) struct Module {
    /// As in `lsmod`.
    pub(crate) name: String,
    pub(crate) btf: Vec<u8>,
}

/// The modules in a directory.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// By name.
    pub(crate) with_btf: Vec<Module>,
    /// How many modules have no BTF.
    pub(crate) without_btf: usize,
}

impl Modules {
    /// Reads the modules below a directory, which must be for this kernel.
    pub(crate) fn read(
        directory: &Path,
        kernel: &Arc<Btf>,
        release: &str,
    ) -> Result<Self, Failure> {
        let mut modules = Self::default();
        let mut paths: Vec<PathBuf> = Vec::new();
        for item in WalkDir::new(directory) {
            let item = item.context(|| format!("cannot read {}", directory.display()))?;
            if item.file_type().is_file() {
                paths.push(item.into_path());
            }
        }
        paths.sort();
        let mut bytes = 0;
        for path in &paths {
            let Some(name) = name_of(path) else { continue };
            let failed = |what: String| Failure::new(format!("{}: {what}", path.display()));
            if !Printable(&name).is_plain() {
                return Err(failed(
                    "no module has control characters in its name".to_owned(),
                ));
            }
            let data = files::read(path, LONGEST_MODULE)?;
            let btf = if BTF_MAGICS.iter().any(|magic| data.starts_with(magic)) {
                Some(data)
            } else if is_module_file(path) {
                let data = unpacked(data).map_err(failed)?;
                from_elf(&data, kernel, release).map_err(failed)?
            } else {
                continue;
            };
            match btf {
                Some(btf) => {
                    bytes += btf.len() as u64;
                    modules.with_btf.push(Module { name, btf });
                }
                None => modules.without_btf += 1,
            }
            if bytes > archive::DEFAULT_LIMIT {
                return Err(failed(format!(
                    "with it the BTF of the modules takes more than the {} MiB that an entry can \
                     hold",
                    archive::DEFAULT_LIMIT >> 20
                )));
            }
            if modules.with_btf.len() > MOST_MODULES {
                return Err(Failure::new(format!(
                    "{}: more than {MOST_MODULES} modules, which no kernel has",
                    directory.display()
                )));
            }
        }
        if modules.with_btf.is_empty() {
            return Err(Failure::new(format!(
                "{}: no module with BTF ({} without): neither .ko files nor the files of \
                 /sys/kernel/btf; was the kernel built with CONFIG_DEBUG_INFO_BTF_MODULES?",
                directory.display(),
                modules.without_btf
            )));
        }
        modules.with_btf.sort_by(|a, b| a.name.cmp(&b.name));
        let mut pairs = (modules.with_btf.iter()).zip(modules.with_btf.iter().skip(1));
        if let Some((module, _)) = pairs.find(|(a, b)| a.name == b.name) {
            return Err(Failure::new(format!(
                "{}: module {} appears twice",
                directory.display(),
                module.name
            )));
        }
        Ok(modules)
    }
}

fn is_module_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let packed = |name: &str| {
        [
            ".ko", ".ko.xz", ".ko.gz", ".ko.zst", ".ko.bz2", ".ko.lzma", ".ko.lz4",
        ]
        .iter()
        .any(|suffix| name.ends_with(suffix))
    };
    name.is_some_and(packed)
}

/// The kernel's name for the module in a file; `None` if it is not a module.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = match name.find(".ko") {
        Some(end) if is_module_file(path) => name.get(..end)?,
        _ => name.strip_suffix(".btf").unwrap_or(name),
    };
    // The kernel's own BTF, which is in the same directory, or a file that is not a module's.
    if name.is_empty() || name == "vmlinux" || name.contains('.') {
        return None;
    }
    Some(name.replace('-', "_"))
}

/// The module in a file. There may be thousands, so each is given as much work as its size is
/// worth.
fn unpacked(data: Vec<u8>) -> Result<Vec<u8>, String> {
    let codec = CODECS.iter().find(|codec| data.starts_with(codec.magic));
    let budget = Budget::of_packed(data.len());
    let unpacked = codec.and_then(|codec| (codec.unpack)(&data, &budget));
    if budget.is_spent() {
        return Err(format!(
            "unpacks to more than {DENSEST} times its size, which no module does"
        ));
    }
    Ok(unpacked.unwrap_or(data))
}

/// The split BTF of a module; `None` if it has none.
fn from_elf(data: &[u8], kernel: &Arc<Btf>, release: &str) -> Result<Option<Vec<u8>>, String> {
    let elf = object::File::parse(data).map_err(|error| format!("not a kernel module: {error}"))?;
    let section = |name: &str| -> Result<Option<Vec<u8>>, String> {
        let Some(section) = elf.section_by_name(name) else {
            return Ok(None);
        };
        let data = section.uncompressed_data();
        let data = data.map_err(|error| format!("section {name}: {error}"))?;
        Ok(Some(data.into_owned()).filter(|data| !data.is_empty()))
    };
    // The first word of `vermagic` is the release that the kernel compares.
    let info = section(".modinfo")?.unwrap_or_default();
    let magic = (info.split(|&byte| byte == 0)).find_map(|line| line.strip_prefix(b"vermagic="));
    let built_for = magic.and_then(|magic| magic.split(|&byte| byte == b' ').next());
    if let Some(built_for) = built_for.filter(|built_for| *built_for != release.as_bytes()) {
        return Err(format!(
            "built for {}, and this kernel is {release}",
            String::from_utf8_lossy(built_for).escape_debug()
        ));
    }
    let Some(btf) = section(".BTF")? else {
        return Ok(None);
    };
    let endian = if elf.is_little_endian() {
        Endian::Little
    } else {
        Endian::Big
    };
    if endian != kernel.endian() {
        return Err("a module for machines with a different byte order".to_owned());
    }
    Ok(Some(match section(".BTF.base")? {
        Some(base) => Btf::relocate(&btf, &base, Arc::clone(kernel))
            .map_err(|error| error.to_string())?
            .to_bytes(),
        None => btf,
    }))
}
