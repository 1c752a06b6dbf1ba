//! aya-obj looks for types only in the BTF that it is given. With BTF tailored for a kernel with
//! modules, it relocates as with the kernel's own BTF; for types that only a module has, as with
//! the kernel's and that module's.

use std::collections::{BTreeMap, BTreeSet};

use btfhub_build::btf::{Btf, Kind, TypeId};
use btfhub_build::tailor::tailor;
use btfhub_tests::contract::Subject;
use btfhub_tests::derive::Random;
use btfhub_tests::elf_builder::{object_of_kernel, single_record};
use btfhub_tests::modules::{Kernel, Module, kernels};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::libbpf;
use btfhub_tests::oracle::modes::TYPE_ID_TARGET;

use crate::aya::{aya, relocated};
use crate::cross::{cases, draw_from};
use crate::modules::{KERNELS, NAMED};

/// `BPF_CORE_FIELD_LSHIFT_U64` and `_RSHIFT_U64`.
const SHIFTS: [u32; 2] = [4, 5];

/// The kernel's types followed by a module's, as one BTF.
fn behind(kernel: &[u8], module: &[u8]) -> Vec<u8> {
    let word = |btf: &[u8], at: usize| {
        u32::from_le_bytes(btf[at..at + 4].try_into().expect("four bytes")) as usize
    };
    let part = |btf: &'static str, bytes: &[u8], at: usize| {
        let start = word(bytes, 4) + word(bytes, at);
        let end = start + word(bytes, at + 4);
        assert!(end <= bytes.len(), "{btf}");
        bytes[start..end].to_vec()
    };
    let (mut types, mut strings) = (part("types", kernel, 8), part("strings", kernel, 16));
    types.extend(part("types", module, 8));
    strings.extend(part("strings", module, 16));
    let mut btf = kernel[..24].to_vec();
    let len = |part: &[u8]| u32::try_from(part.len()).expect("4 GiB").to_le_bytes();
    btf[4..8].copy_from_slice(&24u32.to_le_bytes());
    btf[8..12].copy_from_slice(&[0; 4]);
    btf[12..16].copy_from_slice(&len(&types));
    btf[16..20].copy_from_slice(&len(&types));
    btf[20..24].copy_from_slice(&len(&strings));
    btf.extend(types);
    btf.extend(strings);
    btf
}

/// What was compared.
#[derive(Debug, Default)]
struct Sum {
    patched: usize,
    of_modules: usize,
    refused: usize,
    /// Several modules have the type, and aya-obj reads them differently.
    several: usize,
    differences: Vec<String>,
}

fn compare(subject: &Subject, kernel: &Kernel, modules: &[Module], sum: &mut Sum) {
    let base = kernel.btf();
    let theirs = libbpf::Btf::target(&base).expect("libbpf reads it");
    let split: Vec<_> = modules
        .iter()
        .map(|(_, bytes)| libbpf::Btf::split(bytes, &theirs).expect("libbpf reads it"))
        .collect();
    let full = Btf::parse(&base).expect("read");
    let of_modules = modules.iter().map(|(name, btf)| (&**name, &**btf));
    let joined = Btf::join(full, of_modules, |_| true).expect("joined");
    let tailored = tailor(&subject.relocations, &joined).expect("tailored");
    let tailored = aya(&tailored.btf);
    let of_kernel = aya(&base);
    let mut with_module = BTreeMap::new();

    let records = &subject.theirs.object.records;
    let mut seen = BTreeSet::new();
    for (index, record) in records.iter().enumerate() {
        if !seen.insert((record.type_id, &record.access, record.kind)) {
            continue;
        }
        let Some(elf) = single_record(&subject.theirs.object, index) else {
            continue;
        };
        let from = |btf: &libbpf::Btf, first| {
            libbpf::candidates_from(&subject.theirs.btf, record.type_id, btf, first)
                .is_ok_and(|found| !found.is_empty())
        };
        let mut expected = Vec::new();
        if !from(&theirs, 1) {
            for (number, module) in split.iter().enumerate() {
                if from(module, theirs.type_count()) {
                    let btf = with_module
                        .entry(number)
                        .or_insert_with(|| aya(&behind(&base, &modules[number].1)));
                    expected.push(relocated(&elf, btf));
                }
            }
        }
        let is_of_module = !expected.is_empty();
        if expected.is_empty() {
            expected.push(relocated(&elf, &of_kernel));
        }
        if expected
            .iter()
            .any(|other| other.as_ref().ok() != expected[0].as_ref().ok())
        {
            sum.several += 1;
            continue;
        }
        let found = relocated(&elf, &tailored);
        let same = match (&expected[0], &found) {
            (Ok(full), Ok(found)) => {
                sum.patched += 1;
                sum.of_modules += usize::from(is_of_module);
                full == found || record.kind == TYPE_ID_TARGET && full.len() == found.len()
            }
            (Err(_), Err(_)) => {
                sum.refused += 1;
                true
            }
            _ => false,
        };
        if !same {
            sum.differences.push(format!(
                "{} × {}: `{}` {:?} kind {}: {:?} {:?}",
                subject.theirs.object.name,
                kernel.release,
                String::from_utf8_lossy(
                    &subject
                        .theirs
                        .btf
                        .essential_name(record.type_id)
                        .unwrap_or_default()
                ),
                record.access,
                record.kind,
                expected[0].as_ref().err(),
                found.err(),
            ));
        }
    }
}

/// Our own object for a dozen subsystems, and real types of modules as objects.
#[test]
fn tailored_is_read_as_kernel_and_module() {
    let elf = std::fs::read(own_dir().join("modules.bpf.o")).expect("the object");
    let own = Subject::open("modules", &elf)
        .expect("read")
        .expect("relocations");
    let kernels = kernels(&KERNELS);
    let mut random = Random::new(23);
    let mut sum = Sum::default();
    for (number, kernel) in kernels.iter().enumerate() {
        let modules = kernel.named(&NAMED);
        compare(&own, kernel, &modules, &mut sum);

        let full = Btf::parse(&kernel.btf()).expect("read");
        let of_modules = modules.iter().map(|(name, btf)| (&**name, &**btf));
        let local = Btf::join(full, of_modules, |_| true).expect("joined");
        let first = local.first_of_modules().expect("modules");
        let roots: Vec<TypeId> = (first.0..local.type_count())
            .map(TypeId)
            .filter(|id| {
                local.ty(*id).is_some_and(|ty| {
                    !local.string(ty.name()).is_empty()
                        && (ty.kind().is_composite()
                            || matches!(ty.kind(), Kind::Enum | Kind::Enum64))
                })
            })
            .collect();
        let mut relos = draw_from(&local, &roots, cases(), &mut random);
        // aya-obj overflows on shifts of non-integers.
        relos.retain(|relo| !SHIFTS.contains(&relo.kind));
        let elf = object_of_kernel(&local.to_bytes(), &relos);
        let subject = Subject::open(&kernel.release, &elf)
            .expect("read")
            .expect("relocations");
        let target = &kernels[(number + 1) % kernels.len()];
        compare(&subject, target, &target.named(&NAMED), &mut sum);
    }
    println!(
        "{} patched alike, {} of them by types of modules; {} refused alike, {} depend on the module",
        sum.patched - sum.differences.len(),
        sum.of_modules,
        sum.refused,
        sum.several
    );
    for difference in sum.differences.iter().take(40) {
        println!("{}", difference.get(..600).unwrap_or(difference));
    }
    assert_eq!(sum.differences.len(), 0, "differences");
    assert!(kernels.is_empty() || sum.of_modules > 300 && sum.refused > 0);
}
