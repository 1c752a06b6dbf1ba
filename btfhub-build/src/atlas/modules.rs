//! The section of modules. Each module is stored as changes from the module of the same name in
//! the kernel's parent, or from an earlier module of the kernel.
//!
//! Where a module's definition refers to another one by group and ordinal, the ordinal counts
//! the kernel's candidates first, then the module's own.

use btfhub_runtime::Printable;

use super::bytes::{Cursor, put_len};
use super::columns::{put_text, take_text};
use super::error::{AtlasError, FilePart};
use super::numbers::{KernelNumber, ModuleNumber};
use super::pack::MAX_NAMES;
use super::sets::{Changes, Set, changes, distance, put_ascending, take_ascending};

/// How many earlier modules are compared to find a base.
const NEAR: usize = 8;

/// How many definitions all modules may have in total, each counted in every module that has it:
/// more than those of a thousand kernels.
const MAX_HELD: u64 = 1 << 30;

/// A module to write, with canonical numbers.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub(super) name: ModuleNumber,
    pub(super) set: Set,
}

/// A module that was read.
#[derive(Clone, Debug)]
pub(super) struct ModuleEntry {
    pub(super) name: ModuleNumber,
    pub(super) base: Base,
    pub(super) changes: Changes,
}

/// The module whose definitions this one changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    None,
    /// The module of the same name in the kernel's parent.
    Parent,
    /// The module this many places before it.
    Before(usize),
}

/// Writes the modules of kernels, in the order of the kernels.
#[derive(Debug)]
pub(super) struct ModulesEncoder {
    lengths: Vec<u8>,
    text: Vec<u8>,
    records: Vec<u8>,
    changes: Vec<u8>,
}

impl ModulesEncoder {
    /// `names` are those of all modules, ascending.
    pub(super) fn new(names: &[&str]) -> Self {
        let mut encoder = Self {
            lengths: Vec::new(),
            text: Vec::new(),
            records: Vec::new(),
            changes: Vec::new(),
        };
        put_len(&mut encoder.records, names.len());
        let mut before = "";
        for name in names {
            let (lengths, text) = (&mut encoder.lengths, &mut encoder.text);
            put_text(lengths, text, before.as_bytes(), name.as_bytes());
            before = name;
        }
        encoder
    }

    /// Adds the modules of a kernel; `parent` has those of its parent. Both are sorted by name.
    pub(super) fn add(&mut self, modules: &[Module], parent: &[Module]) {
        let names =
            |modules: &[Module]| -> Vec<_> { modules.iter().map(|module| module.name).collect() };
        let came_or_went = changes(&names(parent), &names(modules));
        put_ascending(&mut self.records, &mut self.changes, &came_or_went);
        let nothing = Set::default();
        for (at, module) in modules.iter().enumerate() {
            let of_parent = parent.binary_search_by_key(&module.name.0, |other| other.name.0);
            let of_parent = of_parent.ok().and_then(|at| parent.get(at));
            let near = modules.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
            let before = (2..).zip(near.iter().rev());
            let bases = [(0, &nothing)].into_iter();
            let bases = bases.chain(of_parent.map(|module| (1, &module.set)));
            let bases = bases.chain(before.map(|(code, module)| (code, &module.set)));
            let nearest = bases.min_by_key(|(_, base)| distance(&base.held, &module.set.held));
            let (code, base) = nearest.unwrap_or((0, &nothing));
            put_len(&mut self.records, code);
            module.set.put(base, &mut self.records, &mut self.changes);
        }
    }

    /// The section.
    pub(super) fn finish(self) -> Vec<u8> {
        let columns = [&self.lengths, &self.text, &self.records, &self.changes];
        let mut out = Vec::new();
        for column in columns {
            put_len(&mut out, column.len());
        }
        for column in columns {
            out.extend_from_slice(column);
        }
        out
    }
}

