//! Assigns canonical numbers and writes the file.
//!
//! Kernels are numbered by id, groups by kind and name, the definitions of a group by the first
//! kernel that has them, and strings by first use. So the same kernels give the same bytes,
//! regardless of their order and of the number of threads.

use std::collections::BTreeSet;

use super::chunks::List;
use super::collect::{AtlasWriter, CollectedKernel};
use super::definition::{GROUP_KINDS, change_groups};
use super::encode::{Encoder, StringNumbers, Variant};
use super::error::{AtlasError, Cause};
use super::format::{BlockEntry, Index};
use super::kernels::{KernelsEncoder, WrittenKernel};
use super::modules::{Module, ModulesEncoder};
use super::numbers::{
    DefinitionNumber, GroupNumber, KernelNumber, ModuleNumber, ProvisionalDefinition,
    ProvisionalGroup,
};
use super::pack::{Effort, Section, digest, pack};
use super::sets::Set;
use super::table::sort;

/// A block ends when its columns have this many bytes: few enough to expand for one definition,
/// enough to compress well.
const BLOCK: usize = 128 << 10;

/// No number.
const NONE: u32 = u32::MAX;

/// Provisional numbers → canonical ones.
struct Order {
    /// Kernels in canonical order, as indices into the writer's.
    kernels: Vec<usize>,
    /// Groups in canonical order.
    groups: Vec<ProvisionalGroup>,
    /// By provisional number.
    group_numbers: Vec<GroupNumber>,
    /// Definitions in canonical order.
    definitions: Vec<ProvisionalDefinition>,
    /// For each group in canonical order: where its definitions end.
    ends: Vec<usize>,
    /// By provisional number.
    places: Vec<Numbers>,
}

/// The canonical numbers of a definition and its group, together in memory.
#[derive(Clone, Copy)]
struct Numbers {
    number: DefinitionNumber,
    group: GroupNumber,
}

impl Order {
    fn new(writer: &AtlasWriter) -> Result<Self, AtlasError> {
        let mut kernels: Vec<usize> = (0..writer.kernels.len()).collect();
        kernels.sort_by(|&a, &b| writer.kernels[a].id().cmp(&writer.kernels[b].id()));
        for two in kernels.windows(2) {
            let [a, b] = [&writer.kernels[two[0]], &writer.kernels[two[1]]];
            if a.id() == b.id() {
                return Err(AtlasError(Cause::Twice(a.id().to_string())));
            }
        }
        // Definitions in the order of the kernels, and how many each group has.
        let mut met = Vec::with_capacity(writer.definitions.len());
        let mut counts = vec![0; writer.groups.len()];
        let mut seen = vec![false; writer.definitions.len()];
        let mut seen_pieces = writer.chunks.none_seen();
        for &kernel in &kernels {
            let kernel = &writer.kernels[kernel];
            let of_modules = kernel.modules.iter().map(|(_, held)| held);
            for held in [&kernel.held].into_iter().chain(of_modules) {
                for marked in writer.chunks.get_unseen(held, &mut seen_pieces) {
                    let definition = marked.definition();
                    let slot = definition.index();
                    if !seen[slot] {
                        seen[slot] = true;
                        met.push(definition);
                        counts[writer.definitions[slot].title.group.index()] += 1;
                    }
                }
            }
        }
        let mut groups: Vec<_> = (0..)
            .zip(&counts)
            .filter(|&(_, &count)| count > 0)
            .map(|(group, _)| ProvisionalGroup(group))
            .collect();
        let key = |group| {
            let (kind, name) = writer.groups.get(group);
            let kind = GROUP_KINDS.iter().position(|&other| other == kind);
            (kind, writer.strings.get(name))
        };
        groups.sort_by_cached_key(|&group| key(group));
        let mut group_numbers = vec![GroupNumber(NONE); writer.groups.len()];
        // Where the next definition of each group goes; after the loops, where its last one ends.
        let mut ends = Vec::with_capacity(groups.len());
        let mut end = 0;
        for (number, &group) in (0..).zip(&groups) {
            group_numbers[group.index()] = GroupNumber(number);
            ends.push(end);
            end += counts[group.index()];
        }
        let none = Numbers {
            number: DefinitionNumber(NONE),
            group: GroupNumber(NONE),
        };
        let mut places = vec![none; writer.definitions.len()];
        let mut definitions = vec![ProvisionalDefinition(NONE); met.len()];
        for definition in met {
            let group = writer.definitions[definition.index()].title.group;
            let group = group_numbers[group.index()];
            let end = &mut ends[group.index()];
            definitions[*end] = definition;
            places[definition.index()] = Numbers {
                number: DefinitionNumber(u32::try_from(*end).unwrap_or(NONE)),
                group,
            };
            *end += 1;
        }
        Ok(Self {
            kernels,
            groups,
            group_numbers,
            definitions,
            ends,
            places,
        })
    }

