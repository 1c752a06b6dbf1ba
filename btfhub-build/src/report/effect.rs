//! From how relocations resolve on a kernel to what that means for the programs.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::why::Why;
use super::{Effect, Patched, Status, Verdict, patch};
use crate::btf::Endian;
use crate::object::Object;
use crate::relo::{Errno, LocalLoad, LocalValue, ReloKind, Relocation, Resolution};

/// The code of a function and the relocations in it.
#[derive(Debug)]
pub(super) struct Body {
    /// The numbers of the object and of the section.
    object: usize,
    section: Option<usize>,
    code: Vec<u8>,
    /// Byte offset of the function in its section.
    start: usize,
    endian: Endian,
    pub(super) uses: Vec<Use>,
}

/// An instruction with a relocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    /// Byte offset in the section.
    pub(super) offset: usize,
    /// The number of the relocation's row.
    pub(super) row: usize,
    /// What the instruction was compiled with; `None` if libbpf refuses the record on every
    /// kernel.
    pub(super) local: Option<LocalValue>,
}

impl Body {
    /// The function at these bytes of a section of object number `object`.
    pub(super) fn new(
        (object, of): (usize, &Object),
        section: Option<usize>,
        start: u64,
        size: u64,
    ) -> Self {
        let code = section.and_then(|section| of.sections().get(section));
        let code = code.map_or(&[][..], |section| &section.code);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let end = (usize::try_from(size).ok())
            .and_then(|size| start.checked_add(size))
            .map_or(code.len(), |end| end.min(code.len()));
        Self {
            object,
            section,
            code: code.get(start..end).unwrap_or(&[]).to_vec(),
            start,
            endian: of.btf().endian(),
            uses: Vec::new(),
        }
    }
}

/// For each object, the invalid instructions that a program reaches, by section and byte offset;
/// `false` if it reaches one only when a constant differs from what is assumed.
pub(super) type ReachedPoison = Vec<BTreeMap<(usize, u64), bool>>;

/// What an answer means: a verdict for each relocation, then one for each that libbpf refuses on
/// every kernel.
pub(super) fn effects(
    list: &[Relocation],
    refused: &[Errno],
    answer: &Answer,
    bodies: &[Body],
    reached: &ReachedPoison,
) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = (list.iter().zip(&answer.relocations))
        .map(|(relocation, (resolution, why))| resolved(relocation, resolution, why.as_ref()))
        .chain(refused.iter().map(|errno| Verdict {
            status: Status::Refused,
            effect: Effect::ObjectFails,
            value: None,
            reason: format!("libbpf refuses this relocation on every kernel ({errno})"),
            failing: Vec::new(),
        }))
        .collect();
    for (number, body) in bodies.iter().enumerate() {
        function(number, body, list, answer, reached, &mut verdicts);
    }
    for verdict in &mut verdicts {
        verdict.failing.sort_unstable();
        verdict.failing.dedup();
    }
    verdicts
}

/// The verdict before any instruction is examined.
fn resolved(relocation: &Relocation, resolution: &Resolution, why: Option<&Why>) -> Verdict {
    let reason = why.map(|why| why.reason.clone()).unwrap_or_default();
    let missing = match why {
        Some(why) if why.is_incompatible => Status::Incompatible,
        _ => Status::Absent,
    };
    let (status, effect, value, reason) = match resolution {
        Resolution::Resolved {
            value, found: true, ..
        } => {
            let value = (relocation.kind != ReloKind::TypeIdTarget).then_some(*value);
            (Status::Resolved, Effect::Fine, value, reason)
        }
        Resolution::Resolved { value, .. } => (missing, Effect::AnswersNo, Some(*value), reason),
        Resolution::Poisoned => (missing, Effect::Guarded, None, reason),
        Resolution::Ambiguous => (
            Status::Ambiguous,
            Effect::ObjectFails,
            None,
            "the kernel has several such types that disagree: libbpf refuses the object (EINVAL)"
                .to_owned(),
        ),
        Resolution::Refused(errno) => (
            Status::Refused,
            Effect::ObjectFails,
            None,
            match errno {
                Errno::TooBig => "no load of 8 bytes holds this bitfield, or the types are nested \
                                  deeper than libbpf follows: it refuses the object (E2BIG)"
                    .to_owned(),
                _ => format!("libbpf refuses the object ({errno})"),
            },
        ),
    };
    Verdict {
        status,
        effect,
        value,
        reason,
        failing: Vec::new(),
    }
}

