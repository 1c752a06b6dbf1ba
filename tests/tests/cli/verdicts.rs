//! The report's verdicts on programs.

use btfhub_tests::cli::Dir;
use btfhub_tests::cli_test;
use btfhub_tests::objects::own_dir;
use btfhub_tests::shared::shared;
use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/archive");

fn object(name: &str) -> String {
    own_dir().join(name).to_str().expect("UTF-8").to_owned()
}

fn report(dir: &Dir, archive: &str, object: &str, more: &[&str]) -> btfhub_tests::cli::Run {
    let base = ["report", "--archive", archive, "--object", object];
    dir.btfhub(base.iter().chain(more))
}

fn json(run: btfhub_tests::cli::Run) -> Value {
    serde_json::from_str(&run.stdout).expect("a document")
}

/// For each kernel the verdicts on the object, then on its programs, such as `fails proven`.
fn verdicts(report: &Value) -> Vec<Vec<String>> {
    let index = |value: &Value| value.as_u64().expect("an index") as usize;
    let of = |kernel: &Value, what: &str| -> Vec<String> {
        let column = index(&kernel[format!("{what}_column")]);
        let column = &report[format!("{what}_columns")][column];
        (column.as_array().expect("a list").iter())
            .map(|verdict| {
                let verdict = &report[format!("{what}_verdicts")][index(verdict)];
                let rules = verdict["reasons"].as_array().expect("a list").iter();
                let rules: Vec<_> = rules.map(|reason| reason["rule"].as_str()).collect();
                let rules: Vec<_> = rules.into_iter().flatten().collect();
                format!(
                    "{} {} {}",
                    verdict["verdict"].as_str().expect("a word"),
                    verdict["certainty"].as_str().unwrap_or("-"),
                    rules.join("+")
                )
            })
            .collect()
    };
    let kernels = report["kernels"].as_array().expect("a list").iter();
    kernels
        .map(|kernel| [of(kernel, "object"), of(kernel, "program")].concat())
        .collect()
}

// libbpf drops candidates that the first program does not fit, and then refuses the second.
cli_test!(what_programs_do_to_each_other, |dir| {
    let run = report(&dir, EXAMPLES, &object("two-structs.bpf.o"), &["--json"]);
    for kernel in verdicts(&json(run)) {
        assert_eq!(
            kernel,
            [
                "fails proven relocation",
                "runs - checked",
                "runs - checked"
            ]
        );
    }
    let run = report(
        &dir,
        EXAMPLES,
        &object("two-structs.bpf.o"),
        &["--deny", "unloadable"],
    );
    let told = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "with all its programs fails on all 8 kernels",
        "at_exit: syscall_tp_t.ret",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    let complaint = run.fails(1);
    let expected = "two-structs.bpf.o with all its programs: fails (proven) on 8 kernels: at_exit";
    assert!(complaint.contains(expected), "{complaint}");
});

// Debian's kernels have their own BTF; the kernels that the archive is for don't.
cli_test!(programs_that_need_the_kernels_own_btf, |dir| {
    let tp_btf = object("tp-btf-only.bpf.o");
    for kernel in verdicts(&json(report(&dir, EXAMPLES, &tp_btf, &["--json"]))) {
        assert_eq!(kernel[1], "runs - checked");
    }
    let without = ["--json", "--own-btf", "*=no"];
    for kernel in verdicts(&json(report(&dir, EXAMPLES, &tp_btf, &without))) {
        assert_eq!(kernel[1], "fails proven kernel-btf");
    }
    let Some(shared) = shared() else { return };
    let archive = shared.join("archive-old");
    let archive = archive.to_str().expect("UTF-8");
    for kernel in verdicts(&json(report(&dir, archive, &tp_btf, &["--json"]))) {
        assert!(kernel[1].starts_with("fails proven "), "{kernel:?}");
        assert!(kernel[1].contains("kernel-btf"), "{kernel:?}");
    }
});

/// Two kernels.
const FEW: [&str; 2] = ["--include", "debian/1[12]/arm64/*"];

// An atlas gives the archive's verdicts; without functions more of them are unknown, and none
// differs otherwise.
cli_test!(an_atlas_gives_the_same_verdicts, |dir| {
    let atlas = |out: &str, more: &[&str]| {
        let base = [
            "atlas",
            "build",
            "--archive",
            EXAMPLES,
            "--fast",
            "--out",
            out,
        ];
        let _ = dir.btfhub(base.iter().chain(more)).ok();
    };
    atlas("with.atlas", &[]);
    atlas("without.atlas", &["--without-functions"]);
    let objects = [
        "tp-btf-only.bpf.o",
        "two-structs.bpf.o",
        "kernel.bpf.o",
        "guard.bpf.o",
    ];
    let objects = objects.map(|name| ["--object".to_owned(), object(name)]);
    let report = |source: [&str; 2]| {
        let base = ["report", source[0], source[1], "--json"].map(str::to_owned);
        let few = FEW.map(str::to_owned);
        dir.btfhub(base.iter().chain(objects.iter().flatten()).chain(&few))
            .ok()
    };
    let of_archive = report(["--archive", EXAMPLES]);
    assert_eq!(report(["--atlas", "with.atlas"]), of_archive);
    let whole: Value = serde_json::from_str(&of_archive).expect("a document");
    let less: Value =
        serde_json::from_str(&report(["--atlas", "without.atlas"])).expect("a document");
    for (whole, less) in verdicts(&whole).iter().zip(verdicts(&less)) {
        for (whole, less) in whole.iter().zip(less) {
            assert!(
                *whole == less || less.starts_with("unknown "),
                "{whole}, {less}"
            );
        }
    }
});