    /// The definitions of a group, in canonical order.
    fn of_group(&self, group: usize) -> &[ProvisionalDefinition] {
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.definitions[start..self.ends[group]]
    }

    /// A kernel with canonical numbers. `counts` has a zero for each group.
    fn kernel<'a>(
        &self,
        writer: &AtlasWriter,
        kernel: &'a CollectedKernel,
        counts: &mut [u8],
    ) -> WrittenKernel<'a> {
        let number = |definition: ProvisionalDefinition| self.places[definition.index()].number;
        WrittenKernel {
            id: kernel.id(),
            source: &kernel.source,
            endian: kernel.endian,
            set: self.set(writer, &kernel.held, counts),
            pointer_int: kernel.pointer_int.map(number),
            index_type: kernel.index_type.map(number),
        }
    }

    /// The modules of a kernel. `names` has the names of all modules, ascending.
    fn modules(
        &self,
        writer: &AtlasWriter,
        kernel: usize,
        names: &[&str],
        counts: &mut [u8],
    ) -> Vec<Module> {
        let modules = writer.kernels[kernel].modules.iter();
        let modules = modules.map(|(name, held)| {
            let number = names.partition_point(|other| *other < name.as_str());
            Module {
                name: ModuleNumber(u32::try_from(number).unwrap_or(NONE)),
                set: self.set(writer, held, counts),
            }
        });
        modules.collect()
    }

    /// A list of definitions with canonical numbers. `counts` has a zero for each group.
    fn set(&self, writer: &AtlasWriter, list: &List, counts: &mut [u8]) -> Set {
        let mut held = Vec::new();
        let mut twice = Vec::new();
        // (group, whether it is the second of two equal ones, number)
        let mut all = Vec::new();
        for marked in writer.chunks.get(list) {
            let Numbers { number, group } = self.places[marked.definition().index()];
            let again = marked.is_second();
            if again {
                twice.push(number);
            } else {
                held.push(number);
            }
            all.push((group, again, number));
            let count = &mut counts[group.index()];
            *count = count.saturating_add(1);
        }
        // Few groups have several candidates.
        let several = |all: &&(GroupNumber, bool, DefinitionNumber)| counts[all.0.index()] > 1;
        let mut grouped: Vec<_> = all.iter().filter(several).copied().collect();
        for (group, ..) in all {
            counts[group.index()] = 0;
        }
        sort(&mut held);
        sort(&mut twice);
        grouped.sort_by_key(|&(group, ..)| group);
        // Usually they ascend, first those that come first, then those that come second.
        let orders = grouped
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|group| !group.is_sorted())
            .map(|group| group.iter().map(|&(.., number)| number).collect())
            .collect();
        Set {
            held,
            twice,
            orders,
        }
    }
}

/// A block with uncompressed sections.
struct Block {
    entry: BlockEntry,
    columns: Vec<u8>,
    text: Vec<u8>,
}

impl AtlasWriter {
    /// Returns the number of definitions, and the file. It is compressed on up to `jobs` threads,
    /// which does not change a byte of it.
    ///
    /// # Errors
    /// If a kernel was inserted twice, or there are more definitions, names or kernels than the
    /// format has numbers for.
    pub fn finish(mut self, effort: Effort, jobs: usize) -> Result<(usize, Vec<u8>), AtlasError> {
        self.check_size()?;
        let order = Order::new(&self)?;
        for definition in &self.definitions {
            let body = self.words.get_mut(definition.body.clone());
            change_groups(definition.title.kind, body.unwrap_or_default(), &|group| {
                order.group_numbers[group as usize].0
            });
        }
        let blocks = self.blocks(&order);
        let mut kernels = KernelsEncoder::default();
        let mut counts = vec![0; order.groups.len()];
        let mut parents = Vec::with_capacity(order.kernels.len());
        for &kernel in &order.kernels {
            parents.push(kernels.add(order.kernel(&self, &self.kernels[kernel], &mut counts)));
        }
        let (kernel_count, kernels) = kernels.finish();
        let modules = self.modules(&order, &parents, &mut counts);

        let mut raws: Vec<&[u8]> = vec![&kernels];
        raws.extend(modules.as_deref());
        let first_block = raws.len();
        for block in &blocks {
            raws.extend([&block.columns[..], &block.text[..]]);
        }
        let packed = pack_all(&raws, effort, jobs)?;
        let section = |index: usize| Section {
            start: 0,
            packed: packed[index].len() as u64,
            raw: raws[index].len() as u64,
            digest: digest(&packed[index]),
        };
        let index = Index {
            functions: self.functions,
            kernels: section(0),
            kernel_count: u32::try_from(kernel_count).unwrap_or(u32::MAX),
            modules: modules.is_some().then(|| section(1)),
            blocks: blocks
                .iter()
                .enumerate()
                .map(|(number, block)| BlockEntry {
                    columns: section(first_block + 2 * number),
                    text: section(first_block + 1 + 2 * number),
                    ..block.entry.clone()
                })
                .collect(),
        };
        Ok((order.definitions.len(), index.assemble(&packed, effort)?))
    }

