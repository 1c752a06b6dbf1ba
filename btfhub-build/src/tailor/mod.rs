//! What relocations read from a kernel → a minimal BTF, in one canonical form.
//!
//! ```text
//! keep     marks → what is kept, and which of its properties matter
//! nesting  which of the kept members are in a struct
//! order    whether it matters which module was loaded first
//! shadowed types of modules that must not become candidates
//! emit     what is kept → BTF bytes, the same for kernels that differ in nothing
//!          that a loader reads
//! ```
//!
//! # What is kept, and what not
//!
//! Two kernels share one tailored BTF if everything that a supported loader (libbpf,
//! aya-obj) reads from them during relocation is equal. So each fact is either read by
//! one of the two and kept, or written in one fixed way:
//!
//! | fact | kept if | otherwise |
//! |---|---|---|
//! | candidate type, its name, its order among equals | it matches a relocation and no earlier candidate equals it in all of them | dropped |
//! | member | a relocation found it or stepped through it | dropped |
//! | member's offset, bitfield size | it adds to an offset or shift that is used, or several candidates must agree on it | 0 |
//! | kind of a member's type; the name of an enum or forward declaration there | always (`bpf_core_fields_are_compat`) | – |
//! | size of a struct, enum, float, integer | a size is computed from it: of the field, of a load, or of an array step | 0; 4 or 8; 8; 4 |
//! | encoding of an integer | a relocation needs it, or a load changes its size; without `SIGNED`, char and bool say nothing (`bpf_core_calc_relo`) | 0 |
//! | anonymous structs and unions around members | nesting could change what a search finds: a name that occurs twice, an array without length, an error | the members move up, with their offsets added |
//! | name of an integer | it is a candidate, or types are matched (`TypeMatches`) | none |
//! | `long` | the size of a pointer matters: libbpf guesses it from `long` | dropped |
//! | array length | it is used for a size or an index | 1 |
//! | array's index type, typedefs and qualifiers on the path to a type | never: no loader reads them | `void`; skipped |
//! | what a pointer points at | types are compared or matched through it | `void` |
//! | enumerator; its value | a relocation looks it up; a relocation needs the value | dropped; 0 |
//! | signedness (`kind_flag`) of an enum, ENUM or ENUM64 | always | – |
//! | an index tried into an array of no elements that is not the last member | a nameless `void` member after it keeps it from becoming a flexible one (`is_flex_arr`) | – |
//! | which of several equal types another one refers to | never: the first (`relo::duplicates`) | – |
//! | the name of a module's type, if the kernel has a type with this name and something looks for it | never: it would be a candidate (`tailor::shadowed`) | enum and forward declaration: none; others: a name that nothing looks for |
//! | what is read from a type without a name | only for this use of it (`relo::occurrence`) | dropped |
//! | functions, variables, sections, tags | never: no relocation matches them | dropped |
//!
//! If a `TypeMatches` is among the relocations, all integers keep name, size and encoding,
//! all enums their size, and all pointers their targets: a type that did not match must not
//! match because it became simpler.

mod emit;
mod keep;
mod nesting;
mod order;
mod shadowed;

use std::cell::OnceCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use btfhub_runtime::Printable;

use foldhash::HashMap;

use self::keep::Keep;
use crate::btf::{Btf, TypeId};
use crate::relo::{Duplicates, Outcome, Relocations, TooComplex, Traced, resolve, trace_groups};

/// A kernel's BTF, reduced to what some relocations need from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tailored {
    /// A complete BTF file in the kernel's byte order. Kernels with equal bytes
    /// are one class.
    pub btf: Arc<[u8]>,
    /// How the relocations resolve, with this BTF as with the full one.
    pub outcome: Arc<Outcome>,
    /// Whether the canonical form would have changed an answer, so that `btf` is
    /// the kernel's whole BTF. No BTF that a compiler wrote is known to need it.
    pub verbatim: bool,
}

/// Why a kernel's BTF can't be tailored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TailorError {
    /// Its types were made to do harm.
    TooComplex(TooComplex),
    /// A type of a module has the same name as one of the kernel's own types, and no single BTF
    /// can hold both so that every relocation resolves as it does with the module loaded.
    Shadowed {
        /// The name.
        name: String,
        /// The module.
        module: String,
    },
    /// Two modules have a type with this name, and the result in libbpf depends on which of
    /// them was loaded first.
    Order {
        /// The name.
        name: String,
        /// The modules.
        modules: [String; 2],
    },
}

impl TailorError {
    fn shadowed(btf: &Btf, id: TypeId) -> Self {
        let name = btf.ty(id).map_or(&b""[..], |ty| btf.string(ty.name()));
        Self::Shadowed {
            name: String::from_utf8_lossy(name).into_owned(),
            module: btf.module_of(id).unwrap_or_default().to_owned(),
        }
    }
}

impl From<TooComplex> for TailorError {
    fn from(error: TooComplex) -> Self {
        Self::TooComplex(error)
    }
}

impl fmt::Display for TailorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooComplex(error) => error.fmt(f),
            Self::Shadowed { name, module } => write!(
                f,
                "module {} has its own type `{}` besides the kernel's, and your relocations use \
                 both in a way that no single BTF can satisfy; leave the module out \
                 (`modules` lists those to use)",
                Printable(module),
                Printable(name)
            ),
            Self::Order {
                name,
                modules: [one, other],
            } => write!(
                f,
                "modules {} and {} each have a type `{}`, and how your relocations resolve \
                 depends on which was loaded first; list the loaded ones with `modules`, in that \
                 order",
                Printable(one),
                Printable(other),
                Printable(name)
            ),
        }
    }
}

impl std::error::Error for TailorError {}

