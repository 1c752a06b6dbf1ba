//! A kernel's BTF and the split BTFs of its modules, as one BTF.
//!
//! Each module's ids and strings continue where the kernel's end, so those of two modules
//! overlap. Here they are placed one after another: the kernel's types keep their ids, and the
//! modules' types follow in the order in which libbpf searches the modules
//! (`bpf_core_find_cands`).

use std::fmt;
use std::sync::Arc;

use btfhub_runtime::Printable;

use super::error::BtfError;
use super::references::{self, Reference};
use super::{Btf, Endian, StrOffset, TypeId};

/// Which types of a BTF are a module's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    name: String,
    /// Its first type.
    first: u32,
}

/// Why a module's BTF does not belong to a kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinError {
    module: String,
    why: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Btf(BtfError),
    Endian { module: Endian, kernel: Endian },
    OtherBuild { id: u32, name: u32, kernel: u32 },
    NotSplit,
    UnknownKind(u32),
    TooBig,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module {}: ", Printable(&self.module))?;
        match &self.why {
            Cause::Btf(error) => write!(
                f,
                "its BTF does not fit this kernel's (is the module of another build?): {error}"
            ),
            Cause::Endian { module, kernel } => {
                write!(
                    f,
                    "its BTF is {module:?}-endian, the kernel's {kernel:?}-endian"
                )
            }
            Cause::OtherBuild { id, name, kernel } => write!(
                f,
                "its BTF was made for another build of the kernel: the name of type [{id}] is at \
                 byte {name}, where no name begins (the kernel's own names take {kernel} bytes)"
            ),
            Cause::NotSplit => f.write_str(
                "its BTF is self-contained, like a kernel's; a module's BTF continues where its \
                 kernel's ends",
            ),
            Cause::UnknownKind(id) => {
                write!(f, "type [{id}] is of a kind that is unknown here")
            }
            Cause::TooBig => f.write_str("with it the kernel's BTF takes more than 4 GiB"),
        }
    }
}

impl std::error::Error for JoinError {}

impl Btf {
    /// Appends the types of modules to the kernel's. `modules` are names and split BTFs, in the
    /// order in which libbpf would search them; those that `wanted` rejects are checked and
    /// left out.
    ///
    /// # Errors
    /// If a module's BTF is damaged, or was made for another build of the kernel: it refers to
    /// types or names that don't exist, or to the middle of a name.
    pub fn join<'a>(
        kernel: Btf,
        modules: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        wanted: impl Fn(&Btf) -> bool,
    ) -> Result<Btf, JoinError> {
        let kernel = Arc::new(kernel);
        let mut joined = Joined::default();
        for (name, bytes) in modules {
            let error = |why| JoinError {
                module: name.to_owned(),
                why,
            };
            let module = Btf::parse_split(bytes, Arc::clone(&kernel));
            let module = module.map_err(|found| error(Cause::Btf(found)))?;
            joined.check(&module, &kernel).map_err(error)?;
            if wanted(&module) {
                joined.add(name, module, &kernel).map_err(error)?;
            }
        }
        let kernel = Arc::try_unwrap(kernel).unwrap_or_else(|shared| (*shared).clone());
        Ok(joined.behind(kernel))
    }

    /// The first type that is a module's; `None` where none is.
    pub fn first_of_modules(&self) -> Option<TypeId> {
        self.modules.first().map(|module| TypeId(module.first))
    }

    /// The ids of the kernel's own types, in order.
    pub fn ids_of_kernel(&self) -> impl Iterator<Item = TypeId> + use<> {
        let end = self.first_of_modules();
        (1..end.map_or(self.type_count(), |first| first.0)).map(TypeId)
    }

    /// The module that a type is of; `None` for the kernel's own.
    pub fn module_of(&self, id: TypeId) -> Option<&str> {
        let behind = self.modules.partition_point(|module| module.first <= id.0);
        let module = self.modules.get(behind.checked_sub(1)?)?;
        Some(&module.name)
    }

    /// The first type of each module, in their order.
    pub(crate) fn firsts_of_modules(&self) -> impl Iterator<Item = TypeId> {
        self.modules.iter().map(|module| TypeId(module.first))
    }

    /// The same BTF, of which the types from these on are of modules.
    pub(crate) fn divided(mut self, modules: impl IntoIterator<Item = (String, TypeId)>) -> Btf {
        let modules = modules.into_iter();
        self.modules = modules
            .map(|(name, first)| Module {
                name,
                first: first.0,
            })
            .collect();
        self
    }

    /// The names of the modules, in their order.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|module| module.name.as_str())
    }

    /// The same types, with these names changed.
    pub(crate) fn renamed(&self, names: impl IntoIterator<Item = (TypeId, Vec<u8>)>) -> Btf {
        let mut renamed = self.clone();
        let mut strings = self.strings().to_vec();
        for (id, name) in names {
            let own = id.0.checked_sub(self.first_id).map(|own| own as usize);
            let Some(&pos) = own.and_then(|own| self.index.get(own)) else {
                continue;
            };
            let offset = (self.first_string)
                .saturating_add(u32::try_from(strings.len()).unwrap_or(u32::MAX));
            if let Some(word) = renamed.words.get_mut(pos as usize) {
                *word = if name.is_empty() { 0 } else { offset };
            }
            if !name.is_empty() {
                strings.extend_from_slice(&name);
                strings.push(0);
            }
        }
        renamed.words.truncate(renamed.types_end);
        renamed.put_strings(&strings);
        renamed
    }

    /// Appends the strings to the types, which fill whole words.
    fn put_strings(&mut self, strings: &[u8]) {
        self.types_end = self.words.len();
        let start = 4 * self.types_end;
        self.words
            .resize(self.types_end + strings.len().div_ceil(4), 0);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words);
        if let Some(target) = bytes.get_mut(start..start + strings.len()) {
            target.copy_from_slice(strings);
        }
        self.strings = start..start + strings.len();
    }

    /// Whether a string begins at this offset.
    fn begins_string(&self, offset: u32) -> bool {
        offset == 0 || self.string_tail(StrOffset(offset - 1)).first() == Some(&0)
    }
}

