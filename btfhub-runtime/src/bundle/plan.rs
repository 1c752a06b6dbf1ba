//! Writing the classes' section: which class in which block, against which.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::checksum::crc32;
use super::class::WantedClass;
use super::coder::Encoder;
use super::cursor::put_varint;
use super::definition::Definition;
use super::image;
use super::library::{Class, Library, Wanted};
use super::model::count;
use super::parse::Numbers;

/// Bits to be decoded for one class, root and block together, where no class alone
/// takes nearly as many (see [`Root::fills`]); a bit takes some 40 ns.
const CLASS_BITS: usize = 14_000;
/// Of these, what the root may take when there are other blocks.
const ROOT_BITS: usize = CLASS_BITS / 2;

/// The section for these BTF images, class 0 first. Nothing when it is too large.
pub(super) fn write(btfs: &[&[u8]]) -> Option<Vec<u8>> {
    let mut numbers = Numbers::new();
    let mut classes: Vec<WantedClass> = btfs.iter().map(|btf| numbers.class(btf)).collect();
    let wanted = numbers.wanted();
    loop {
        let plan = Plan::new(btfs, &classes, &wanted);
        let mut others = Vec::new();
        let (stride, root) = plan.root();
        let rest = (0..btfs.len()).filter(|at| !root.classes.contains(at));
        let mut block = root.child();
        for at in rest {
            block.push(&plan, at);
            if !block.encoder.is_readable() && block.classes.len() > 1 {
                // The last one is too much for it.
                block.classes.pop();
                let mut full = root.child();
                for at in block.classes {
                    full.push(&plan, at);
                }
                others.push(full.finish()?);
                block = root.child();
                block.push(&plan, at);
            }
            if root.fills(&block) {
                let full = core::mem::replace(&mut block, root.child());
                others.push(full.finish()?);
            }
        }
        if !block.classes.is_empty() {
            others.push(block.finish()?);
        }
        let mut blocks = vec![root.block.finish()?];
        blocks.append(&mut others);
        let wrong: Vec<usize> = blocks
            .iter()
            .flat_map(|b| b.wrong.iter().copied())
            .collect();
        if wrong.is_empty() {
            return assemble(stride, &blocks);
        }
        // Not in canonical form: kept as bytes.
        for at in wrong {
            let (Some(class), Some(btf)) = (classes.get_mut(at), btfs.get(at)) else {
                return None;
            };
            *class = WantedClass::Bytes(btf.to_vec());
        }
    }
}

fn assemble(stride: usize, blocks: &[Written]) -> Option<Vec<u8>> {
    let mut directory = Vec::new();
    let mut bytes = Vec::new();
    for block in blocks {
        put_varint(&mut directory, u32::try_from(block.classes).ok()?);
        put_varint(&mut directory, u32::try_from(block.coded.len()).ok()?);
        directory.extend(crc32(&[&block.coded]).to_le_bytes());
        bytes.extend_from_slice(&block.coded);
    }
    let mut head = Vec::new();
    put_varint(&mut head, u32::try_from(stride).ok()?);
    put_varint(&mut head, u32::try_from(blocks.len()).ok()?);
    let mut out = crc32(&[&head, &directory]).to_le_bytes().to_vec();
    out.extend(head);
    out.extend(directory);
    out.extend(bytes);
    Some(out)
}

/// What is to be written, with the definitions numbered for comparison.
struct Plan<'p> {
    btfs: &'p [&'p [u8]],
    classes: &'p [WantedClass],
    wanted: &'p Wanted,
    /// Per class: (symbol, number of the definition), sorted.
    contents: Vec<Vec<(u32, u32)>>,
}

