//! Every entry point that takes bytes from outside, as one function each that panics if a promise
//! is broken. The fuzz targets (`tests/fuzz`) and their counterparts for stable Rust
//! (`tests/tests/build/mutations.rs`) call them.

use std::sync::Arc;

use btfhub_build::archive::decode;
use btfhub_build::btf::{Btf, BtfExt, Type, essential_name};
use btfhub_build::object::Object;
use btfhub_build::relo::{Relocations, resolve};
use btfhub_build::report::{Report, Survey};
use btfhub_build::tailor::tailor;
use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{ClassId, Provenance};
use btfhub_runtime::{Arch, Bundle, Host, KernelId, Policy, select};

use crate::hostile_bundle;

/// The limit for a decompressed entry: small, so that it is hit.
const ENTRY_LIMIT: u64 = 1 << 20;

/// A BTF file: read or refused; what was read can be walked and written.
pub fn btf(data: &[u8]) {
    let Ok(btf) = Btf::parse(data) else { return };
    walk(&btf);
    let again = Btf::parse(&btf.to_bytes()).expect("what was read is read again");
    assert_eq!(again.type_count(), btf.type_count());
}

/// A module's BTF on top of another; the first two bytes say where it starts.
pub fn split_btf(data: &[u8]) {
    let Some((at, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_le_bytes(*at)).min(rest.len());
    let (base, module) = rest.split_at(at);
    let Ok(base) = Btf::parse(base) else { return };
    if let Ok(module) = Btf::parse_split(module, Arc::new(base)) {
        walk(&module);
    }
}

fn walk(btf: &Btf) {
    for id in btf.ids() {
        let ty = btf.ty(id).expect("each id has a type");
        let name = btf.string(ty.name());
        assert!(name.starts_with(essential_name(name)));
        elements(btf, ty);
        if let Some((skipped, ty)) = btf.skip_modifiers(id) {
            assert!(!ty.kind().is_modifier_or_typedef(), "{skipped}");
        }
        let _ = btf.resolve_size(id);
    }
    assert!(
        btf.ty(btfhub_build::btf::TypeId(btf.type_count()))
            .is_none()
    );
    let _ = btf.pointer_size();
}

/// Follows each reference of a type; reading has checked that they are valid.
fn elements(btf: &Btf, ty: Type<'_>) {
    use btfhub_build::btf::Kind;
    match ty.kind() {
        Kind::Struct | Kind::Union => {
            for member in ty.members() {
                assert!(btf.ty(member.ty).is_some());
                let _ = btf.string(member.name);
            }
        }
        Kind::Enum | Kind::Enum64 => {
            for enumerator in ty.enumerators() {
                let _ = btf.string(enumerator.name);
            }
        }
        Kind::FuncProto => {
            assert!(btf.ty(ty.referenced()).is_some());
            for param in ty.params() {
                assert!(btf.ty(param.ty).is_some());
            }
        }
        Kind::Array => assert!(btf.ty(ty.array().element).is_some()),
        Kind::Ptr | Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::Func => {
            assert!(btf.ty(ty.referenced()).is_some());
        }
        _ => {}
    }
}

/// A `.BTF.ext` section.
pub fn btf_ext(data: &[u8]) {
    if let Ok(ext) = BtfExt::parse(data) {
        let records = ext.core_relos.iter().map(|group| group.records.len());
        assert!(records.sum::<usize>() * 16 <= data.len());
    }
}

/// An eBPF object; its relocations are resolved against its own types.
pub fn object(data: &[u8]) {
    let Ok(object) = Object::parse("hostile.bpf.o", data) else {
        return;
    };
    walk(object.btf());
    for record in object.records() {
        let section = record.section.and_then(|at| object.sections().get(at));
        if let Some(section) = section {
            let _ = section.function_at(record.relo.insn_off);
            let _ = section.line_at(record.relo.insn_off);
        }
    }
    let relocations = Relocations::from_objects([&object]);
    assert_eq!(relocations.meanings(&object).len(), object.records().len());
    assert_eq!(Relocations::from_objects([&object, &object]), relocations);
    proven(&relocations, object.btf());
    let _ = verdicts(&object, object.btf());
}

/// The verdicts on an object's programs on a kernel: one for each.
pub fn verdicts(object: &Object, kernel: &Btf) -> Option<Report> {
    let survey = Survey::new(std::slice::from_ref(object));
    let answer = survey.ask(kernel).ok()?;
    let id = KernelId {
        distro: "made-up",
        version: "1",
        arch: Arch::new("x86_64"),
        release: "5.9.0",
    };
    let report = survey.report([(id, Ok(answer))]);
    let said = report.program_verdicts_of(&report.kernels[0]);
    assert_eq!(said.count(), report.programs.len());
    Some(report)
}

/// What tailoring promises for any kernel: the result can be read, every relocation resolves the
/// same, and tailoring it again changes nothing.
pub fn proven(relocations: &Relocations, kernel: &Btf) {
    let Ok(tailored) = tailor(relocations, kernel) else {
        return;
    };
    let again = Btf::parse(&tailored.btf).expect("tailored BTF is BTF");
    assert_eq!(
        resolve(relocations, &again).as_ref(),
        Ok(&*tailored.outcome),
        "the tailored BTF comes out otherwise"
    );
    for index in 0..relocations.list().len() {
        let resolution = tailored.outcome.resolution(relocations, index);
        assert!(resolution.is_some());
    }
}

/// Real BTF with mutated words, tailored: `data` is a list of mutations (see
/// [`mutate`]).
pub fn tailoring(relocations: &Relocations, kernel: &[u8], data: &[u8]) {
    if let Ok(kernel) = Btf::parse(&mutate(kernel, data)) {
        proven(relocations, &kernel);
    }
}

/// Applies mutations of six bytes each to a little-endian BTF file: the number of a word after the
/// header, an operation, an operand.
#[must_use]
pub fn mutate(image: &[u8], mutations: &[u8]) -> Vec<u8> {
    const HEADER: usize = 24;
    let mut image = image.to_vec();
    let words = image.len().saturating_sub(HEADER) / 4;
    if words == 0 {
        return image;
    }
    let at = |number: u16| HEADER + 4 * (usize::from(number) * words / 65_536);
    for mutation in mutations.chunks_exact(6) {
        let &[place, place_high, operation, a, b, c] = mutation else {
            continue;
        };
        let place = at(u16::from_le_bytes([place, place_high]));
        let number = u32::from_le_bytes([a, b, c, 0]);
        let Some(word) = image.get(place..).and_then(|tail| tail.first_chunk::<4>()) else {
            continue;
        };
        let word = u32::from_le_bytes(*word);
        let new = match operation % 8 {
            0 => number,
            1 => word.wrapping_add(number),
            2 => word.wrapping_sub(number),
            3 => word ^ number,
            // A kind or a kind_flag, in case it is an info word.
            4 => word & 0x80ff_ffff | (number % 20) << 24,
            5 => word ^ 1 << 31,
            6 => u32::MAX - number,
            _ => {
                let other = at(u16::from_le_bytes([a, b]));
                let bytes = image.get(other..).and_then(|tail| tail.first_chunk::<4>());
                bytes.map_or(word, |bytes| u32::from_le_bytes(*bytes))
            }
        };
        if let Some(slot) = image.get_mut(place..place + 4) {
            slot.copy_from_slice(&new.to_le_bytes());
        }
    }
    image
}

/// An entry: the first byte says whether the rest is the file or the tar in it.
pub fn entry(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let packed;
    let bytes = if kind % 2 == 0 {
        rest
    } else {
        packed = crate::pack::xz(rest);
        &packed
    };
    if let Ok(decoded) = decode(bytes, ENTRY_LIMIT) {
        assert!(decoded.len as u64 <= ENTRY_LIMIT);
        assert_eq!(decoded.bytes().len(), decoded.len);
        let _ = Btf::parse(decoded.bytes());
    }
}

/// A bundle, or the [open form](crate::hostile_bundle) of one.
pub fn bundle(data: &[u8]) {
    read_bundle(data);
    if let Some(closed) = hostile_bundle::close(data) {
        read_bundle(&closed);
    }
}

fn read_bundle(data: &[u8]) {
    let Ok(bundle) = Bundle::parse(data) else {
        return;
    };
    let classes = bundle.class_count().expect("a header was read");
    let kernels = bundle
        .kernels()
        .map(|entry| entry.expect("an index was read"));
    for (number, entry) in kernels.enumerate() {
        assert!(entry.class().0 < classes);
        if number < 3 {
            let kernel = entry.kernel();
            let found = bundle.lookup(kernel.arch, kernel.release);
            // An unsorted index with right checksums may hide some kernels.
            let _ = found.map_while(Result::ok).count();
            let _ = bundle.btf(entry.class());
        }
    }
    for class in 0..classes.min(3) {
        let _ = bundle.btf(ClassId(class));
    }
    assert!(bundle.btf(ClassId(classes)).is_err());
    let _ = (bundle.provenance(), bundle.sizes(), bundle.all_btf());
    let _ = bundle.failure_sets();
    let _ = bundle.arches().count();
    let host = Host::new("5.10.0-9-amd64", "x86_64");
    if let Ok(selection) = select(&bundle, &host, Policy::default().bracketed(true)) {
        let _ = selection.failing_programs();
        let _ = (selection.to_string(), selection.bytes());
    }
}

/// A small bundle with kernels that selection must distinguish.
///
/// # Panics
/// Never: its kernels are sound.
#[must_use]
pub fn small_bundle() -> Vec<u8> {
    let mut writer = Writer::new(Provenance::default());
    let kernels = [
        ("x86_64", "ubuntu", "18.04", "5.4.0-80-generic"),
        ("x86_64", "ubuntu", "20.04", "5.4.0-80-generic"),
        ("x86_64", "ubuntu", "20.04", "5.4.0-82-generic"),
        ("x86_64", "debian", "11", "5.10.0-9-amd64"),
        ("aarch64", "centos", "8", "4.18.0-147.0.3.el8_1.aarch64"),
        ("aarch64", "ol", "8", "4.18.0-147.0.3.el8_1.aarch64"),
        ("x86_64", "amzn", "2", "4.14.334-252.552.amzn2.x86_64"),
    ];
    for (number, (arch, distro, version, release)) in kernels.into_iter().enumerate() {
        let kernel = KernelId {
            arch: Arch::new(arch),
            release,
            distro,
            version,
        };
        let mut types = crate::btf_builder::BtfBuilder::new();
        let int = types.int("int", 4, 1);
        let at = u32::try_from(number).expect("few") * 4;
        types.structure(
            "task",
            64,
            &[crate::btf_builder::member("pid", int, at % 12)],
        );
        writer
            .add_kernel(kernel, types.finish())
            .expect("a sound kernel");
    }
    writer.finish().expect("a sound bundle")
}

/// A made-up host: release, `uname -v`, machine and os-release, separated by NUL.
pub fn host(bundle: &Bundle<'_>, data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == 0);
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (release, version, machine) = (text(), text(), text());
    let os_release = parts.next().unwrap_or_default();
    let host = Host::new(release.clone(), machine)
        .with_version(version)
        .with_os_release(os_release);
    let _ = host.to_string();
    for policy in [Policy::EMBEDDED_ONLY, Policy::default().bracketed(true)] {
        match select(bundle, &host, policy) {
            Ok(selection) => {
                let kernel = selection.kernel().expect("it has no BTF of its own");
                assert!(selection.is_inferred() || kernel.release == release);
                let _ = format!("{selection} {selection:#} {:?}", selection.fields());
                assert!(selection.bytes().is_ok());
            }
            Err(error) => {
                let _ = format!("{error} {error:#}");
            }
        }
    }
}
