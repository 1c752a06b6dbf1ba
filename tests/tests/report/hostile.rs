//! Objects and kernels that attack verdicts: each is handled within `limits`, and what is not
//! known is called unknown.

use std::fmt::Write as _;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::report::Report;
use btfhub_build::verdict::{Certainty, Outcome, Verdict};
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::elf_builder::{Section, object_of_code};
use btfhub_tests::objects::compiled;
use btfhub_tests::{cases, hostile};

const EXIT: [u8; 8] = insn(0x95, 0, 0, 0);

const fn insn(code: u8, registers: u8, off: i16, imm: i32) -> [u8; 8] {
    let (off, imm) = (off.to_le_bytes(), imm.to_le_bytes());
    [
        code, registers, off[0], off[1], imm[0], imm[1], imm[2], imm[3],
    ]
}

/// A call of the function this many instructions after the next one.
fn call(by: i64) -> [u8; 8] {
    insn(0x85, 0x10, 0, i32::try_from(by).expect("near"))
}

fn helper(number: i32) -> [u8; 8] {
    insn(0x85, 0, 0, number)
}

fn named(name: &str, insns: &[[u8; 8]]) -> (String, Vec<[u8; 8]>) {
    (name.to_owned(), insns.to_vec())
}

/// A kernel with the enums of the interface and these functions.
fn kernel(types: &mut BtfBuilder, functions: &[&str]) -> Btf {
    let int = types.int("int", 4, 1);
    let proto = types.prototype(int, &[("a", int)]);
    for name in functions {
        types.raw(name, FUNC, proto, &[]);
    }
    for (name, prefix, last) in [
        ("bpf_func_id", "BPF_FUNC_", 60),
        ("bpf_map_type", "BPF_MAP_TYPE_", 10),
        ("bpf_prog_type", "BPF_PROG_TYPE_", 33),
        ("bpf_attach_type", "BPF_", 60),
    ] {
        let names: Vec<String> = (0..last)
            .map(|number| format!("{prefix}{number}"))
            .collect();
        let numbers: Vec<(&str, i32)> = names.iter().map(String::as_str).zip(0..).collect();
        types.enumeration(name, 4, false, &numbers);
    }
    Btf::parse(&types.finish()).expect("BTF")
}

/// `BTF_KIND_FUNC`, static.
const FUNC: u32 = 12 << 24;

fn plain() -> Btf {
    kernel(&mut BtfBuilder::new(), &["pipe_read", "vfs_read"])
}

fn report(elf: &[u8], kernel: &Btf) -> Report {
    let object = Object::parse("made-up.bpf.o", elf).expect("an eBPF object");
    hostile::verdicts(&object, kernel).expect("verdicts")
}

fn said(report: &Report) -> Vec<&Verdict> {
    report.program_verdicts_of(&report.kernels[0]).collect()
}

fn rules(verdict: &Verdict) -> Vec<&str> {
    verdict.reasons.iter().map(|reason| reason.rule).collect()
}

