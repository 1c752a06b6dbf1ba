//! The CO-RE relocation algorithm of libbpf 1.7.0 (`relo_core.c`).
//!
//! libbpf does everything at once; here there are two steps. First, everything that the *local*
//! side contributes is computed, once per object. A [`Relocation`] holds it by value and refers
//! to no BTF, so that equal relocations from many records and objects become one. Then the
//! relocations are matched against the *target*, once per kernel.
//!
//! ```text
//! kind        ReloKind, Errno
//! access      the access string 0:1:2
//! value       offsets, sizes, shifts of a field (bpf_core_calc_field_relo)
//! shape       what compatibility checks read of a local type
//! local       record → Relocation (bpf_core_parse_spec)
//! relocations the distinct relocations of all objects, and their fingerprint
//! occurrence  the type, or the use of a nameless type, of which something was read
//! trace       what a match read of the target
//! fields      matching fields (bpf_core_match_member, …_fields_are_compat)
//! types       matching types (bpf_core_types_are_compat, …_types_match)
//! duplicates  types of one kernel that no relocation can tell apart
//! candidates  target types that a local type may mean (bpf_core_add_cands)
//! order       records of one object in libbpf's order
//! resolve     relocations × target → Outcome (bpf_core_calc_relo_insn)
//! term        a relocation in the words of the C source
//! ```

mod access;
mod candidates;
mod duplicates;
mod fields;
mod kind;
mod local;
mod occurrence;
mod order;
mod relocations;
mod resolve;
mod shape;
mod term;
mod trace;
mod types;
mod value;

pub(crate) use duplicates::Duplicates;
pub use kind::{Errno, ReloKind};
pub use local::{Accessor, LocalLoad, LocalValue, Relocation, Root, Spec};
pub(crate) use occurrence::{Occurrence, Occurrences, Step, has_name};
pub use order::CandidateLists;
pub use relocations::{RecordMeaning, Relocations};
pub use resolve::{Candidate, Group, Match, Outcome, Resolution, TooComplex, resolve};
pub(crate) use resolve::{Traced, TracedCandidate, TracedGroup, essential, trace_groups};
pub(crate) use shape::compat_shape;
pub use shape::{CompatShape, FieldShape, MatchBody, MatchMember, MatchShape};
pub use term::term;
pub(crate) use term::{path, raw_term, text};
pub(crate) use trace::{Mark, MemberUse};
pub use value::LoadClass;