/// Reduces a kernel's BTF to what `relocations` need, and proves that they resolve to the same:
/// it reads the result and resolves again. For many kernels, use a [`Tailor`], which proves
/// equal results once.
///
/// # Errors
/// [`TailorError`].
///
/// ```no_run
/// use btfhub_build::{btf::Btf, object::Object, relo::Relocations, tailor::tailor};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let object = Object::parse("probe.bpf.o", &std::fs::read("probe.bpf.o")?)?;
/// let relocations = Relocations::from_objects([&object]);
/// let kernel = Btf::parse(&std::fs::read("/sys/kernel/btf/vmlinux")?)?;
/// let tailored = tailor(&relocations, &kernel)?;
/// assert!(tailored.btf.len() < 1 << 20);
/// # Ok(())
/// # }
/// ```
pub fn tailor(relocations: &Relocations, btf: &Btf) -> Result<Tailored, TailorError> {
    Tailor::new(relocations).tailor(btf)
}

/// Tailors many kernels to the same relocations, on any number of threads.
#[derive(Debug)]
pub struct Tailor<'a> {
    relocations: &'a Relocations,
    any_order: bool,
    resolved: Mutex<Resolved>,
}

/// How the relocations resolve with each tailored BTF so far; `None` for bytes that can't be
/// read or resolved.
type Resolved = HashMap<Arc<[u8]>, Option<Arc<Outcome>>>;

impl<'a> Tailor<'a> {
    /// For these relocations.
    pub fn new(relocations: &'a Relocations) -> Self {
        Self {
            relocations,
            any_order: false,
            resolved: Mutex::default(),
        }
    }

    /// For kernels whose modules may have been loaded in any order: refuses those
    /// on which it matters.
    #[must_use]
    pub fn for_modules_in_any_order(self) -> Self {
        Self {
            any_order: true,
            ..self
        }
    }

    /// The relocations.
    pub fn relocations(&self) -> &'a Relocations {
        self.relocations
    }

    /// Reduces one kernel's BTF, like [`tailor`](fn@tailor).
    ///
    /// # Errors
    /// As [`tailor`](fn@tailor).
    pub fn tailor(&self, btf: &Btf) -> Result<Tailored, TailorError> {
        let mut duplicates = Duplicates::default();
        let traced = trace_groups(self.relocations, btf, &duplicates)?;
        // Before duplicates are replaced: the later proof against this also proves that they
        // are equal.
        let outcome = Outcome::new(self.relocations, &traced.groups);
        if self.any_order {
            order::must_not_matter(self.relocations, &traced.groups, btf)?;
        }
        let shadowed = self.relocations.shadowed(btf);
        let without_shadowed = || shadowed::without(btf, &shadowed, self.relocations);
        let mut keep = self.keep(btf, traced, &mut duplicates)?;
        let (unshadowed, mut kept_of) = (OnceCell::new(), btf);
        if (keep.as_ref()).is_some_and(|keep| keep.ids().any(|id| shadowed.contains(&id))) {
            kept_of = unshadowed.get_or_init(without_shadowed);
            let traced = trace_groups(self.relocations, kept_of, &duplicates)?;
            keep = self.keep(kept_of, traced, &mut duplicates)?;
        }
        let canonical = keep.and_then(|keep| emit::emit(kept_of, &keep, &duplicates));
        if let Some(proven) = canonical.and_then(|bytes| self.proven(bytes, &outcome)) {
            return Ok(proven);
        }
        let Some(&first) = shadowed.first() else {
            return Ok(Tailored {
                btf: btf.to_bytes().into(),
                outcome: outcome.into(),
                verbatim: true,
            });
        };
        let whole = unshadowed.get_or_init(without_shadowed).to_bytes();
        let proven = self.proven(whole, &outcome);
        let verbatim = proven.map(|proven| Tailored {
            verbatim: true,
            ..proven
        });
        verbatim.ok_or_else(|| TailorError::shadowed(btf, first))
    }

    /// What is kept of a kernel. Marks on equal types are moved to the first of them.
    fn keep(
        &self,
        btf: &Btf,
        mut traced: Traced,
        duplicates: &mut Duplicates,
    ) -> Result<Option<Keep>, TooComplex> {
        // Each round searches names that no earlier one did.
        loop {
            let keep = Keep::new(self.relocations, traced, btf, duplicates);
            if !(keep.as_ref()).is_some_and(|keep| duplicates.find(btf, keep.ids())) {
                return Ok(keep);
            }
            traced = trace_groups(self.relocations, btf, duplicates)?;
        }
    }

    /// How the relocations resolve with a tailored BTF that was proven.
    pub(crate) fn resolved(&self, btf: &[u8]) -> Option<Arc<Outcome>> {
        let resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.get(btf).cloned().flatten()
    }

    /// `bytes`, if their outcome is that of the full BTF. Bytes that were proven before are
    /// shared, so they are held once.
    fn proven(&self, bytes: Vec<u8>, outcome: &Outcome) -> Option<Tailored> {
        let resolved = || self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |btf: &Arc<[u8]>, again: &Option<Arc<Outcome>>| {
            let again = again.as_ref().filter(|again| ***again == *outcome)?;
            Some(Tailored {
                btf: Arc::clone(btf),
                outcome: Arc::clone(again),
                verbatim: false,
            })
        };
        if let Some((btf, again)) = resolved().get_key_value(bytes.as_slice()) {
            return known(btf, again);
        }
        let again = Btf::parse(&bytes)
            .ok()
            .and_then(|btf| resolve(self.relocations, &btf).ok());
        let (btf, again) = (bytes.into(), again.map(Arc::new));
        let proven = known(&btf, &again);
        resolved().insert(btf, again);
        proven
    }
}
