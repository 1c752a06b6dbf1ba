//! The section of kernels. Each kernel is stored as changes from an earlier one, its parent.

use btfhub_runtime::{Arch, KernelId, Printable};

use super::bytes::{Cursor, put, put_len};
use super::collect::SourceEntry;
use super::columns::{put_text, take_text};
use super::error::{AtlasError, FilePart};
use super::modules::ModuleEntry;
use super::numbers::{DefinitionNumber, KernelNumber};
use super::pack::MAX_NAMES;
use super::sets::{Changes, Set, distance};
use crate::archive::{Digest, SUFFIX, is_name};
use crate::btf::Endian;

/// A kernel to write, with canonical numbers.
#[derive(Clone, Debug)]
pub(super) struct WrittenKernel<'a> {
    pub(super) id: KernelId<'a>,
    pub(super) source: &'a SourceEntry,
    pub(super) endian: Endian,
    pub(super) set: Set,
    pub(super) pointer_int: Option<DefinitionNumber>,
    pub(super) index_type: Option<DefinitionNumber>,
}

/// How many earlier kernels are compared to find a parent.
const NEAR: usize = 64;
/// On average, one of this many definitions is compared.
const SAMPLE: u32 = 16;

/// Writes kernels, in the order of their ids.
#[derive(Default)]
pub(super) struct KernelsEncoder<'a> {
    lengths: Vec<u8>,
    text: Vec<u8>,
    records: Vec<u8>,
    changes: Vec<u8>,
    /// The last unusual path.
    path: Vec<u8>,
    /// The last kernels, and the sample of definitions by which each is compared.
    past: Vec<(WrittenKernel<'a>, Vec<DefinitionNumber>)>,
    count: usize,
}

impl<'a> KernelsEncoder<'a> {
    /// Writes a kernel. Returns its parent.
    pub(super) fn add(&mut self, kernel: WrittenKernel<'a>) -> Option<KernelNumber> {
        let mut sample = Vec::new();
        let mut at = 0;
        while at < kernel.set.held.len() {
            let number = kernel.set.held[at];
            if number.0.wrapping_mul(0x9e37_79b1) < u32::MAX / SAMPLE {
                sample.push(number);
            }
            at += 1;
        }
        let empty = Set::default();
        let parent = self
            .past
            .iter()
            .enumerate()
            .rev()
            .min_by_key(|(_, (_, other))| distance(other, &sample));
        let (distance, base) = match parent {
            Some((number, (base, _))) => (self.past.len() - number, &base.set),
            None => (0, &empty),
        };
        let before = self.past.last().map(|(kernel, _)| kernel.id);
        let texts = |id: KernelId<'a>| [id.arch.as_str(), id.release, id.distro, id.version];
        let before = before.map_or([""; 4], texts);
        for (before, now) in before.iter().zip(texts(kernel.id)) {
            put_text(
                &mut self.lengths,
                &mut self.text,
                before.as_bytes(),
                now.as_bytes(),
            );
        }
        self.text.extend(kernel.source.digest.as_bytes());
        let usual = usual_path(kernel.id) == kernel.source.path;
        put_len(&mut self.records, usize::from(!usual));
        if !usual {
            let path = kernel.source.path.as_bytes();
            put_text(&mut self.lengths, &mut self.text, &self.path, path);
            path.clone_into(&mut self.path);
        }
        put_len(&mut self.records, distance);
        put_len(&mut self.records, usize::from(kernel.endian == Endian::Big));
        for number in [kernel.pointer_int, kernel.index_type] {
            put(&mut self.records, number.map_or(0, |n| u64::from(n.0) + 1));
        }
        kernel.set.put(base, &mut self.records, &mut self.changes);
        if self.past.len() == NEAR {
            self.past.remove(0);
        }
        self.past.push((kernel, sample));
        self.count += 1;
        let parent = (self.count - 1).checked_sub(distance);
        parent.filter(|_| distance > 0).map(KernelNumber)
    }

    /// Returns the number of kernels and the section.
    pub(super) fn finish(self) -> (usize, Vec<u8>) {
        let columns = [&self.lengths, &self.text, &self.records, &self.changes];
        let mut out = Vec::new();
        for column in columns {
            put_len(&mut out, column.len());
        }
        for column in columns {
            out.extend_from_slice(column);
        }
        (self.count, out)
    }
}