cases! {
    fn sections_that_libbpf_does_not_know() {
        let code = [named("p", &[EXIT])];
        let long = "kprobe/".repeat(10_000);
        for name in [
            "x", "?", "??kprobe/f", "kprobe.", "kprobe.multi.session/f", "tp_btf.s/f",
            "fentry.multi/f", "ksyscall.s/x", "\u{1b}[31m", "maps.x",
        ] {
            let report = report(&object_of_code(&BtfBuilder::new(), &[(name, &code)]), &plain());
            let verdicts = said(&report);
            assert_eq!(verdicts[0].outcome, Outcome::Unknown, "{name}");
            assert_eq!(rules(verdicts[0]), ["section"], "{name}");
        }
        // Sections with impossible targets.
        for name in [
            "kprobe/", "kprobe/+", "kprobe/:", "tp/", "tp//", "tp/a/b/c", "tp/syscalls/",
            "tp/syscalls/sys_enter_", "lsm/", "iter/", "fentry/:", "ksyscall/", "raw_tp/ ",
            long.as_str(),
        ] {
            let report = report(&object_of_code(&BtfBuilder::new(), &[(name, &code)]), &plain());
            assert_ne!(said(&report)[0].outcome, Outcome::Runs, "{name}");
        }
    }

    fn programs_without_instructions_and_with_half_of_one() {
        let wide = insn(0x18, 0, 0, 0);
        let functions = [
            named("nothing", &[]),
            named("half", &[wide]),
            named("no_exit", &[insn(0xb7, 0, 0, 0)]),
            named("far", &[insn(0x05, 0, 0x7fff, 0), EXIT]),
            named("back", &[insn(0x05, 0, -0x8000, 0), EXIT]),
            named("farther", &[insn(0x06, 0, 0, i32::MAX), insn(0x06, 0, 0, i32::MIN), EXIT]),
            named("nowhere", &[call(i64::from(i32::MAX)), call(i64::from(i32::MIN)), EXIT]),
            named("registers", &[insn(0xbf, 0xff, 0, 0), insn(0x79, 0xff, -1, 0), EXIT]),
        ];
        let sections: Vec<Section<'_>> = (functions.iter())
            .map(|function| ("raw_tp/x", std::slice::from_ref(function)))
            .collect();
        let report = report(&object_of_code(&BtfBuilder::new(), &sections), &plain());
        // A program without instructions does not count.
        assert_eq!(report.programs.len(), functions.len() - 1);
    }

    fn thousands_of_programs() {
        let functions: Vec<_> = (0..20_000)
            .map(|number| named(&format!("p{number}"), &[helper(number % 100), EXIT]))
            .collect();
        let report = report(
            &object_of_code(&BtfBuilder::new(), &[("kprobe/vfs_read", &functions)]),
            &plain(),
        );
        let fails = Outcome::Fails(Certainty::Proven);
        for (number, verdict) in said(&report).iter().enumerate() {
            let expected = if number % 100 < 60 { Outcome::Runs } else { fails };
            assert_eq!(verdict.outcome, expected, "{number}");
        }
    }

    // Each function calls the next one twice, and the last one calls all of them; then thousands
    // of programs that each combine thousands of functions.
    fn calls_in_circles_and_of_everything() {
        let mut functions = Vec::new();
        for number in 0..1000_i64 {
            let next = if number == 999 { -3 * 999 } else { 0 };
            functions.push(named(
                &format!("f{number}"),
                &[call(next + 2), call(next + 1), EXIT],
            ));
        }
        let all = [("raw_tp/x", functions.as_slice())];
        let report_of = report(&object_of_code(&BtfBuilder::new(), &all), &plain());
        assert_eq!(report_of.programs.len(), 1000);
        let functions: Vec<_> = (0..30_000)
            .map(|number| named(&format!("f{number}"), &[call(1), EXIT]))
            .collect();
        let many = [("raw_tp/x", functions.as_slice())];
        let report = report(&object_of_code(&BtfBuilder::new(), &many), &plain());
        let followed = |verdict: &&&Verdict| !rules(verdict).contains(&"size");
        let verdicts = said(&report);
        let count = verdicts.iter().filter(followed).count();
        assert!((10..29_000).contains(&count), "{count}");
        let last = verdicts.iter().find(|verdict| !followed(verdict)).expect("one");
        assert_eq!(last.outcome, Outcome::Unknown);
    }

    // Nested loops, each with another constant on the stack and in a register: what is known
    // changes with each iteration.
    fn loops_that_know_ever_less() {
        let mut insns = vec![insn(0xb7, 1, 0, 7)];
        for slot in 1..=60_i16 {
            insns.push(insn(0x7a, 10, -8 * slot, i32::from(slot)));
        }
        let head = insns.len();
        for round in 0..40_000 {
            let slot = i16::try_from(round % 60 + 1).expect("few");
            insns.push(insn(0x7a, 10, -8 * slot, round));
            let back = i16::try_from(insns.len() + 1 - head).unwrap_or(i16::MAX);
            insns.push(insn(0x55, 0, -back, round));
        }
        insns.push(EXIT);
        let functions = [named("p", &insns)];
        let report = report(&object_of_code(&BtfBuilder::new(), &[("xdp", &functions)]), &plain());
        assert_eq!(said(&report)[0].outcome, Outcome::Runs);
    }

    fn kernels_without_functions() {
        let functions = [named("p", &[EXIT])];
        let nothing = Btf::parse(&BtfBuilder::new().finish()).expect("BTF");
        let none = kernel(&mut BtfBuilder::new(), &[]);
        for kernel in [nothing, none] {
            for section in [
                "kprobe/vfs_read", "fentry/vfs_read", "tp/a/b", "raw_tp/b", "tp_btf/b",
                "lsm/file_open", "iter/task", "ksyscall/read",
            ] {
                let elf = object_of_code(&BtfBuilder::new(), &[(section, &functions)]);
                let report = report(&elf, &kernel);
                let verdict = said(&report)[0];
                assert_eq!(verdict.outcome, Outcome::Unknown, "{section} {verdict:?}");
            }
        }
    }

    fn functions_that_are_odd() {
        let mut types = BtfBuilder::new();
        // A typedef of itself; a struct that holds itself; an array of 4 G; no prototype.
        let round = types.typedef("round", types.next_id());
        let own = types.next_id();
        types.structure("own", 8, &[member("own", own, 0)]);
        let int = types.int("int", 4, 1);
        let huge = types.array(int, int, u32::MAX);
        let huge = types.array(huge, int, u32::MAX);
        let odd = types.prototype(round, &[("a", round), ("b", own), ("c", huge), ("", 0)]);
        let pointer = types.pointer(odd);
        let looping = types.pointer(round);
        for name in ["twice", "twice", "dotted.isra.0", "", "odd"] {
            types.raw(name, FUNC, odd, &[]);
        }
        for (name, of) in [("odd", pointer), ("looping", looping), ("round", round), ("", odd)] {
            types.typedef(&format!("btf_trace_{name}"), of);
        }
        let many: Vec<(String, u32)> = (0..60_000).map(|n| (format!("a{n}"), own)).collect();
        let many: Vec<(&str, u32)> = many.iter().map(|(name, ty)| (name.as_str(), *ty)).collect();
        let many = types.prototype(int, &many);
        types.raw("many", FUNC, many, &[]);
        let kernel = Btf::parse(&types.finish()).expect("BTF");
        let load = [insn(0x79, 0x12, 32, 0), EXIT];
        for target in ["twice", "dotted.isra.0", "odd", "many", "looping", "round"] {
            let functions = [named("p", &load)];
            for kind in ["kprobe", "fentry", "fexit", "raw_tp", "tp_btf", "lsm"] {
                let section = format!("{kind}/{target}");
                let elf = object_of_code(&BtfBuilder::new(), &[(&section, &functions)]);
                let _ = report(&elf, &kernel);
            }
        }
    }

    fn thousands_of_externs_and_maps() {
        let mut source = String::new();
        for number in 0..2000 {
            let _ = writeln!(source, "extern const int v{number} __attribute__((section(\".ksyms\")));");
            let _ = writeln!(source, "extern int f{number}(void) __attribute__((section(\".ksyms\")));");
            let _ = writeln!(source, "struct {{ int (*type)[99]; int (*max_entries)[1]; }} m{number} \
                              __attribute__((section(\".maps\"), used));");
        }
        let kinds = ["struct { int a; }", "char", "_Bool", "enum { X }", "unsigned long long", "int *"];
        for (number, kind) in kinds.iter().enumerate() {
            let _ = writeln!(source, "typedef {kind} t{number}; extern t{number} CONFIG_X{number} \
                              __attribute__((section(\".kconfig\")));");
        }
        for number in 0..1000 {
            let _ = writeln!(source, "__attribute__((section(\"raw_tp/x\"), used)) int p{number}(void *c) \
                              {{ return f{number}() + v{number} + (long)&CONFIG_X{}; }}", number % 6);
        }
        let Some(elf) = compiled(&source) else { return };
        let report = report(&elf, &plain());
        assert_eq!(report.programs.len(), 1000);
        let verdicts = said(&report);
        assert_eq!(verdicts[0].outcome, Outcome::Fails(Certainty::Proven));
        for verdict in verdicts {
            assert!(verdict.reasons.len() < 20, "{}", verdict.reasons.len());
        }
    }
}
