//! Real types on both sides: one kernel's BTF stands in for the object, with random relocations
//! on its types, and another kernel is the target.
//!
//! Compiled objects are simple: structs with a few members, seven kinds of relocations. Here the
//! local side has everything that a kernel has. `BTFHUB_CASES` sets how many relocations are drawn
//! for each pair: thousands in a long run.

use std::collections::BTreeMap;
use std::path::Path;

use btfhub_build::btf::{Btf, Kind, TypeId};
use btfhub_build::object::Object;
use btfhub_build::relo::{RecordMeaning, Relocations};
use btfhub_build::tailor::tailor;
use btfhub_tests::contract::{Kernel, Report, Subject, check};
use btfhub_tests::derive::Random;
use btfhub_tests::elf_builder::{Relo, object_of_kernel};
use btfhub_tests::kernels::{Entry, entries};
use btfhub_tests::shared::shared;

const ENUMVAL: [u32; 2] = [10, 11];
const TYPES: [u32; 5] = [7, 8, 8, 9, 12];
const FIELDS: [u32; 12] = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5];

/// Random relocations on types of `local`: a few per type, most on fields.
fn draw(local: &Btf, count: usize, random: &mut Random) -> Vec<Relo> {
    let named: Vec<TypeId> = local
        .ids()
        .filter(|id| {
            local.ty(*id).is_some_and(|ty| {
                !local.string(ty.name()).is_empty()
                    && !matches!(ty.kind(), Kind::Func | Kind::Var | Kind::DataSec)
            })
        })
        .collect();
    draw_from(local, &named, count, random)
}

/// The same on these types.
pub(crate) fn draw_from(
    local: &Btf,
    named: &[TypeId],
    count: usize,
    random: &mut Random,
) -> Vec<Relo> {
    let composite: Vec<TypeId> = named
        .iter()
        .copied()
        .filter(|id| local.ty(*id).is_some_and(|ty| ty.kind().is_composite()))
        .collect();
    let mut relos = Vec::new();
    while relos.len() < count {
        let pool = if random.below(4) > 0 {
            composite.as_slice()
        } else {
            named
        };
        let root = pool[random.below(pool.len())];
        let Some((_, behind)) = local.skip_modifiers(root) else {
            continue;
        };
        for _ in 0..1 + random.below(6) {
            let (kind, access) = match behind.kind() {
                _ if random.below(6) == 0 => (TYPES[random.below(TYPES.len())], "0".to_owned()),
                Kind::Enum | Kind::Enum64 => {
                    let index = random.below(behind.vlen() as usize);
                    (ENUMVAL[random.below(2)], index.to_string())
                }
                Kind::Struct | Kind::Union | Kind::Array => (
                    FIELDS[random.below(FIELDS.len())],
                    walk(local, root, random),
                ),
                _ => (TYPES[random.below(TYPES.len())], "0".to_owned()),
            };
            relos.push(Relo {
                program: random.below(8),
                type_id: root.0,
                access,
                kind,
            });
        }
    }
    relos
}

/// A path from a type down to some member or element.
fn walk(local: &Btf, root: TypeId, random: &mut Random) -> String {
    let mut access = if random.below(16) == 0 { "1" } else { "0" }.to_owned();
    let mut id = root;
    for _ in 0..12 {
        let Some((_, ty)) = local.skip_modifiers(id) else {
            break;
        };
        let step = match ty.kind() {
            Kind::Struct | Kind::Union if ty.vlen() > 0 => {
                let step = random.below(ty.vlen() as usize);
                let member = u32::try_from(step).ok().and_then(|step| ty.member(step));
                id = member.map_or(TypeId::VOID, |member| member.ty);
                step
            }
            Kind::Array if random.below(2) == 0 => {
                id = ty.array().element;
                random.below((ty.array().nelems as usize).clamp(1, 64))
            }
            _ => break,
        };
        access.push_str(&format!(":{step}"));
        // Never stops at an anonymous member; usually stops at others.
        if random.below(3) == 0 {
            break;
        }
    }
    access
}