    /// The section of modules, if any kernel has some. `parents` has the parent of each kernel.
    fn modules(
        &self,
        order: &Order,
        parents: &[Option<KernelNumber>],
        counts: &mut [u8],
    ) -> Option<Vec<u8>> {
        let all = self.kernels.iter().flat_map(|kernel| &kernel.modules);
        let names: BTreeSet<&str> = all.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return None;
        }
        let names: Vec<&str> = names.into_iter().collect();
        let mut encoder = ModulesEncoder::new(&names);
        // The last parent and its modules: the next parent is usually the same kernel.
        let mut last: (Option<KernelNumber>, Vec<Module>) = (None, Vec::new());
        for (number, (&kernel, &parent)) in order.kernels.iter().zip(parents).enumerate() {
            if last.0 != parent {
                let of_parent = parent.and_then(|parent| order.kernels.get(parent.0));
                let of_parent =
                    of_parent.map(|&kernel| order.modules(self, kernel, &names, counts));
                last = (parent, of_parent.unwrap_or_default());
            }
            let modules = order.modules(self, kernel, &names, counts);
            encoder.add(&modules, &last.1);
            last = (Some(KernelNumber(number)), modules);
        }
        Some(encoder.finish())
    }

    fn blocks(&self, order: &Order) -> Vec<Block> {
        let mut strings = StringNumbers::new(self.strings.len());
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < order.groups.len() {
            let before = strings.len();
            let mut encoder = Encoder::new(&mut strings);
            let mut definitions = 0;
            let mut end = first;
            while end < order.groups.len() && encoder.columns.len() < BLOCK {
                let (kind, name) = self.groups.get(order.groups[end]);
                let variants: Vec<Variant<'_>> = order
                    .of_group(end)
                    .iter()
                    .map(|number| {
                        let definition = &self.definitions[number.index()];
                        Variant {
                            kind: definition.title.kind,
                            flavored: definition.title.flavored,
                            body: self.words.get(definition.body.clone()).unwrap_or_default(),
                        }
                    })
                    .collect();
                encoder.group(kind, self.strings.get(name), &variants);
                definitions += variants.len();
                end += 1;
            }
            let columns = encoder.columns.join();
            let mut text = Vec::new();
            for &string in strings.from(before) {
                text.extend_from_slice(self.strings.get(string));
                text.push(0);
            }
            let (kind, name) = self.groups.get(order.groups[first]);
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            blocks.push(Block {
                entry: BlockEntry {
                    groups: count(end - first),
                    definitions: count(definitions),
                    strings: count(strings.len() - before),
                    kind: GROUP_KINDS
                        .iter()
                        .position(|&other| other == kind)
                        .unwrap_or(0),
                    name: self.strings.get(name).to_vec(),
                    columns: Section::default(),
                    text: Section::default(),
                },
                columns,
                text,
            });
            first = end;
        }
        blocks
    }
}

/// Compresses sections on up to `jobs` threads.
fn pack_all(raws: &[&[u8]], effort: Effort, jobs: usize) -> Result<Vec<Vec<u8>>, AtlasError> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(raw) = raws.get(number) else {
                return done;
            };
            done.push((number, pack(raw, effort)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.clamp(1, raws.len().max(1)))
            .map(|_| scope.spawn(work))
            .collect();
        let mut done = work();
        for other in others {
            // The sections of a thread that panicked are missing; the count below shows it.
            done.extend(other.join().unwrap_or_default());
        }
        done
    });
    done.sort_by_key(|&(number, _)| number);
    if done.len() != raws.len() {
        return Err(AtlasError(Cause::Pack("a thread failed".to_owned())));
    }
    done.into_iter().map(|(_, packed)| packed).collect()
}