/// The path of a kernel's entry in the archive's layout.
fn usual_path(id: KernelId<'_>) -> String {
    format!("{id}{SUFFIX}")
}

/// A kernel that was read.
#[derive(Clone, Debug)]
pub(super) struct KernelEntry {
    arch: String,
    release: String,
    distro: String,
    version: String,
    pub(super) source: SourceEntry,
    pub(super) endian: Endian,
    pub(super) parent: Option<KernelNumber>,
    pub(super) changes: Changes,
    pub(super) pointer_int: Option<DefinitionNumber>,
    pub(super) index_type: Option<DefinitionNumber>,
    /// Sorted by name.
    pub(super) modules: Vec<ModuleEntry>,
}

impl KernelEntry {
    pub(super) fn id(&self) -> KernelId<'_> {
        KernelId {
            arch: Arch::new(&self.arch),
            release: &self.release,
            distro: &self.distro,
            version: &self.version,
        }
    }
}

/// Reads the section; `definitions` is how many the atlas has.
pub(super) fn read(
    section: &[u8],
    count: u32,
    definitions: u32,
) -> Result<Vec<KernelEntry>, AtlasError> {
    let mut cursor = Cursor::new(section, FilePart::Kernels);
    let mut lens = [0; 4];
    for len in &mut lens {
        *len = cursor.len()?;
    }
    let mut columns = [cursor; 4];
    for (column, len) in columns.iter_mut().zip(lens) {
        *column = Cursor::new(cursor.take(len)?, FilePart::Kernels);
    }
    let [mut lengths, mut text, mut records, mut numbers] = columns;
    let mut kernels: Vec<KernelEntry> = Vec::new();
    let mut names: [Vec<u8>; 4] = Default::default();
    let mut path = Vec::new();
    let mut long = 0;
    for number in 0..count as usize {
        let mut next = [const { String::new() }; 4];
        for (name, next) in names.iter_mut().zip(&mut next) {
            take_text(&mut lengths, &mut text, name)?;
            *next = String::from_utf8(name.clone())
                .map_err(|_| text.error("a kernel name that is not UTF-8"))?;
        }
        let [arch, release, distro, version] = next;
        let digest = Digest::from_bytes(text.array()?);
        let unusual = records.below(2, "an unknown kind of path")? == 1;
        if unusual {
            take_text(&mut lengths, &mut text, &mut path)?;
        }
        let parent = match records.len()? {
            0 => None,
            distance => {
                let parent = number.checked_sub(distance).map(KernelNumber);
                Some(parent.ok_or_else(|| records.error("no such parent"))?)
            }
        };
        let endian = match records.below(2, "an unknown byte order")? {
            0 => Endian::Little,
            _ => Endian::Big,
        };
        let mut special = [None; 2];
        for special in &mut special {
            *special = records.u32()?.checked_sub(1).map(DefinitionNumber);
            if special.is_some_and(|number| number.0 >= definitions) {
                return Err(records.error("no such definition"));
            }
        }
        let changes = Changes::take(&mut records, &mut numbers, definitions)?;
        let id = KernelId {
            arch: Arch::new(&arch),
            release: &release,
            distro: &distro,
            version: &version,
        };
        let path = if unusual {
            String::from_utf8(path.clone()).map_err(|_| text.error("a path that is not UTF-8"))?
        } else {
            usual_path(id)
        };
        let names_entry = [&arch, &release, &distro, &version].map(|part| is_name(part));
        if names_entry.contains(&false) || !Printable(&path).is_plain() {
            return Err(text.error("an invalid kernel name or path"));
        }
        long += names.iter().map(Vec::len).sum::<usize>() as u64 + path.len() as u64;
        if long > MAX_NAMES {
            return Err(text.error("the names of kernels are longer than 256 MiB in total"));
        }
        kernels.push(KernelEntry {
            arch,
            release,
            distro,
            version,
            source: SourceEntry { path, digest },
            endian,
            parent,
            changes,
            pointer_int: special[0],
            index_type: special[1],
            modules: Vec::new(),
        });
    }
    if kernels.windows(2).any(|two| two[0].id() >= two[1].id()) {
        return Err(lengths.error("the kernels are not sorted"));
    }
    if ![lengths, text, records, numbers]
        .iter()
        .all(Cursor::is_at_end)
    {
        return Err(numbers.error("data after the last kernel"));
    }
    Ok(kernels)
}
