//! Made-up type graphs and relocations on them, from a list of numbers.
//!
//! A property test draws and shrinks the numbers. Each choice takes the next number; after the
//! last one, every choice is the simplest. Some things that C lacks and libbpf does not survive are
//! never made: cycles except through pointers to structs, bitfields of types without a size.

use crate::btf_builder::{BtfBuilder, Member, bitfield, kind, member};
use crate::elf_builder::Relo;

/// The numbers, consumed from the front.
#[derive(Debug)]
pub struct Choices<'a>(std::slice::Iter<'a, u32>);

impl<'a> Choices<'a> {
    /// From the numbers that a property test drew.
    #[must_use]
    pub fn new(numbers: &'a [u32]) -> Self {
        Self(numbers.iter())
    }

    /// A number below `end`; 0 if there are no more.
    pub fn below(&mut self, end: usize) -> usize {
        let number = self.0.next().copied().unwrap_or(0) as usize;
        if end == 0 { 0 } else { number % end }
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A type. References are indices into the graph, or `None` for void.
#[derive(Debug, Clone)]
enum Node {
    Int {
        name: &'static str,
        size: u32,
        encoding: u32,
    },
    Float(u32),
    /// Typedefs, qualifiers, tags: only of earlier types.
    Link {
        of: u32,
        name: &'static str,
        to: Option<usize>,
    },
    Pointer(Option<usize>),
    Array {
        element: Option<usize>,
        index: Option<usize>,
        len: u32,
    },
    Composite {
        union: bool,
        name: &'static str,
        size: u32,
        members: Vec<Field>,
    },
    Enum {
        wide: bool,
        name: &'static str,
        size: u32,
        signed: bool,
        values: Vec<(&'static str, u64)>,
    },
    Forward {
        name: &'static str,
        union: bool,
    },
    Prototype {
        result: Option<usize>,
        params: Vec<Option<usize>>,
    },
}

#[derive(Debug, Clone)]
struct Field {
    name: &'static str,
    ty: Option<usize>,
    bit_offset: u32,
    bits: u32,
}

/// Types that refer to each other.
#[derive(Debug, Clone)]
pub struct Graph(Vec<Node>);

const NAMES: &[&str] = &["s", "t", "s___a", "s___b", "t___a___b", "", "___s", "s___"];
/// Sizes of structs and unions; an array of four of the largest is too large for libbpf.
const SIZES: &[u32] = &[24, 24, 8, 16, 1, 0, 0x4000_0000];
/// A single one is too large: libbpf mistakes its size for an unnamed error.
const NO_SIZE: u32 = 0x8000_0000;
const MEMBERS: &[&str] = &["x", "y", "", "z", "x___a"];
const VALUES: &[&str] = &["A", "B", "A___1", "B___2", "C", ""];

macro_rules! flavors {
    ($($name:literal)*) => {
        &[$([$name, concat!($name, "___1"), concat!($name, "___1___2")]),*]
    };
}

/// Different names, each with flavors.
const APART: &[[&str; 3]] = flavors!(
    "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "u" "v"
);
const LINKS: &[u32] = &[
    kind::TYPEDEF,
    kind::CONST,
    kind::VOLATILE,
    kind::RESTRICT,
    kind::TYPE_TAG,
];

impl Graph {
    /// Any graph.
    #[must_use]
    pub fn any(choices: &mut Choices<'_>) -> Self {
        let mut graph = Self(Vec::new());
        let count = 2 + choices.below(14);
        graph.grow(choices, count);
        graph
    }

    fn grow(&mut self, choices: &mut Choices<'_>, count: usize) {
        let total = self.0.len() + count;
        for _ in 0..count {
            let node = self.node(choices, total);
            self.0.push(node);
        }
        self.settle_cycles();
        self.settle_bitfields();
    }

    fn node(&self, choices: &mut Choices<'_>, total: usize) -> Node {
        let before = self.0.len();
        let any = |choices: &mut Choices<'_>| choices.below(total + 1).checked_sub(1);
        match choices.below(16) {
            0..=2 => Node::Int {
                name: choices.pick(&["int", "long", "unsigned long", "s", "char"]),
                size: choices.pick(&[4, 8, 1, 2]),
                encoding: choices.pick(&[1, 0, 2, 3, 4]),
            },
            3 => Node::Float(choices.pick(&[4, 8])),
            4 | 5 => {
                let of = choices.pick(LINKS);
                let named = of == kind::TYPEDEF || of == kind::TYPE_TAG;
                Node::Link {
                    of,
                    name: if named { choices.pick(NAMES) } else { "" },
                    to: choices.below(before + 1).checked_sub(1),
                }
            }
            6 => Node::Pointer(any(choices)),
            7 | 8 => Node::Array {
                element: choices.below(before + 1).checked_sub(1),
                index: choices.below(before + 1).checked_sub(1),
                len: choices.pick(&[0, 1, 2, 3, 0x4000_0000]),
            },
            9..=12 => Node::Composite {
                union: choices.below(4) == 3,
                name: choices.pick(NAMES),
                size: choices.pick(SIZES),
                members: (0..choices.below(5))
                    .map(|_| Field::any(choices, total))
                    .collect(),
            },
            13 => Node::Enum {
                wide: choices.flag(),
                name: choices.pick(NAMES),
                size: choices.pick(&[4, 1, 2, 8]),
                signed: choices.flag(),
                values: (0..choices.below(4))
                    .map(|_| {
                        let value = choices.pick(&[1, 2, u64::MAX, 0x1_0000_0001]);
                        (choices.pick(VALUES), value)
                    })
                    .collect(),
            },
            14 => Node::Forward {
                name: choices.pick(NAMES),
                union: choices.flag(),
            },
            _ => Node::Prototype {
                result: any(choices),
                params: (0..choices.below(3)).map(|_| any(choices)).collect(),
            },
        }
    }

    /// A graph that resembles this one: a copy with some changes and more types at the end.
    #[must_use]
    pub fn relative(&self, choices: &mut Choices<'_>) -> Self {
        let mut graph = self.clone();
        for _ in 0..choices.below(8) {
            let at = choices.below(graph.0.len());
            graph.change(choices, at);
        }
        for _ in 0..choices.below(4) {
            let at = choices.below(graph.0.len());
            let mut copy = graph.0[at].clone();
            if let Node::Composite { name, .. } | Node::Enum { name, .. } = &mut copy {
                if choices.flag() {
                    *name = choices.pick(NAMES);
                }
            }
            graph.0.push(copy);
            let at = graph.0.len() - 1;
            if choices.flag() {
                graph.change(choices, at);
            }
        }
        let more = choices.below(6);
        graph.grow(choices, more);
        graph
    }

    /// Adds a struct with an array of structs: at its end or not, with or without elements, through
    /// typedefs.
    #[must_use]
    pub fn with_array(mut self, choices: &mut Choices<'_>) -> Self {
        let composite = |node: &Node| matches!(node, Node::Composite { .. });
        let mut to = self.0.iter().rposition(composite);
        for of_array in [false, true, choices.flag()] {
            if choices.flag() {
                self.0.push(Node::Link {
                    of: kind::TYPEDEF,
                    name: "t",
                    to,
                });
                to = Some(self.0.len() - 1);
            }
            if of_array {
                self.0.push(Node::Array {
                    element: to,
                    index: None,
                    len: choices.pick(&[2, 0, 3, 1]),
                });
                to = Some(self.0.len() - 1);
            }
        }
        let total = self.0.len();
        let mut members: Vec<Field> = (0..choices.below(4))
            .map(|_| Field::any(choices, total))
            .collect();
        let at = choices.below(members.len() + 1);
        let array = Field {
            ty: to,
            bits: 0,
            ..Field::any(choices, total)
        };
        members.insert(at, array);
        self.0.push(Node::Composite {
            union: false,
            name: "s",
            size: choices.pick(SIZES),
            members,
        });
        self.settle_bitfields();
        self
    }

    /// The same types, with a unique name for each named type.
    #[must_use]
    pub fn apart(mut self) -> Self {
        for (node, names) in self.0.iter_mut().zip(APART.iter().cycle()) {
            if let Node::Link { name, .. }
            | Node::Composite { name, .. }
            | Node::Enum { name, .. }
            | Node::Forward { name, .. } = node
            {
                if !name.is_empty() {
                    *name = names[name.matches("___").count().min(2)];
                }
            }
        }
        self
    }

    /// The same types as in another kernel's headers: members and enumerators have other offsets
    /// and values. Offsets change by multiples of 8 bytes, because libbpf refuses some bitfields
    /// for their position within these.
    #[must_use]
    pub fn recompiled(&self, choices: &mut Choices<'_>) -> Self {
        let mut graph = self.clone();
        for node in &mut graph.0 {
            match node {
                Node::Composite { members, .. } => {
                    for field in members {
                        field.bit_offset += 64 * choices.pick(&[0, 1, 2, 100]);
                    }
                }
                Node::Enum { values, .. } => {
                    for (_, value) in values {
                        *value = choices.pick(&[0, 1, 7, u64::MAX, 0x1_0000_0001]);
                    }
                }
                _ => {}
            }
        }
        graph
    }

    /// With all integers of one size, signed or not.
    #[must_use]
    pub fn with_numbers(&self, bytes: u32, is_signed: bool) -> Self {
        let mut graph = self.clone();
        for node in &mut graph.0 {
            match node {
                Node::Int { size, encoding, .. } => {
                    *size = bytes;
                    *encoding = u32::from(is_signed);
                }
                Node::Float(size) => *size = bytes,
                Node::Enum { size, wide, .. } => {
                    *size = bytes;
                    *wide = false;
                }
                _ => {}
            }
        }
        graph
    }

    /// A graph that differs from this one in a few places at most.
    #[must_use]
    pub fn neighbour(&self, choices: &mut Choices<'_>) -> Self {
        let mut graph = self.clone();
        for _ in 0..1 + choices.below(3) {
            let at = choices.below(graph.0.len());
            match &mut graph.0[at] {
                Node::Composite { size, .. } if choices.below(16) == 15 => *size = NO_SIZE,
                _ => graph.change(choices, at),
            }
        }
        graph
    }

    fn change(&mut self, choices: &mut Choices<'_>, at: usize) {
        let total = self.0.len();
        match &mut self.0[at] {
            Node::Int { size, encoding, .. } => {
                *size = choices.pick(&[8, 4, 2, 1]);
                *encoding = choices.pick(&[0, 1, 2]);
            }
            Node::Array { len, index, .. } => match choices.below(4) {
                0 => *index = choices.below(total + 1).checked_sub(1),
                _ => *len = choices.pick(&[0, 1, 2, 5]),
            },
            Node::Pointer(to) => *to = choices.below(total + 1).checked_sub(1),
            Node::Forward { union, .. } => *union = !*union,
            Node::Enum {
                wide,
                size,
                values,
                signed,
                ..
            } => match choices.below(4) {
                0 => *wide = !*wide,
                1 => *signed = !*signed,
                2 => *size = choices.pick(&[8, 4]),
                _ => values.insert(0, (choices.pick(VALUES), 7)),
            },
            Node::Prototype { params, result } => match choices.below(3) {
                0 => params.push(Some(0)),
                1 => *result = None,
                _ => params.clear(),
            },
            Node::Composite {
                members,
                union,
                name,
                size,
            } => match choices.below(11) {
                0 => members.insert(0, Field::any(choices, total)),
                1 => members.reverse(),
                2 => {
                    let at = choices.below(members.len().max(1));
                    members.truncate(at);
                }
                3 => *union = !*union,
                4 => {
                    // The members are in a nameless struct now.
                    let outer = Node::Composite {
                        union: choices.flag(),
                        name: std::mem::take(name),
                        size: choices.pick(SIZES),
                        members: vec![
                            Field {
                                name: "",
                                ty: Some(at),
                                bit_offset: 32,
                                bits: 0,
                            },
                            Field::any(choices, total),
                        ],
                    };
                    self.0.push(outer);
                }
                5 => *size = choices.pick(SIZES),
                6 | 7 => {
                    let count = members.len();
                    if let Some(field) = members.get_mut(choices.below(count)) {
                        field.name = choices.pick(MEMBERS);
                    }
                }
                _ => {
                    let count = members.len();
                    if let Some(field) = members.get_mut(choices.below(count)) {
                        *field = Field {
                            name: field.name,
                            ..Field::any(choices, total)
                        };
                    }
                }
            },
            Node::Link { to, .. } => *to = choices.below(total + 1).checked_sub(1),
            Node::Float(size) => *size = choices.pick(&[8, 4]),
        }
        self.settle_cycles();
        self.settle_bitfields();
    }

    /// Keeps references to later types only in pointers to structs.
    fn settle_cycles(&mut self) {
        let composite: Vec<bool> = self
            .0
            .iter()
            .map(|node| matches!(node, Node::Composite { .. }))
            .collect();
        for (own, node) in self.0.iter_mut().enumerate() {
            let back = |to: &mut Option<usize>| {
                if to.is_some_and(|at| at >= own) {
                    *to = to.and_then(|at| at.checked_rem(own));
                }
            };
            match node {
                Node::Pointer(Some(to)) if composite.get(*to) == Some(&true) => {}
                Node::Pointer(to) => back(to),
                Node::Composite { members, .. } => {
                    members.iter_mut().for_each(|field| back(&mut field.ty));
                }
                Node::Prototype { result, params } => {
                    back(result);
                    params.iter_mut().for_each(back);
                }
                Node::Link { to, .. } => back(to),
                Node::Array { index, .. } => back(index),
                _ => {}
            }
        }
    }

    /// Keeps bitfields only of integers and enums: libbpf divides by the size of whatever type it
    /// finds.
    fn settle_bitfields(&mut self) {
        let fit: Vec<bool> = (0..self.0.len())
            .map(|at| self.is_number(Some(at)))
            .collect();
        for node in &mut self.0 {
            if let Node::Composite { members, .. } = node {
                for field in members {
                    let number = field.ty.and_then(|at| fit.get(at)).copied();
                    if number != Some(true) {
                        field.bits = 0;
                    }
                }
            }
        }
    }

    fn is_number(&self, at: Option<usize>) -> bool {
        match at.and_then(|at| self.0.get(at)) {
            Some(Node::Int { .. } | Node::Enum { .. }) => true,
            Some(Node::Link { to, .. }) => self.is_number(*to),
            _ => false,
        }
    }

    /// The types as BTF; each id is the index plus one.
    #[must_use]
    pub fn btf(&self, big_endian: bool) -> BtfBuilder {
        let order: Vec<usize> = (0..self.0.len()).collect();
        self.ordered(&order, big_endian)
    }

    /// The types as BTF in another order.
    #[must_use]
    pub fn ordered(&self, order: &[usize], big_endian: bool) -> BtfBuilder {
        let mut ids = vec![0; self.0.len()];
        for (id, at) in (1..).zip(order) {
            ids[*at] = id;
        }
        let id = |at: Option<usize>| at.and_then(|at| ids.get(at)).copied().unwrap_or(0);
        let mut btf = if big_endian {
            BtfBuilder::big_endian()
        } else {
            BtfBuilder::new()
        };
        for at in order {
            match &self.0[*at] {
                Node::Int {
                    name,
                    size,
                    encoding,
                } => btf.int(name, *size, *encoding),
                Node::Float(size) => btf.float("float", *size),
                Node::Link { of, name, to } => btf.reference(*of, name, id(*to)),
                Node::Pointer(to) => btf.pointer(id(*to)),
                Node::Array {
                    element,
                    index,
                    len,
                } => btf.array(id(*element), id(*index), *len),
                Node::Composite {
                    union,
                    name,
                    size,
                    members,
                } => {
                    let members: Vec<Member<'_>> = members
                        .iter()
                        .map(|f| match f.bits {
                            0 => member(f.name, id(f.ty), f.bit_offset / 8),
                            bits => bitfield(f.name, id(f.ty), f.bit_offset, bits),
                        })
                        .collect();
                    let of = if *union { kind::UNION } else { kind::STRUCT };
                    btf.composite(of, name, *size, &members)
                }
                Node::Enum {
                    wide: true,
                    name,
                    signed,
                    values,
                    ..
                } => btf.enumeration64(name, *signed, values),
                Node::Enum {
                    name,
                    size,
                    signed,
                    values,
                    ..
                } => {
                    let low: Vec<(&str, i32)> = values
                        .iter()
                        .map(|(name, value)| (*name, i32::try_from(*value).unwrap_or(-1)))
                        .collect();
                    btf.enumeration(name, *size, *signed, &low)
                }
                Node::Forward { name, union } => btf.forward(name, *union),
                Node::Prototype { result, params } => {
                    let params: Vec<(&str, u32)> = params.iter().map(|at| ("", id(*at))).collect();
                    btf.prototype(id(*result), &params)
                }
            };
        }
        btf
    }

    /// Another order of the types, which keeps the order of those with one name; libbpf sees
    /// nothing else of the order.
    #[must_use]
    pub fn shuffle(&self, choices: &mut Choices<'_>) -> Vec<usize> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (at, node) in self.0.iter().enumerate() {
            let name = node.name();
            // Typedef chains and arrays keep their order only for the pointer size, which the
            // first `long` decides.
            let group = groups
                .iter_mut()
                .find(|g| !name.is_empty() && family(self.0[g[0]].name()) == family(name));
            match group {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
        }
        let mut order = Vec::new();
        while !groups.is_empty() {
            let pick = choices.below(groups.len());
            order.push(groups[pick].remove(0));
            groups.retain(|group| !group.is_empty());
        }
        order
    }

    /// Relocations on these types as a local side: several on each of a few types, most of a kind
    /// that suits the type.
    #[must_use]
    pub fn relocations(&self, choices: &mut Choices<'_>) -> Vec<Relo> {
        let roots: Vec<usize> = (0..1 + choices.below(3))
            .map(|_| self.root(choices))
            .collect();
        let count = 1 + choices.below(12);
        (0..count)
            .map(|_| {
                let root = choices.pick(&roots);
                let kinds: &[u32] = match &self.0[self.behind_links(root)] {
                    _ if choices.below(16) == 15 => &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
                    Node::Composite { .. } => &[0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 12],
                    Node::Enum { .. } => &[11, 10, 11, 8, 9, 12],
                    _ => &[8, 9, 12, 7],
                };
                let kind = choices.pick(kinds);
                let access = match kind {
                    6..=9 | 12 => "0".to_owned(),
                    10 | 11 => choices.below(4).to_string(),
                    _ => self.access(choices, root, kind),
                };
                Relo {
                    program: choices.below(3),
                    type_id: u32::try_from(root + 1).unwrap_or(1),
                    access,
                    kind,
                }
            })
            .collect()
    }

    /// A type with a name, if a few draws find one.
    fn root(&self, choices: &mut Choices<'_>) -> usize {
        let mut root = 0;
        for _ in 0..6 {
            root = match choices.below(3) {
                0 => self.0.len() - 1,
                _ => choices.below(self.0.len()),
            };
            let fits = match &self.0[root] {
                Node::Composite { members, name, .. } => !members.is_empty() && !name.is_empty(),
                node => !node.name().is_empty() && choices.below(3) == 0,
            };
            if fits {
                break;
            }
        }
        root
    }

    fn behind_links(&self, mut at: usize) -> usize {
        while let Node::Link { to: Some(to), .. } = self.0[at] {
            at = to;
        }
        at
    }

    /// A path down from a type, sometimes with a step that does not exist.
    fn access(&self, choices: &mut Choices<'_>, root: usize, kind: u32) -> String {
        let mut access = if choices.below(8) == 7 { "1" } else { "0" }.to_owned();
        let mut at = Some(root);
        let mut named = false;
        loop {
            let node = at.map(|at| &self.0[self.behind_links(at)]);
            // Signs and shifts of non-integers are refused.
            let wants_number = (3..=5).contains(&kind);
            let may_end = named && !wants_number && choices.flag();
            let (step, next) = match node {
                Some(Node::Composite { members, .. }) if !members.is_empty() && !may_end => {
                    let step = choices.below(members.len());
                    named |= !members[step].name.is_empty();
                    (step, members[step].ty)
                }
                Some(Node::Array { element, len, .. }) if !may_end => {
                    let end = (*len as usize).clamp(1, 4);
                    (choices.below(end), *element)
                }
                _ => break,
            };
            access.push_str(&format!(":{step}"));
            at = next;
        }
        access
    }
}

impl Node {
    fn name(&self) -> &'static str {
        match self {
            Self::Int { name, .. }
            | Self::Link { name, .. }
            | Self::Composite { name, .. }
            | Self::Enum { name, .. }
            | Self::Forward { name, .. } => name,
            Self::Float(_) => "float",
            Self::Pointer(_) | Self::Array { .. } | Self::Prototype { .. } => "",
        }
    }
}

/// A key for names whose order libbpf can see: the essential name, and one key for all spellings of
/// `long`.
fn family(name: &str) -> &str {
    match name.split("___").next() {
        Some("long" | "unsigned long") => "long",
        Some(first) if !first.is_empty() => first,
        _ => name,
    }
}

impl Field {
    fn any(choices: &mut Choices<'_>, total: usize) -> Self {
        Self {
            name: choices.pick(MEMBERS),
            ty: choices.below(total + 1).checked_sub(1),
            bit_offset: choices.pick(&[0, 8, 32, 64, 65, 100, 1000]),
            bits: choices.pick(&[0, 0, 0, 3, 17, 33, 60]),
        }
    }
}