/// Patches one function, and worsens the verdicts of its relocations where needed.
fn function(
    number: usize,
    body: &Body,
    list: &[Relocation],
    answer: &Answer,
    reached: &ReachedPoison,
    verdicts: &mut [Verdict],
) {
    let reached = reached.get(body.object);
    let is_reached = |offset: usize| {
        let place = (body.section?, u64::try_from(offset).ok()?);
        reached?.get(&place).copied()
    };
    for &Use { offset, row, local } in &body.uses {
        let Some(verdict) = verdicts.get_mut(row) else {
            continue;
        };
        let (Some(local), Some(relocation), Some((resolution, _))) =
            (local, list.get(row), answer.relocations.get(row))
        else {
            verdict.failing.push(number);
            continue;
        };
        let Some(within) = offset.checked_sub(body.start) else {
            continue;
        };
        let patched = patch(
            &body.code,
            within,
            body.endian,
            local,
            relocation.load,
            resolution,
        );
        match patched {
            None => verdict.failing.push(number),
            Some(Patched::Value(value)) => {
                if answer.narrow.binary_search(&row).is_ok() && !fits_32_bits(local.value) {
                    verdict.status = verdict.status.max(Status::Truncated);
                    verdict.effect = verdict.effect.max(Effect::WrongValue);
                    verdict.reason = truncated(value, local.value);
                }
            }
            Some(Patched::Poisoned) => {
                if let Some(reason) = wrong_load(relocation.load, resolution) {
                    verdict.status = Status::Incompatible;
                    verdict.reason = reason;
                    verdict.effect = verdict.effect.max(Effect::Guarded);
                }
                match is_reached(offset) {
                    Some(true) => {
                        verdict.effect = verdict.effect.max(Effect::ProgramFails);
                        verdict.failing.push(number);
                    }
                    Some(false) if !verdict.reason.ends_with(BY_CONSTANTS) => {
                        verdict.reason += BY_CONSTANTS;
                    }
                    _ => {}
                }
            }
            Some(Patched::Refused(refusal)) => {
                verdict.status = Status::Refused;
                verdict.effect = Effect::ObjectFails;
                verdict.reason = format!("libbpf refuses to patch the instruction: {refusal}");
                verdict.failing.push(number);
            }
        }
    }
}

/// Added for instructions that are not reached only because of the object's constants.
const BY_CONSTANTS: &str = "; a program reaches it if user space changes constants of the object";

/// Whether an enumerator of an ENUM can have this value, as libbpf extends the sign of 32 bits.
fn fits_32_bits(value: u64) -> bool {
    let high = value >> 31;
    high == 0 || high == u64::MAX >> 31
}

fn truncated(kernel: u64, local: u64) -> String {
    format!(
        "the program has {local:#x}, the kernel's BTF {kernel:#x}: pahole before 1.24 kept only 32 \
         bits of each value, so the loader patches in the wrong number"
    )
}

/// Why a load whose relocation resolves is made invalid.
fn wrong_load(load: LocalLoad, resolution: &Resolution) -> Option<String> {
    match resolution {
        Resolution::Resolved { size, .. } => Some(format!(
            "the field has {size} bytes in this kernel and {} in the program, but only loads of \
             pointers and unsigned integers can be adjusted",
            load.size
        )),
        _ => None,
    }
}
