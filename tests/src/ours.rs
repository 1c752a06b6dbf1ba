//! The engine's results in the oracle's form.

use std::collections::BTreeMap;

use btfhub_build::object::Object;
use btfhub_build::relo::{
    LocalValue, Match, Outcome, RecordMeaning, ReloKind, Relocation, Relocations, Resolution,
};

use crate::oracle::libbpf::{Answer, Verdict};
use crate::oracle::modes::Walk;

/// `-EINVAL`, libbpf's errno for candidates that disagree.
const AMBIGUOUS: i32 = -22;

/// A walk over an object's relocations, as a loader would make it, from only the outcome:
/// candidates are pruned here as libbpf does it. Profiles are left empty.
#[must_use]
pub fn walk(object: &Object, relocations: &Relocations, outcome: &Outcome) -> Walk {
    let meanings = relocations.meanings(object);
    let mut walk = Walk {
        whole: Vec::new(),
        by_section: Vec::new(),
        fresh: Vec::new(),
        profiles: BTreeMap::new(),
    };
    let mut whole_lists = BTreeMap::new();
    let mut section_lists = BTreeMap::new();
    for (record, meaning) in object.records().iter().zip(&meanings) {
        let id = record.relo.type_id;
        let step = |list: &mut List| answer(relocations, outcome, *meaning, list);
        walk.whole.push(step(whole_lists.entry(id).or_default()));
        walk.by_section
            .push(step(section_lists.entry((record.section, id)).or_default()));
        walk.fresh.push(alone(relocations, outcome, *meaning));
    }
    walk
}

/// One record with its own candidates, as in reports.
fn alone(relocations: &Relocations, outcome: &Outcome, meaning: RecordMeaning) -> Answer {
    let RecordMeaning::Relocation { index, local } = meaning else {
        return answer(relocations, outcome, meaning, &mut List::default());
    };
    let relocation = &relocations.list()[index];
    let resolution = outcome
        .resolution(relocations, index)
        .expect("every relocation has one");
    match resolution {
        Resolution::Resolved {
            value,
            size,
            wrong_load,
            found,
        } => {
            let found = found.then_some(Match {
                bit_offset: 0,
                value,
                size,
                wrong_load,
            });
            Ok(Verdict {
                poison: false,
                ..verdict(relocation, local, found)
            })
        }
        Resolution::Poisoned => Ok(Verdict {
            poison: true,
            ..verdict(relocation, local, None)
        }),
        Resolution::Ambiguous => Err(AMBIGUOUS),
        Resolution::Refused(errno) => Err(-errno.number()),
    }
}

/// Which candidates of a group remain; all of them until something is resolved.
type List = Option<Vec<usize>>;

fn answer(
    relocations: &Relocations,
    outcome: &Outcome,
    meaning: RecordMeaning,
    list: &mut List,
) -> Answer {
    let (index, local) = match meaning {
        RecordMeaning::Refused(errno) => return Err(-errno.number()),
        RecordMeaning::LocalTypeId(id) => {
            return Ok(Verdict {
                orig_val: u64::from(id.0),
                new_val: u64::from(id.0),
                poison: false,
                validate: false,
                fail_memsz_adjust: false,
                orig_sz: 0,
                new_sz: 0,
            });
        }
        RecordMeaning::Relocation { index, local } => (index, local),
    };
    let relocation = &relocations.list()[index];
    let group = outcome
        .groups()
        .iter()
        .find(|group| group.relocations.contains(&index))
        .expect("every relocation is in a group");
    let number = index - group.relocations.start;
    let all = list.get_or_insert_with(|| (0..group.candidates.len()).collect());

    let mut first = None;
    let mut left = Vec::new();
    for candidate in all.iter() {
        match group.candidates[*candidate].results[number] {
            None => continue,
            Some(Err(errno)) => return Err(-errno.number()),
            Some(Ok(found)) => match first {
                None => first = Some(found),
                Some(earlier) => {
                    let same = found.bit_offset == earlier.bit_offset
                        && found.value == earlier.value
                        && relocation.kind != ReloKind::TypeIdTarget;
                    if !same {
                        return Err(AMBIGUOUS);
                    }
                }
            },
        }
        left.push(*candidate);
    }
    if !left.is_empty() {
        *all = left;
    }
    Ok(verdict(relocation, local, first))
}

fn verdict(relocation: &Relocation, local: LocalValue, found: Option<Match>) -> Verdict {
    use ReloKind as K;
    let asks_existence =
        relocation.kind.is_type() || matches!(relocation.kind, K::FieldExists | K::EnumvalExists);
    let poison = found.is_none() && !asks_existence;
    Verdict {
        orig_val: local.value,
        new_val: found.map_or(0, |found| {
            // Ids differ between any two BTFs: it only matters that there is one.
            if relocation.kind == K::TypeIdTarget {
                1
            } else {
                found.value
            }
        }),
        poison,
        validate: local.validate,
        fail_memsz_adjust: found.is_some_and(|found| found.wrong_load),
        orig_sz: relocation.load.size,
        new_sz: found.map_or(0, |found| found.size),
    }
}
