//! Verdicts of a build, from the archive, an atlas and the cache: the same as the report's.

use std::fs;
use std::path::{Path, PathBuf};

use btfhub_build::archive::{Archive, DEFAULT_LIMIT, decode};
use btfhub_build::atlas::AtlasBuilder;
use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::report::Survey;
use btfhub_build::support::Support;
use btfhub_build::verdict::Outcome;
use btfhub_build::{Builder, Generated};
use btfhub_tests::app::App;
use btfhub_tests::objects::{libbpf_tools, objects_in, own_dir};
use btfhub_tests::pack;
use btfhub_tests::project::workspace;
use btfhub_tests::shared::shared;

/// The examples' kernels, and old ones if available.
fn archives() -> Vec<PathBuf> {
    let old = shared().map(|shared| shared.join("archive-old"));
    [workspace().join("examples/archive")]
        .into_iter()
        .chain(old)
        .collect()
}

/// Our objects with many kinds of programs.
const OBJECTS: [&str; 6] = [
    "dropped.bpf.o",
    "guard.bpf.o",
    "modules.bpf.o",
    "tp-btf-only.bpf.o",
    "two-structs.bpf.o",
    "wide_enum.bpf.o",
];

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// With programs of many kinds.
    fn new() -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(bench.path("objects")).unwrap();
        let own = objects_in(&own_dir(), ".bpf.o").into_iter();
        let own = own.filter(|object| OBJECTS.contains(&object.name.as_str()));
        for object in own.chain(libbpf_tools().into_iter().step_by(6)) {
            let name = format!(
                "{}.o",
                object.name.trim_end_matches(".o").replace(['/', '#'], "-")
            );
            fs::write(bench.path("objects").join(name), object.elf).unwrap();
        }
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .objects_in(self.path("objects"))
            .cache_dir(self.path("cache"))
    }

    fn of_archives(&self) -> Builder {
        archives().iter().fold(self.builder(), Builder::archive)
    }

    /// The report's verdicts.
    fn report(&self) -> Support {
        let objects: Vec<Object> = objects_in(&self.path("objects"), ".o")
            .iter()
            .map(|object| Object::parse(&object.name, &object.elf).unwrap())
            .collect();
        let survey = Survey::new(&objects);
        let archives: Vec<_> = (archives().iter())
            .map(|root| Archive::scan(root).unwrap())
            .collect();
        let entries = archives.iter().flat_map(Archive::entries);
        let answers = entries.map(|entry| {
            let packed = fs::read(entry.file()).unwrap();
            let decoded = decode(&packed, DEFAULT_LIMIT).unwrap();
            let btf = Btf::from_words(decoded.words, decoded.len).unwrap();
            (entry.kernel(), Ok(survey.ask(&btf).unwrap()))
        });
        survey.report(answers.collect::<Vec<_>>()).support()
    }
}

fn support(generated: &Generated) -> &Support {
    generated.support().expect("verdicts")
}

/// The verdicts on each kernel, without regard to their numbers.
fn lines(support: &Support) -> Vec<String> {
    let mut lines = Vec::new();
    for kernel in &support.kernels {
        for (number, program) in support.programs.iter().enumerate() {
            let verdict = support.verdict(number, kernel).unwrap();
            lines.push(format!(
                "{kernel} {} {program}: {} {}",
                program.object,
                verdict.outcome,
                verdict.reason()
            ));
        }
    }
    lines
}

/// Checks that two tables say the same.
#[track_caller]
fn same(support: &Support, other: &Support) {
    let (lines, others) = (lines(support), lines(other));
    let differs = lines.iter().zip(&others).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert_eq!(lines.len(), others.len());
}