/// Reads the section: the names of all modules, and the modules of each kernel. `parents` has
/// the parent of each kernel; `definitions` is how many the atlas has.
pub(super) fn read(
    section: &[u8],
    parents: &[Option<KernelNumber>],
    definitions: u32,
) -> Result<(Vec<String>, Vec<Vec<ModuleEntry>>), AtlasError> {
    let mut cursor = Cursor::new(section, FilePart::Modules);
    let mut lens = [0; 4];
    for len in &mut lens {
        *len = cursor.len()?;
    }
    let mut columns = [cursor; 4];
    for (column, len) in columns.iter_mut().zip(lens) {
        *column = Cursor::new(cursor.take(len)?, FilePart::Modules);
    }
    let [mut lengths, mut text, mut records, mut numbers] = columns;
    let names = names(&mut lengths, &mut text, &mut records)?;
    let name_count = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut kernels: Vec<Vec<ModuleEntry>> = Vec::new();
    // How many definitions each module has at most.
    let mut sizes: Vec<Vec<u64>> = Vec::new();
    let mut in_all = 0u64;
    for parent in parents {
        let parent = parent.and_then(|parent| kernels.get(parent.0).zip(sizes.get(parent.0)));
        let of_parent: Vec<ModuleNumber> = parent.map_or_else(Vec::new, |(modules, _)| {
            modules.iter().map(|module| module.name).collect()
        });
        let absent = "no such module name";
        let changed = take_ascending(&mut records, &mut numbers, name_count, absent)?;
        let mut modules: Vec<ModuleEntry> = Vec::new();
        let mut own_sizes: Vec<u64> = Vec::new();
        for name in changes(&of_parent, &changed) {
            let code = records.len()?;
            let (base, size) = match code {
                0 => (Base::None, Some(0)),
                1 => {
                    let at = of_parent.binary_search(&name).ok();
                    let size = parent.and_then(|(_, sizes)| sizes.get(at?).copied());
                    (Base::Parent, size)
                }
                code => {
                    let at = modules.len().checked_sub(code - 1);
                    let size = at.and_then(|at| own_sizes.get(at).copied());
                    (Base::Before(code - 1), size)
                }
            };
            let size = size.ok_or_else(|| records.error("no such base"))?;
            let changes = Changes::take(&mut records, &mut numbers, definitions)?;
            let more = changes.held.len() + changes.twice.len();
            let orders = changes.orders.iter().flatten().map(Vec::len).sum::<usize>();
            let size = size.saturating_add((more + orders) as u64);
            in_all = in_all.saturating_add(if changes.are_none() { 1 } else { size });
            if in_all > MAX_HELD {
                return Err(records.error("the modules have more than 2^30 definitions in total"));
            }
            modules.push(ModuleEntry {
                name,
                base,
                changes,
            });
            own_sizes.push(size);
        }
        kernels.push(modules);
        sizes.push(own_sizes);
    }
    if ![lengths, text, records, numbers]
        .iter()
        .all(Cursor::is_at_end)
    {
        return Err(numbers.error("data after the last module"));
    }
    Ok((names, kernels))
}

fn names(
    lengths: &mut Cursor<'_>,
    text: &mut Cursor<'_>,
    records: &mut Cursor<'_>,
) -> Result<Vec<String>, AtlasError> {
    let mut names: Vec<String> = Vec::new();
    let mut name = Vec::new();
    let mut long = 0;
    for _ in 0..records.len()? {
        take_text(lengths, text, &mut name)?;
        let next = String::from_utf8(name.clone());
        let next = next.map_err(|_| text.error("a module name that is not UTF-8"))?;
        if !Printable(&next).is_plain() {
            return Err(text.error("a module name with control characters"));
        }
        if names.last().is_some_and(|before| *before >= next) {
            return Err(text.error("the names of modules are not sorted"));
        }
        long += next.len() as u64;
        if long > MAX_NAMES {
            return Err(text.error("the names of modules are longer than 256 MiB in total"));
        }
        names.push(next);
    }
    Ok(names)
}