impl<'p> Plan<'p> {
    fn new(btfs: &'p [&'p [u8]], classes: &'p [WantedClass], wanted: &'p Wanted) -> Self {
        // Equal definitions are one: see `Numbers`.
        let mut known: HashMap<*const Definition, u32> = HashMap::new();
        let contents = classes.iter().map(|class| {
            let WantedClass::Definitions { members, .. } = class else {
                return Vec::new();
            };
            let mut content = Vec::with_capacity(members.len());
            for (symbol, definition) in members {
                let next = count(known.len());
                content.push((
                    *symbol,
                    *known.entry(Arc::as_ptr(definition)).or_insert(next),
                ));
            }
            content.sort_unstable();
            content
        });
        Self {
            contents: contents.collect(),
            btfs,
            classes,
            wanted,
        }
    }

    /// Stride and first block: everything, or every so many classes as make
    /// the largest block within its bounds.
    fn root(&self) -> (usize, Root) {
        let total = self.classes.len();
        if let Some(root) = self.block(1, CLASS_BITS) {
            return (1, root);
        }
        let mut best = None;
        let mut number = 1;
        while number < total {
            let stride = total.div_ceil(number);
            let Some(root) = self.block(stride, ROOT_BITS) else {
                break;
            };
            best = Some((stride, root));
            number *= 2;
        }
        best.or_else(|| Some((total, self.block(total, usize::MAX)?)))
            .unwrap_or_else(|| (1, Root::new(Block::new(self.library()))))
    }

    fn library(&self) -> Library {
        let mut library = Library::new();
        library.wanted = self.wanted.clone();
        library
    }

    fn block(&self, stride: usize, bound: usize) -> Option<Root> {
        let mut block = Block::new(self.library());
        for at in (0..self.classes.len()).step_by(stride.max(1)) {
            block.push(self, at);
            if block.encoder.bits() > bound {
                return None;
            }
        }
        Some(Root::new(block))
    }

    /// How much class `new` differs from class `old`, where `known` are the
    /// definitions that were coded.
    fn difference(&self, old: usize, new: usize, known: &HashSet<u32>) -> usize {
        const NEW_DEFINITION: usize = 8;
        let (Some(old), Some(new)) = (self.contents.get(old), self.contents.get(new)) else {
            return usize::MAX;
        };
        if old.is_empty() {
            return usize::MAX;
        }
        // Both lists ascend.
        let (mut at, mut cost) = (0, 0);
        for come in new {
            while at < old.len() && old[at] < *come {
                cost += 1;
                at += 1;
            }
            if at < old.len() && old[at] == *come {
                at += 1;
            } else if known.contains(&come.1) {
                cost += 1;
            } else {
                cost += NEW_DEFINITION;
            }
        }
        cost + (old.len() - at)
    }
}

/// A block being written.
struct Block {
    library: Library,
    encoder: Encoder,
    /// Numbers of its classes.
    classes: Vec<usize>,
    /// Numbers of all classes in `library`.
    coded: Vec<usize>,
    definitions: HashSet<u32>,
    /// Bits of the first class.
    first_bits: usize,
    /// Classes that do not come out as they went in.
    wrong: Vec<usize>,
}

impl Block {
    fn new(library: Library) -> Self {
        Self {
            library,
            encoder: Encoder::new(),
            classes: Vec::new(),
            coded: Vec::new(),
            definitions: HashSet::new(),
            first_bits: 0,
            wrong: Vec::new(),
        }
    }

    fn push(&mut self, plan: &Plan<'_>, at: usize) {
        let costs = self.coded.iter().rev().enumerate();
        let costs = costs.map(|(back, old)| {
            let cost = plan.difference(*old, at, &self.definitions);
            (cost, count(back))
        });
        let back = costs.min().map_or(0, |(_, back)| back);
        self.library
            .class(&mut self.encoder, plan.classes.get(at), back);
        let same = match self.library.classes.last() {
            Some(Class::Definitions {
                big_endian,
                members,
            }) => {
                let image = image::emit(&self.library, *big_endian, members);
                image.as_deref() == plan.btfs.get(at).copied()
            }
            _ => true,
        };
        if !same {
            self.wrong.push(at);
        }
        if self.classes.is_empty() {
            self.first_bits = self.encoder.bits();
        }
        self.classes.push(at);
        self.coded.push(at);
        if let Some(content) = plan.contents.get(at) {
            self.definitions.extend(content.iter().map(|c| c.1));
        }
    }

    /// Nothing when it is more than can be read.
    fn finish(self) -> Option<Written> {
        let is_readable = self.encoder.is_readable();
        is_readable.then(|| Written {
            coded: self.encoder.finish(),
            classes: self.classes.len(),
            wrong: self.wrong,
        })
    }
}

/// A finished block.
struct Written {
    coded: Vec<u8>,
    /// How many.
    classes: usize,
    /// See [`Block`].
    wrong: Vec<usize>,
}

/// The first block, and what the others go on from.
struct Root {
    block: Block,
    bits: usize,
    classes: HashSet<usize>,
}

impl Root {
    fn new(block: Block) -> Self {
        Self {
            bits: block.encoder.bits(),
            classes: block.classes.iter().copied().collect(),
            block,
        }
    }

    /// Whether a block beside it has all the bits that it should. What classes share
    /// is coded once a block: where one class takes nearly all that is left, or more,
    /// blocks of one class each would only make the bundle many times as large.
    fn fills(&self, block: &Block) -> bool {
        let left = CLASS_BITS.saturating_sub(self.bits);
        let some = (self.bits / 2).max(block.first_bits / 4 * 5);
        block.encoder.bits() >= left.max(some)
    }

    fn child(&self) -> Block {
        Block {
            coded: self.block.coded.clone(),
            definitions: self.block.definitions.clone(),
            ..Block::new(self.block.library.clone())
        }
    }
}