#[test]
fn a_build_says_what_the_report_says_and_remembers_it() {
    let bench = Bench::new();
    let plain = bench.of_archives().generate().unwrap();
    assert!(plain.support().is_none() && !bench.path("cache/facts").exists());

    let of_report = bench.report();
    let cold = bench.of_archives().verdicts().generate().unwrap();
    same(support(&cold), &of_report);
    assert_eq!(cold.bundle(), plain.bundle());
    let kernels = cold.kernels().len();
    assert_eq!(cold.decoded_entries(), kernels);
    let warm = bench.of_archives().verdicts().generate().unwrap();
    assert_eq!(warm.decoded_entries(), 0);
    same(support(&warm), &of_report);

    // Another object without new targets: nothing is decoded.
    let small = own_dir().join("dropped.bpf.o");
    fs::copy(small, bench.path("objects/zz-again.o")).unwrap();
    let more = bench.of_archives().verdicts().generate().unwrap();
    assert_eq!(more.decoded_entries(), 0);
    assert!(support(&more).programs.len() > of_report.programs.len());
    fs::remove_file(bench.path("objects/zz-again.o")).unwrap();

    // What is damaged is computed and written again.
    let [file] = files(&bench.path("cache/facts")).try_into().unwrap();
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&file, damaged).unwrap();
    let healed = bench.of_archives().verdicts().generate().unwrap();
    assert_eq!(healed.decoded_entries(), kernels);
    same(support(&healed), &of_report);
    assert!(fs::read(&file).unwrap() == whole);
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(directory).unwrap();
    listing.map(|entry| entry.unwrap().path()).collect()
}

// With functions, an atlas gives the same verdicts as its archive. Without, those that depend on
// functions are unknown.
#[test]
fn an_atlas_says_no_more_than_its_archive() {
    let bench = Bench::new();
    let of_report = bench.report();
    let archives: Vec<_> = (archives().iter())
        .map(|root| Archive::scan(root).unwrap())
        .collect();
    let entries = archives.iter().flat_map(Archive::entries);
    let entries: Vec<_> = entries.cloned().collect();
    for functions in [true, false] {
        let name = format!("{functions}.atlas");
        let atlas = AtlasBuilder::new().functions(functions);
        let built = atlas.build(&entries, |_, _| ()).unwrap();
        fs::write(bench.path(&name), built.file).unwrap();
        let build = || {
            let builder = bench.builder().atlas(bench.path(&name));
            builder.verdicts().generate().unwrap()
        };
        for generated in [build(), build()] {
            let support = support(&generated);
            if functions {
                same(support, &of_report);
                continue;
            }
            let mut less = 0;
            assert_eq!(support.kernels.len(), of_report.kernels.len());
            for (kernel, whole) in support.kernels.iter().zip(&of_report.kernels) {
                for (at, program) in support.programs.iter().enumerate() {
                    let outcome = support.verdict(at, kernel).unwrap().outcome;
                    let row = of_report.programs.iter().position(|its| its == program);
                    let of_archive = row.and_then(|row| of_report.verdict(row, whole));
                    let of_archive = of_archive.map_or(Outcome::Runs, |verdict| verdict.outcome);
                    let is_less = matches!(outcome, Outcome::Unknown);
                    less += usize::from(is_less && outcome != of_archive);
                    assert!(
                        is_less || outcome == of_archive,
                        "{kernel} {program}: {outcome}, {of_archive}"
                    );
                }
            }
            assert!(less > 10, "{less}");
        }
    }
}

// Whether a kernel lists tracepoints or functions, or has any of a family of names: if it has none
// that the programs need, only others show it.
#[test]
fn an_atlas_knows_what_nobody_asks_for() {
    let bench = Bench::new();
    let archives: Vec<_> = (archives().iter())
        .map(|root| Archive::scan(root).unwrap())
        .collect();
    let entries = archives.iter().flat_map(Archive::entries);
    let entries: Vec<_> = entries.cloned().collect();
    let built = AtlasBuilder::new()
        .functions(true)
        .build(&entries, |_, _| ());
    fs::write(bench.path("all.atlas"), built.unwrap().file).unwrap();
    let asks = |builder: Builder| {
        let builder = builder.object(own_dir().join("enumval.bpf.o"));
        let builder = builder.target("exists", "ext4_absent").verdicts();
        builder.generate().unwrap()
    };
    let roots = archives.iter().map(Archive::root);
    let of_archives = asks(roots.fold(Builder::new(), Builder::archive));
    let of_atlas = asks(Builder::new().atlas(bench.path("all.atlas")));
    same(support(&of_atlas), support(&of_archives));
    if shared().is_none() {
        return;
    }
    let lines = lines(support(&of_archives));
    for expected in [
        "no ext4_* functions",
        "no tracepoint ext4_absent",
        "does not list tracepoints",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{expected}"
        );
    }
}