/// What is appended to the kernel's types and strings.
#[derive(Default)]
struct Joined {
    types: Vec<u32>,
    /// Where each type begins in `types`.
    index: Vec<u32>,
    listed: Vec<u32>,
    strings: Vec<u8>,
    modules: Vec<Module>,
}

impl Joined {
    /// Each name must begin where a string does. In a BTF made for other strings, most names
    /// begin elsewhere.
    fn check(&self, module: &Btf, kernel: &Btf) -> Result<(), Cause> {
        if module.endian() != kernel.endian() {
            return Err(Cause::Endian {
                module: module.endian(),
                kernel: kernel.endian(),
            });
        }
        // In BTF without a base, the empty string comes first.
        if module.strings().first() == Some(&0) {
            return Err(Cause::NotSplit);
        }
        for id in module.first_id..module.type_count() {
            let Some(ty) = module.ty(TypeId(id)) else {
                continue;
            };
            let members = ty.members().filter(|_| ty.kind().is_composite());
            let names = [ty.name()]
                .into_iter()
                .chain(members.map(|member| member.name));
            for name in names {
                if !module.begins_string(name.0) {
                    return Err(Cause::OtherBuild {
                        id,
                        name: name.0,
                        kernel: kernel.strings_len(),
                    });
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, mut module: Btf, kernel: &Btf) -> Result<(), Cause> {
        let number = |count: usize| u32::try_from(count).map_err(|_| Cause::TooBig);
        let before = number(self.index.len())?;
        let types_shift = before;
        let strings_shift = number(self.strings.len())?;
        let (first_id, first_string) = (module.first_id, module.first_string);
        // Neither the ids nor the offsets of all of them may be more than a word.
        let all_types = u64::from(module.type_count()) + u64::from(before);
        let all_strings =
            u64::from(first_string) + u64::from(module.strings_len()) + u64::from(strings_shift);
        if u32::try_from(all_types.max(all_strings)).is_err() {
            return Err(Cause::TooBig);
        }
        let end = module.types_end;
        let words = module.words.get_mut(..end).unwrap_or_default();
        for (own, (&pos, next)) in module
            .index
            .iter()
            .zip(module.index.iter().skip(1).map(Some).chain([None]))
            .enumerate()
        {
            let record = references::record(words, pos, next);
            if !record
                .get(1)
                .is_some_and(|&info| references::are_known(info))
            {
                return Err(Cause::UnknownKind(first_id.saturating_add(number(own)?)));
            }
            references::each(record, |reference| match reference {
                Reference::Type(id) if *id >= first_id => *id += types_shift,
                Reference::String(offset) if *offset >= first_string => *offset += strings_shift,
                _ => {}
            });
        }
        let start = module.index.first().map_or(end, |&pos| pos as usize);
        let at = number(self.types.len())?;
        // This also ensures that every offset in the result is less than 2^32.
        number(at as usize + kernel.types_end + (end - start))?;
        let moved = number(start)?;
        self.types
            .extend_from_slice(words.get(start..).unwrap_or_default());
        self.index
            .extend(module.index.iter().map(|&pos| pos - moved + at));
        self.listed
            .extend(module.listed.iter().map(|&own| own + before));
        self.strings.extend_from_slice(module.strings());
        self.modules.push(Module {
            name: name.to_owned(),
            first: first_id + types_shift,
        });
        Ok(())
    }

    fn behind(self, mut kernel: Btf) -> Btf {
        if self.modules.is_empty() {
            return kernel;
        }
        let mut strings = kernel.strings().to_vec();
        strings.extend_from_slice(&self.strings);
        // Checked while they were added: all of it is less than 2^32 words.
        let word = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        let (types, count) = (word(kernel.types_end), word(kernel.index.len()));
        kernel
            .index
            .extend(self.index.iter().map(|&pos| pos + types));
        kernel
            .listed
            .extend(self.listed.iter().map(|&own| own + count));
        kernel.words.truncate(kernel.types_end);
        kernel.words.extend_from_slice(&self.types);
        kernel.modules = self.modules;
        kernel.put_strings(&strings);
        kernel
    }
}
