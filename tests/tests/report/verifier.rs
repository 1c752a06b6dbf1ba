//! The running kernel's verifier agrees with the report on whether programs load.

use std::ffi::CString;
use std::ptr;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::report::{Report, Survey};
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::shared::skip;

const VARIANTS: [&str; 5] = ["before", "after", "neither", "pointer", "lean"];
const PROGRAMS: [&str; 11] = [
    "unguarded",
    "guarded",
    "either",
    "early_return",
    "by_type",
    "by_value",
    "unheeded",
    "by_size",
    "both",
    "other",
    "plain",
];

fn variant_btf(variant: &str) -> Vec<u8> {
    let path = own_dir().join(format!("guard.{variant}.btf.o"));
    let elf = std::fs::read(path).expect("a made-up kernel");
    LocalObject::parse(variant, &elf).expect("an object").btf
}

fn report() -> Report {
    let elf = std::fs::read(own_dir().join("guard.bpf.o")).expect("an object");
    let survey = Survey::new(&[Object::parse("guard.bpf.o", &elf).expect("an object")]);
    let answers = VARIANTS.map(|variant| {
        let btf = Btf::parse(&variant_btf(variant)).expect("BTF");
        let kernel = KernelId {
            arch: Arch::new("x86_64"),
            release: variant,
            distro: "made",
            version: "up",
        };
        (kernel, Ok(survey.ask(&btf).expect("simple types")))
    });
    survey.report(answers)
}

fn loads(report: &Report, variant: &str, program: &str) -> bool {
    let kernel = (report.kernels.iter())
        .find(|kernel| kernel.release == variant)
        .expect("all variants are reported");
    !report
        .verdicts_of(kernel)
        .any(|verdict| (verdict.failing.iter()).any(|at| report.functions[*at].name == program))
}

/// Loads one program with `btf` instead of the kernel's; `None` if this process may not.
fn verifier_takes(program: &str, btf: &str) -> Option<bool> {
    let object = CString::new(own_dir().join("guard.bpf.o").to_str()?).ok()?;
    let btf = CString::new(btf).ok()?;
    let wanted = CString::new(program).ok()?;
    // SAFETY: libbpf's public API, with strings that live to the end of this function and an
    // object that is closed once.
    unsafe {
        libbpf_sys::libbpf_set_print(None);
        let mut options = libbpf_sys::bpf_object_open_opts {
            sz: std::mem::size_of::<libbpf_sys::bpf_object_open_opts>() as u64,
            btf_custom_path: btf.as_ptr(),
            ..Default::default()
        };
        let opened = libbpf_sys::bpf_object__open_file(object.as_ptr(), &raw mut options);
        assert!(!opened.is_null(), "libbpf opens the object");
        let mut each = libbpf_sys::bpf_object__next_program(opened, ptr::null_mut());
        while !each.is_null() {
            libbpf_sys::bpf_program__set_autoload(each, false);
            each = libbpf_sys::bpf_object__next_program(opened, each);
        }
        let only = libbpf_sys::bpf_object__find_program_by_name(opened, wanted.as_ptr());
        assert!(!only.is_null(), "{program} is in the object");
        libbpf_sys::bpf_program__set_autoload(only, true);
        let err = libbpf_sys::bpf_object__load(opened);
        libbpf_sys::bpf_object__close(opened);
        match err {
            0 => Some(true),
            -1 => None,
            _ => Some(false),
        }
    }
}

#[test]
fn the_verifier_agrees() {
    let report = report();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut refused = 0;
    println!(
        "{:14} {}",
        "",
        VARIANTS.map(|variant| format!("{variant:>9}")).join(" ")
    );
    for program in PROGRAMS {
        let mut row = format!("{program:14}");
        for variant in VARIANTS {
            let path = dir.path().join(variant);
            std::fs::write(&path, variant_btf(variant)).expect("a file");
            let Some(taken) = verifier_takes(program, path.to_str().expect("UTF-8")) else {
                skip("this process may not load eBPF programs");
                return;
            };
            refused += usize::from(!taken);
            row.push_str(&format!(" {:>9}", if taken { "loads" } else { "refused" }));
            assert_eq!(
                loads(&report, variant, program),
                taken,
                "{program} on {variant}: the report is on the left, the verifier on the right"
            );
        }
        println!("{row}");
    }
    assert!(refused > 10, "too little was refused to show anything");
}

#[test]
fn reasons_tell_absent_from_incompatible() {
    let report = report();
    let said = |variant: &str, term: &str| {
        let kernel = report
            .kernels
            .iter()
            .find(|kernel| kernel.release == variant);
        let row = report.relocations.iter().position(|row| row.term == term);
        let verdict = report
            .verdict(kernel.expect("reported"), row.expect(term))
            .expect("a verdict");
        format!("{}, {}: {}", verdict.status, verdict.effect, verdict.reason)
    };
    assert_eq!(
        said("before", "task.__state"),
        "absent, program-fails: task has no member __state"
    );
    assert_eq!(said("after", "task.__state"), "resolved, fine: ");
    assert_eq!(
        said("after", "task___before.state"),
        "absent, guarded: task has no member state"
    );
    assert_eq!(
        said("pointer", "task.__state"),
        "incompatible, program-fails: task.__state is a pointer in this kernel, an integer in \
         the program"
    );
    assert_eq!(
        said("before", "bpf_core_type_exists(struct gone)"),
        "absent, answers-no: the kernel has no struct gone"
    );
    assert_eq!(
        said("before", "gone.value"),
        "absent, guarded: the kernel has no struct gone"
    );
    assert_eq!(
        said("before", "bpf_core_enum_value(enum feature, FEATURE_NEW)"),
        "absent, guarded: enum feature has no FEATURE_NEW"
    );
    let checks = |term: &str| -> Vec<&str> {
        let row = report
            .relocations
            .iter()
            .find(|row| row.term == term)
            .expect(term);
        row.guards
            .iter()
            .map(|at| report.relocations[*at].term.as_str())
            .collect()
    };
    assert_eq!(checks("gone.value"), ["bpf_core_type_exists(struct gone)"]);
    assert_eq!(checks("task.extra"), ["bpf_core_field_exists(task.extra)"]);
    let site = &report
        .relocations
        .iter()
        .find(|row| row.term == "gone.value")
        .expect("it")
        .sites[0];
    assert_eq!(report.functions[site.function].name, "by_type");
    assert_eq!(report.functions[site.function].section, "raw_tp/by_type");
    let line = site.line.as_ref().expect("line info");
    assert!(
        line.file.ends_with("guard.bpf.c") && line.text.contains("READ(gone->value)"),
        "{line:?}"
    );
}