// A target and the kernel's own BTF, set by calls or by the manifest.
#[test]
fn what_the_user_knows_counts() {
    let bench = Bench::new();
    let objects = ["tp-btf-only.bpf.o", "guard.bpf.o"];
    for object in fs::read_dir(bench.path("objects")).unwrap() {
        let object = object.unwrap();
        if !objects.contains(&object.file_name().to_str().unwrap()) {
            fs::remove_file(object.path()).unwrap();
        }
    }
    let examples = workspace().join("examples/archive");
    let builder = || bench.builder().archive(&examples).verdicts();
    let outcomes = |generated: &Generated, object: &str| -> Vec<String> {
        let support = support(generated);
        let mut outcomes: Vec<String> = (support.kernels.iter())
            .map(|kernel| {
                let at = (support.programs.iter()).position(|program| program.object == object);
                support
                    .verdict(at.unwrap(), kernel)
                    .unwrap()
                    .outcome
                    .to_string()
            })
            .collect();
        outcomes.dedup();
        outcomes
    };
    let tp_btf = "tp-btf-only.bpf.o";
    let plain = builder().generate().unwrap();
    assert_eq!(outcomes(&plain, tp_btf), ["runs"]);
    let without = builder().own_btf("*", false).generate().unwrap();
    assert_eq!(outcomes(&without, tp_btf), ["fails (proven)"]);
    let last = builder().own_btf("*", false).own_btf("debian/*", true);
    assert_eq!(outcomes(&last.generate().unwrap(), tp_btf), ["runs"]);
    let program = &support(&plain).programs;
    let program = program.iter().find(|program| program.object == tp_btf);
    let aimed = builder().target(&program.unwrap().name, "no_such_event");
    assert_eq!(
        outcomes(&aimed.generate().unwrap(), tp_btf),
        ["fails (likely)"]
    );
    for (wrong, complaint) in [
        (
            builder().target("absent", "x"),
            "a target is set for the program `absent`",
        ),
        (builder().own_btf("[", true), "`[`"),
    ] {
        let error = wrong.generate().unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }

    let app = App::new();
    let object = fs::read(own_dir().join(tp_btf)).unwrap();
    let _ = app.project.file("tp.o", object);
    let packed = examples.join("debian/12/x86_64/6.1.0-56-amd64.btf.tar.xz");
    let to = "kernels/debian/12/x86_64/6.1.0-56-amd64.btf.tar.xz";
    pack::write(&app.path(""), to, &fs::read(packed).unwrap());
    let table = "archive = \"kernels\"\nobjects = \"tp.o\"\nown-btf = \"*=no\"\n";
    let _ = app.configure(table);
    let said = std::process::Command::new(btfhub_tests::cli::binary())
        .current_dir(app.project.path())
        .args(["btfhub", "report", "--format", "support", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("\"fails\"") && !said.contains("\"runs\""),
        "{said}"
    );
    for (line, complaint) in [
        ("targets = \"x\"\n", "targets: `x` is not PROGRAM=TARGET"),
        (
            "own-btf = \"*=maybe\"\n",
            "own-btf: `*=maybe` is not FILTER=yes or FILTER=no",
        ),
    ] {
        let _ = app.configure(&format!(
            "archive = \"kernels\"\nobjects = \"tp.o\"\n{line}"
        ));
        let said = app.complaint(&[], &[]);
        assert!(said.contains(complaint), "{said}");
    }
}
