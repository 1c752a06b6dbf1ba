//! Facts as bytes, for the cache.

use super::numbers::Numbers;
use super::probes::Probes;
use super::{Arguments, Facts, FunctionList, Signs, Wanted};
use crate::symbols::Symbol;

impl Wanted {
    /// Equal exactly if the same names are wanted.
    pub(in super::super) fn to_bytes(&self) -> Vec<u8> {
        let Self {
            functions,
            tracepoints,
            structs,
            variables,
            declared,
            families,
        } = self;
        let mut out = Vec::new();
        let all = [
            functions,
            tracepoints,
            structs,
            variables,
            declared,
            families,
        ];
        for names in all {
            names.iter().cloned().collect::<Vec<_>>().put(&mut out);
        }
        out
    }
}

impl Facts {
    pub(in super::super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    pub(in super::super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let facts = Self::take(&mut bytes)?;
        bytes.is_empty().then_some(facts)
    }
}

/// A value that can be stored as bytes.
trait Stored: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(from: &mut &[u8]) -> Option<Self>;
}

/// A struct is stored as its fields, one after another.
macro_rules! stored {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Stored for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Stored::take(from)?),* })
            }
        }
    };
}

stored!(Facts {
    helpers,
    map_types,
    program_types,
    attach_types,
    functions,
    tracepoints,
    structs,
    variables,
    declared,
    families,
    list,
    lists_tracepoints,
    signs,
    has_global_data,
    has_sleepable,
    probes,
});
stored!(Probes {
    known,
    renamed,
    refuses_notrace,
    refuses_several,
});
stored!(Symbol {
    count,
    is_traceable,
    may_be_alias,
});
stored!(Arguments {
    count,
    words,
    has_result,
    is_traceable,
    to_numbers,
    opaque,
});
stored!(Signs {
    shows_btf,
    reads_btf,
    has_direct_calls,
    wraps_syscalls,
});

impl Stored for Numbers {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Stored::take(from).map(Self)
    }
}

impl Stored for FunctionList {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::None => 0,
            Self::Externals => 1,
            Self::Full => 2,
        });
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match byte(from)? {
            0 => Self::None,
            1 => Self::Externals,
            2 => Self::Full,
            _ => return None,
        })
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match byte(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = from.split_first()?;
    *from = rest;
    Some(*byte)
}

impl Stored for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self::from_le_bytes(*bytes))
    }
}

impl Stored for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Self::from_le_bytes(*bytes))
    }
}

impl Stored for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.extend(self.as_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let len = usize::try_from(u64::take(from)?).ok()?;
        let (bytes, rest) = from.split_at_checked(len)?;
        *from = rest;
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        self.iter().for_each(|one| one.put(out));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let count = u64::take(from)?;
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|one| one.put(out));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match bool::take(from)? {
            true => Some(T::take(from)?),
            false => None,
        })
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}