/// The relocations on types of `local` for which a target is kept whole, reduced to those that are
/// needed for that.
fn least(local: &Btf, mut relos: Vec<Relo>, target: &Btf) -> Vec<(String, Relo)> {
    let image = local.to_bytes();
    let whole = |relos: &[Relo]| {
        let object = Object::parse("least", &object_of_kernel(&image, relos)).expect("read");
        let relocations = Relocations::from_objects([&object]);
        tailor(&relocations, target).is_ok_and(|tailored| tailored.verbatim)
    };
    let mut step = relos.len().div_ceil(2);
    while step > 0 {
        let mut at = 0;
        while at < relos.len() {
            let mut fewer = relos.clone();
            fewer.drain(at..(at + step).min(relos.len()));
            if !fewer.is_empty() && whole(&fewer) {
                relos = fewer;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    let name = |relo: &Relo| {
        let name = local
            .ty(TypeId(relo.type_id))
            .map(|ty| local.string(ty.name()));
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    };
    relos.into_iter().map(|relo| (name(&relo), relo)).collect()
}

pub(crate) fn cases() -> usize {
    std::env::var("BTFHUB_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(120)
}

/// The first kernel of each distribution, version, architecture and series.
fn one_of_each(entries: Vec<Entry>) -> Vec<Entry> {
    let mut seen = BTreeMap::new();
    for entry in entries {
        let series: String = entry
            .name
            .splitn(3, '.')
            .take(2)
            .collect::<Vec<_>>()
            .join(".");
        seen.entry(series).or_insert(entry);
    }
    seen.into_values().collect()
}

#[test]
fn kernels_as_objects() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    let mut kernels = entries(&examples);
    if let Some(shared) = shared() {
        for archive in ["archive", "archive-android"] {
            kernels.extend(entries(&shared.join(archive)));
        }
    }
    let kernels = one_of_each(kernels);
    let mut random = Random::new(3);
    let mut sum = Report::default();
    let mut pairs = 0;
    let mut kinds = [0usize; 13];
    let images: Vec<(String, Vec<u8>)> = kernels
        .iter()
        .map(|entry| (entry.name.clone(), entry.btf()))
        .collect();
    for (number, (name, image)) in images.iter().enumerate() {
        let local = Btf::parse(image).expect("read");
        if image[0] == 0xeb {
            continue;
        }
        let relos = draw(&local, cases(), &mut random);
        for relo in &relos {
            kinds[relo.kind as usize] += 1;
        }
        let elf = object_of_kernel(image, &relos);
        let subject = Subject::open(name, &elf)
            .expect("both sides read it")
            .expect("it has relocations");
        // Itself, its neighbour, and a very different one.
        for step in [0, 1, 1 + images.len() / 2] {
            let (target, image) = &images[(number + step) % images.len()];
            let kernel = Kernel::parse(target, image).expect("both sides read it");
            pairs += 1;
            let report = check(&subject, &kernel);
            if !report.verbatim.is_empty() {
                let least = least(&local, relos.clone(), &kernel.ours);
                println!("{name} × {target} is kept whole for {least:?}");
            }
            sum.add(report);
        }
    }
    println!(
        "{pairs} pairs of {} kernels, {} relocations: {} found, {} poisoned, {} refused, {} \
         stateful, {} kept whole, {} differences; drawn by kind {kinds:?}",
        images.len(),
        sum.relocations,
        sum.found,
        sum.poisoned,
        sum.refused,
        sum.stateful,
        sum.verbatim.len(),
        sum.differences.len()
    );
    for difference in sum.differences.iter().take(40) {
        println!("{}", difference.get(..600).unwrap_or(difference));
    }
    assert_eq!(sum.differences.len(), 0, "differences");
    assert_eq!(sum.verbatim, Vec::<String>::new(), "kept whole");
    assert!(sum.found > 0 && sum.poisoned > 0 && sum.refused > 0);
}

/// The limit on a local type (65,536 nodes) is far above any type of a kernel.
#[test]
fn every_type_can_be_matched() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/archive");
    let image = entries(&examples).pop().expect("a kernel").btf();
    let local = Btf::parse(&image).expect("read");
    let named = local.ids().filter(|id| {
        local
            .ty(*id)
            .is_some_and(|ty| ty.kind().is_composite() && !local.string(ty.name()).is_empty())
    });
    let relos: Vec<Relo> = named
        .flat_map(|id| {
            [8, 12].map(|kind| Relo {
                program: 0,
                type_id: id.0,
                access: "0".to_owned(),
                kind,
            })
        })
        .collect();
    assert!(relos.len() > 10_000);
    let object = Object::parse("all", &object_of_kernel(&image, &relos)).expect("read");
    let relocations = Relocations::from_objects([&object]);
    let refused: Vec<String> = relocations
        .meanings(&object)
        .iter()
        .zip(object.records())
        .filter(|(meaning, _)| matches!(meaning, RecordMeaning::Refused(_)))
        .filter_map(|(_, record)| local.ty(record.relo.type_id))
        .map(|ty| String::from_utf8_lossy(local.string(ty.name())).into_owned())
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}
