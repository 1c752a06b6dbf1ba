//! Which class consists of which definitions.
//!
//! A class is stored as the differences of its list of definitions from that of an earlier
//! class, its reference, which is the most similar one.

use super::cursor::Cursor;

/// The longest chain of references from class to class.
pub(super) const CHAIN_MAX: usize = 16;
/// The most named types in a class.
pub(super) const MEMBERS_MAX: usize = 1 << 14;

/// The columns of the classes.
#[derive(Clone, Copy)]
pub(super) struct Classes<'c> {
    forms: Cursor<'c>,
    edits: Edits<'c>,
    /// The classes that are stored as bytes, one after another.
    bytes: Cursor<'c>,
}

/// The columns of the differences.
#[derive(Clone, Copy)]
struct Edits<'c> {
    counts: Cursor<'c>,
    kept: Cursor<'c>,
    dropped: Cursor<'c>,
    added: Cursor<'c>,
    definitions: Cursor<'c>,
}

/// A class: the numbers of its definitions in the order of its type ids, or its bytes, if the
/// definitions do not reproduce them.
pub(super) enum Class<'c> {
    Definitions { big_endian: bool, members: Vec<u32> },
    Bytes(&'c [u8]),
}

/// How a class is stored.
#[derive(Clone, Copy)]
enum Form {
    Definitions {
        big_endian: bool,
        reference: Option<usize>,
    },
    /// So many.
    Bytes(usize),
}

impl<'c> Classes<'c> {
    /// Splits the columns off a section.
    pub(super) fn read(from: &mut Cursor<'c>) -> Option<Self> {
        let mut columns = [*from; 7];
        for column in &mut columns {
            *column = from.column()?;
        }
        let [forms, counts, kept, dropped, added, definitions, bytes] = columns;
        Some(Self {
            forms,
            edits: Edits {
                counts,
                kept,
                dropped,
                added,
                definitions,
            },
            bytes,
        })
    }

    /// Class number `class`.
    pub(super) fn get(mut self, class: usize) -> Option<Class<'c>> {
        let mut forms = Vec::new();
        for at in 0..=class {
            forms.push(self.form(at)?);
        }
        // The class and its references, the first reference last.
        let mut chain = vec![class];
        let mut last = class;
        while let Some(Form::Definitions {
            reference: Some(reference),
            ..
        }) = forms.get(last)
        {
            last = *reference;
            chain.push(last);
            if chain.len() > CHAIN_MAX + 1 {
                return None;
            }
        }
        let mut members = Vec::new();
        for (at, form) in forms.iter().enumerate() {
            let is_wanted = chain.last() == Some(&at);
            if is_wanted {
                chain.pop();
            }
            match *form {
                Form::Bytes(len) => {
                    let bytes = self.bytes.take(len)?;
                    if at == class {
                        return Some(Class::Bytes(bytes));
                    }
                }
                Form::Definitions { .. } if is_wanted => members = self.edits.apply(&members)?,
                Form::Definitions { .. } => self.edits.skip()?,
            }
        }
        let big_endian = match forms.last() {
            Some(Form::Definitions { big_endian, .. }) => *big_endian,
            _ => false,
        };
        Some(Class::Definitions {
            big_endian,
            members,
        })
    }

    /// Gives the first `count` classes in order.
    #[cfg(feature = "write")]
    pub(super) fn each(
        mut self,
        count: u32,
        give: &mut dyn FnMut(u32, &Class<'c>) -> Option<()>,
    ) -> Option<()> {
        let mut all: Vec<Class<'c>> = Vec::new();
        for number in 0..count {
            let class = match self.form(all.len())? {
                Form::Bytes(len) => Class::Bytes(self.bytes.take(len)?),
                Form::Definitions {
                    big_endian,
                    reference,
                } => {
                    let old = match reference.and_then(|at| all.get(at)) {
                        Some(Class::Definitions { members, .. }) => &members[..],
                        _ => &[],
                    };
                    Class::Definitions {
                        big_endian,
                        members: self.edits.apply(old)?,
                    }
                }
            };
            give(number, &class)?;
            all.push(class);
        }
        Some(())
    }

    /// The form of the next class, which is number `class`.
    fn form(&mut self, class: usize) -> Option<Form> {
        let number = self.forms.length()?;
        let (kind, back) = (number & 3, number >> 2);
        Some(match (kind, class.checked_sub(back)) {
            (2, _) => Form::Bytes(back),
            (0 | 1, Some(reference)) => Form::Definitions {
                big_endian: kind == 1,
                reference: (back > 0).then_some(reference),
            },
            _ => return None,
        })
    }
}

impl Edits<'_> {
    /// The next class's list, given that of its reference.
    fn apply(&mut self, mut old: &[u32]) -> Option<Vec<u32>> {
        let mut new = Vec::new();
        for _ in 0..self.counts.varint()? {
            let (kept, dropped) = (self.kept.length()?, self.dropped.length()?);
            let (same, rest) = old.split_at_checked(kept)?;
            new.extend_from_slice(same);
            let mut next = rest.first().copied().unwrap_or(0);
            for _ in 0..self.added.varint()? {
                let definition = self.definitions.after(next)?;
                new.push(definition);
                next = definition.wrapping_add(1);
            }
            old = rest.get(dropped..)?;
        }
        new.extend_from_slice(old);
        (new.len() <= MEMBERS_MAX).then_some(new)
    }

    fn skip(&mut self) -> Option<()> {
        let count = self.counts.varint()?;
        self.kept.skip(count)?;
        self.dropped.skip(count)?;
        for _ in 0..count {
            let added = self.added.varint()?;
            self.definitions.skip(added)?;
        }
        Some(())
    }
}
