//! Writing the section of the programs that fail.

use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Provenance;
use crate::bundle::cursor::{put_bytes, put_varint};
use crate::bundle::programs::{COUNT_MAX, Failure, SETS_MAX, TEXT_MAX, When};

/// The section for kernels with these failures. Nothing when it would hold more than the
/// format can say.
pub(super) fn write(provenance: &Provenance, kernels: &[&BTreeSet<Failure>]) -> Option<Vec<u8>> {
    let mut objects: Vec<_> = provenance.objects.iter().collect();
    objects.sort();
    let object = |failure: &Failure| {
        let place = objects
            .iter()
            .position(|known| known.name == failure.object);
        u32::try_from(place?).ok()
    };
    let all: BTreeSet<&Failure> = kernels.iter().copied().flatten().collect();
    let mut programs: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
    for failure in &all {
        programs.insert((object(failure)?, &failure.program), 0);
        reasons.insert(&failure.reason, 0);
    }
    programs
        .values_mut()
        .zip(0..)
        .for_each(|(slot, number)| *slot = number);
    reasons
        .values_mut()
        .zip(0..)
        .for_each(|(slot, number)| *slot = number);
    let mut failures: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let conditions = u32::try_from(When::ALL.len()).ok()?;
    let key = |failure: &Failure| {
        let program = programs.get(&(object(failure)?, failure.program.as_str()))?;
        let when = When::ALL.iter().position(|when| *when == failure.when)?;
        let reason = reasons.get(failure.reason.as_str())?;
        Some((program * conditions + u32::try_from(when).ok()?, *reason))
    };
    for failure in &all {
        failures.insert(key(failure)?, 0);
    }
    failures
        .values_mut()
        .zip(0..)
        .for_each(|(slot, number)| *slot = number);

    let mut out = Vec::new();
    let count = |out: &mut Vec<u8>, len: usize, max: u32| {
        let count = u32::try_from(len).ok().filter(|count| *count <= max)?;
        put_varint(out, count);
        Some(())
    };
    let text = |out: &mut Vec<u8>, text: &str| {
        (text.len() <= TEXT_MAX).then_some(())?;
        put_bytes(out, text.as_bytes())
    };
    count(&mut out, programs.len(), COUNT_MAX)?;
    for (object, name) in programs.keys() {
        put_varint(&mut out, *object);
        text(&mut out, name)?;
    }
    count(&mut out, reasons.len(), COUNT_MAX)?;
    for reason in reasons.keys() {
        text(&mut out, reason)?;
    }
    count(&mut out, failures.len(), COUNT_MAX)?;
    let mut before = 0;
    for (program, reason) in failures.keys() {
        put_varint(&mut out, program - before);
        before = *program;
        put_varint(&mut out, *reason);
    }

    // Sets in the order of the first kernel that has them.
    let mut numbers: BTreeMap<&BTreeSet<Failure>, u32> = BTreeMap::new();
    let (mut column, mut sets) = (Vec::new(), Vec::new());
    for of_kernel in kernels {
        let next = u32::try_from(numbers.len()).ok()?;
        let number = *numbers.entry(of_kernel).or_insert(next);
        put_varint(&mut column, number);
        if number == next && numbers.len() > sets.len() {
            let set = of_kernel.iter().map(|failure| failures.get(&key(failure)?));
            let set: BTreeSet<u32> = set.map(Option::<&u32>::copied).collect::<Option<_>>()?;
            sets.push(set);
        }
    }
    put_bytes(&mut out, &column)?;
    count(&mut out, sets.len(), SETS_MAX)?;
    for set in sets {
        count(&mut out, set.len(), COUNT_MAX)?;
        let mut next = 0;
        for number in set {
            put_varint(&mut out, number - next);
            next = number + 1;
        }
    }
    Some(out)
}
