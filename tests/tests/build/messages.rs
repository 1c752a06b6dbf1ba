//! What users read if something is wrong: every case in a real cargo project, all messages in
//! one table, `tests/fixtures/build-messages.md`.
//!
//! `BTFHUB_BLESS=1` rewrites the table.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_tests::app::{self, App};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, member};
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::git::git;
use btfhub_tests::objects::own_dir;
use btfhub_tests::pack::{self, Member};
use btfhub_tests::shared::skip;

/// The table as it is written.
struct Table {
    app: App,
    text: String,
}

impl Table {
    fn section(&mut self, title: &str) {
        write!(self.text, "\n## {title}\n").unwrap();
    }

    /// One case: the configuration, and what the failed build says.
    fn fails(&mut self, case: &str, configuration: &str) {
        self.fails_with(case, configuration, &[]);
    }

    fn fails_with(&mut self, case: &str, configuration: &str, variables: &[(&str, &str)]) {
        self.fails_as(case, configuration, variables, &[]);
    }

    fn fails_as(
        &mut self,
        case: &str,
        configuration: &str,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) {
        self.app.configure(configuration);
        let message = self.app.complaint(variables, arguments);
        assert_eq!(self.app.bundles(), Vec::<PathBuf>::new(), "{case}");
        assert!(!message.contains("panicked"), "{case}: {message}");
        write!(self.text, "\n{case}\n```text\n{message}\n```\n").unwrap();
    }

    /// One case: the configuration, and what the successful build warns about.
    fn warns(&mut self, case: &str, configuration: &str, variables: &[(&str, &str)]) {
        self.app.configure(configuration);
        let warnings = self.app.warnings(variables, &[]);
        write!(self.text, "\n{case}\n```text\n{warnings}\n```\n").unwrap();
        for bundle in self.app.bundles() {
            fs::remove_file(bundle).unwrap();
        }
    }

    /// A case that can't occur on this machine: taken from the file.
    fn borrows(&mut self, case: &str, reason: &str) {
        skip(reason);
        let expected = fs::read_to_string(file()).unwrap_or_default();
        let from = expected.find(&format!("\n{case}\n")).expect("the case");
        let len = expected[from..].find("\n```\n").expect("its end") + "\n```\n".len();
        self.text.push_str(&expected[from..from + len]);
    }

    fn entry(&self, path: &str, bytes: &[u8]) {
        pack::write(
            self.app.project.path(),
            format!("bad/debian/11/x86_64/{path}"),
            bytes,
        );
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/build-messages.md")
}

const USUAL: &str = "archive = \"archive\"\nobjects = \"probe.o\"\n";

#[test]
fn every_complaint() {
    let app = App::new();
    let text = "\
# What a failed or doubtful build says

Written by `tests/tests/build/messages.rs` (`BTFHUB_BLESS=1` renews it). `CRATE` is the directory
of the user's crate.
"
    .to_owned();
    let mut table = Table { app, text };
    configuration(&mut table);
    archives(&mut table);
    objects(&mut table);
    entries(&mut table);
    pins(&mut table);
    without_archive(&mut table);
    lints(&mut table);
    disks(&mut table);

    let file = file();
    if std::env::var_os("BTFHUB_BLESS").is_some() {
        fs::write(&file, &table.text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    for (number, (is, should)) in table.text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            is,
            should,
            "{}:{}\n{}",
            file.display(),
            number + 1,
            table.text
        );
    }
    assert_eq!(table.text, expected);
}

fn configuration(table: &mut Table) {
    table.section("Configuration");
    table.fails("No archive is named.", "objects = \"probe.o\"\n");
    table.fails("No object is named.", "archive = \"archive\"\n");
    table.fails("A key is misspelt.", "archives = \"archive\"\n");
    table.fails(
        "A filter makes no sense.",
        &format!("{USUAL}include = \">=5.x\"\n"),
    );
    table.fails(
        "The filters leave nothing.",
        &format!("{USUAL}include = [\"ubuntu\", \">=5.4\"]\nexclude = \"debian\"\n"),
    );
    table.fails(
        "There is no such lint.",
        &format!("{USUAL}lints.unoptimized = \"allow\"\n"),
    );
    table.fails_with(
        "A variable is neither on nor off.",
        USUAL,
        &[("BTFHUB_PARTIAL", "some")],
    );
}

fn archives(table: &mut Table) {
    table.section("Archives");
    let at = |archive: &str| format!("archive = \"{archive}\"\nobjects = \"probe.o\"\n");
    table.fails("The archive is missing.", &at("nowhere"));
    fs::create_dir(table.app.path("empty")).unwrap();
    table.fails("The archive is empty.", &at("empty"));
    table.fails("A directory too deep is named.", &at("archive/debian"));
    table.fails("A directory above is named.", &at("."));
    pack::entry(
        &table.app.path("arm"),
        "debian/11/arm64/5.10.0-1-arm64",
        &app::kernel(0),
    );
    table.fails("There is nothing for the target.", &at("arm"));
}

fn objects(table: &mut Table) {
    table.section("Objects");
    let of = |objects: &str| format!("archive = \"archive\"\n{objects}\n");
    table.fails("The object is missing.", &of("objects = \"out/probe.o\""));
    table.fails("A pattern matches nothing.", &of("objects = \"src/*.o\""));
    fs::create_dir(table.app.path("nothing")).unwrap();
    table.fails("A directory is empty.", &of("objects-in = \"nothing\""));
    table.fails("A directory holds no object.", &of("objects-in = \"src\""));
    let project = &table.app.project;
    project.file("text.o", "int main;");
    project.file(
        "host.o",
        fs::read(std::env::current_exe().unwrap()).unwrap(),
    );
    let whole = app::object(&["pid"]);
    project.file("cut.o", &whole[..whole.len() / 2]);
    table.fails("The object is no ELF file.", &of("objects = \"text.o\""));
    table.fails("The object is not for eBPF.", &of("objects = \"host.o\""));
    table.fails("The object is cut off.", &of("objects = \"cut.o\""));
}

fn entries(table: &mut Table) {
    table.section("Entries");
    let good = pack::xz(&pack::tar(&[Member::file("good", &app::kernel(0))]));
    let packed = |members: &[Member<'_>]| pack::xz(&pack::tar(members));
    let (one, two) = (Member::file("one", b"1"), Member::file("two", b"2"));
    table.entry("5.10.0-good.btf.tar.xz", &good);
    table.entry("5.10.0-truncated.btf.tar.xz", &good[..good.len() / 2]);
    table.entry("5.10.0-no-xz.btf.tar.xz", b"no xz at all");
    table.entry("5.10.0-no-tar.btf.tar.xz", &pack::xz(&[b'x'; 2000]));
    table.entry("5.10.0-no-member.btf.tar.xz", &packed(&[]));
    table.entry("5.10.0-two-members.btf.tar.xz", &packed(&[one, two]));
    table.entry("5.10.0-no-btf.btf.tar.xz", &packed(&[one]));
    let magic = [b"BTF?".as_slice(), &[0; 40]].concat();
    let magic = packed(&[Member::file("magic", &magic)]);
    table.entry("5.10.0-wrong-magic.btf.tar.xz", &magic);
    let mut damaged = app::kernel(0);
    damaged[9] = 0xff;
    let damaged = packed(&[Member::file("damaged", &damaged)]);
    table.entry("5.10.0-damaged.btf.tar.xz", &damaged);
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    table.entry("5.10.0-lfs.btf.tar.xz", lfs);
    let bad = "archive = \"bad\"\nobjects = \"probe.o\"\n";
    table.fails("Entries cannot be used.", bad);
    table.warns(
        "They are left out.",
        &format!("{bad}on-bad-entry = \"skip\"\n"),
        &[],
    );
    // Results of an earlier run don't depend on the limit.
    let cache = table.app.path("cache").to_str().unwrap().to_owned();
    table.fails_with(
        "An entry is larger than allowed.",
        &format!("{USUAL}entry-limit = 1000\n"),
        &[("BTFHUB_CACHE_DIR", &cache)],
    );

    let twice = table.app.path("twice");
    pack::entry(&twice, "ol/8/arm64/5.4.17.aarch64", &app::kernel(0));
    pack::entry(&twice, "ol/8/aarch64/5.4.17.aarch64", &app::kernel(4));
    table.fails(
        "Two entries for one kernel differ.",
        "archive = \"twice\"\nobjects = \"probe.o\"\narch = \"arm64\"\n",
    );
}

fn pins(table: &mut Table) {
    table.section("Pins");
    let never = "0123456789012345678901234567890123456789";
    let pinned = |pin: &str| format!("{USUAL}{pin}\n");
    table.fails("A pin is not a commit id.", &pinned("pin = \"main\""));
    table.fails(
        "The archive is not in a git checkout.",
        &pinned(&format!("pin = \"{never}\"")),
    );
    table.fails(
        "The lock file is missing.",
        &pinned("lock = \"btfhub.lock\""),
    );
    table
        .app
        .project
        .file("btfhub.lock", "# BLAKE3\nnonsense\n");
    table.fails(
        "The lock file is damaged.",
        &pinned("lock = \"btfhub.lock\""),
    );
    let first = "debian/11/x86_64/5.10.0-1-amd64.btf.tar.xz";
    let line = |path: &str| format!("{}  {path}\n", "0".repeat(64));
    table.app.project.file(
        "btfhub.lock",
        line(first) + &line("debian/9/x86_64/4.9.btf.tar.xz"),
    );
    table.fails(
        "The archive holds other entries.",
        &pinned("lock = \"btfhub.lock\""),
    );
    let all = [
        first,
        "debian/11/x86_64/5.10.0-2-amd64.btf.tar.xz",
        "debian/12/x86_64/6.1.0-1-amd64.btf.tar.xz",
    ];
    table
        .app
        .project
        .file("btfhub.lock", all.map(line).concat());
    table.fails(
        "Entries are not what they were.",
        &pinned("lock = \"btfhub.lock\""),
    );

    let archive = table.app.archive();
    git(&archive, &["init", "-q", "-b", "main"]);
    git(&archive, &["add", "."]);
    git(&archive, &["commit", "-q", "-m", "archive"]);
    table.fails(
        "Another commit is checked out.",
        &pinned(&format!("pin = \"{never}\"")),
    );
    let head = git(&archive, &["rev-parse", "HEAD"]);
    fs::write(archive.join(first), "changed").unwrap();
    // If the cache knows the blob, no file is read.
    let fresh = table.app.path("fresh");
    table.fails_with(
        "A file is not the commit's.",
        &pinned(&format!("pin = \"{head}\"")),
        &[("BTFHUB_CACHE_DIR", fresh.to_str().unwrap())],
    );
    let new = "debian/12/x86_64/6.1.0-9-amd64";
    pack::entry(&archive, new, &app::kernel(0));
    table.fails(
        "A file is not in the commit.",
        &pinned(&format!("pin = \"{head}\"")),
    );
    fs::remove_file(archive.join(format!("{new}.btf.tar.xz"))).unwrap();
    fs::remove_file(archive.join(first)).unwrap();
    table.fails(
        "A file of the commit is gone.",
        &pinned(&format!("pin = \"{head}\"")),
    );
    let tree = git(&archive, &["rev-parse", "HEAD^{tree}"]);
    table.fails(
        "The pin of a commit is that of a tree.",
        &pinned(&format!("pin = \"{tree}\"")),
    );
    git(&archive, &["reset", "-q", "--hard"]);

    let outer = table.app.path("outer");
    fs::create_dir(&outer).unwrap();
    git(&outer, &["init", "-q", "-b", "main"]);
    pack::entry(
        &outer.join("btf"),
        "debian/11/x86_64/5.10.0-1-amd64",
        &app::kernel(0),
    );
    git(&outer, &["add", "."]);
    git(&outer, &["commit", "-q", "-m", "all"]);
    let head = git(&outer, &["rev-parse", "HEAD"]);
    let folder = "archive = \"outer/btf\"\nobjects = \"probe.o\"\n";
    table.fails(
        "The archive is a folder of another repository.",
        &format!("{folder}pin = \"{head}\"\n"),
    );
    table.fails(
        "Its tree is another.",
        &format!("{folder}pin-tree = \"{never}\"\n"),
    );
}

fn without_archive(table: &mut Table) {
    table.section("Without the archive");
    let without = |more: &str| format!("objects = \"probe.o\"\n{more}\n");
    table.warns(
        "It is optional.",
        &without("archive = \"nowhere\"\noptional = true"),
        &[],
    );
    table.warns(
        "It is optional, and none is named.",
        &without("optional = true"),
        &[],
    );
    fs::create_dir(table.app.path("submodule")).unwrap();
    table.warns(
        "It is optional, and a submodule that was not fetched.",
        &without("archive = \"submodule\"\noptional = true"),
        &[],
    );
    table.fails(
        "A prepared bundle is missing.",
        &without("prepared = \"btf/probe.btfhub\""),
    );
    table.app.project.file("btf/probe.btfhub", "BTFHUB? no");
    table.fails(
        "It is no bundle.",
        &without("prepared = \"btf/probe.btfhub\""),
    );
    table.app.configure(USUAL);
    assert_eq!(table.app.warnings(&[], &[]), "");
    table
        .app
        .project
        .file("btf/probe.btfhub", table.app.bundle());
    fs::remove_file(&table.app.bundles()[0]).unwrap();
    table
        .app
        .project
        .file("more.o", app::object(&["pid", "tgid"]));
    let stale = "prepared = \"btf/probe.btfhub\"\nobjects = \"more.o\"\n";
    table.fails("It was made for other relocations.", stale);
    table
        .app
        .configure("archive = \"arm\"\nobjects = \"probe.o\"\narch = \"arm64\"\n");
    assert_eq!(table.app.warnings(&[], &[]), "");
    let file = table.app.bundles().remove(0);
    table.app.project.file("btf/arm.btfhub", table.app.bundle());
    fs::remove_file(&file).unwrap();
    table.fails(
        "It is for other machines.",
        &without("prepared = \"btf/arm.btfhub\""),
    );
    table.app.configure(USUAL);
    let _warned = table.app.warnings(&[("BTFHUB_PARTIAL", "1")], &[]);
    table
        .app
        .project
        .file("btf/partial.btfhub", table.app.bundle());
    fs::remove_file(&file).unwrap();
    table.fails_as(
        "It is partial, and this is a release.",
        &without("prepared = \"btf/partial.btfhub\""),
        &[],
        &["--release"],
    );
}

fn lints(table: &mut Table) {
    table.section("Lints");
    table.warns(
        "Only a few kernels are embedded.",
        USUAL,
        &[("BTFHUB_PARTIAL", "1")],
    );
    table.warns("A line on demand.", USUAL, &[("BTFHUB_VERBOSE", "1")]);
    table.app.project.file("none.o", app::object(&[]));
    let none = "archive = \"archive\"\nobjects = [\"probe.o\", \"none.o\"]\n";
    table.warns("An object has no relocations.", none, &[]);
    let own = |name: &str| fs::read(own_dir().join(name)).unwrap();
    table
        .app
        .project
        .file("maps.o", own("maps_only.bpf.o"))
        .file("rust.o", own("rust.bpf.o"))
        .file("bare.o", elf_builder::object_without_btf("kprobe/do_exit"));
    let many = |objects: &[&str]| format!("archive = \"archive\"\nobjects = {objects:?}\n");
    table.warns("An object is of maps alone.", &many(&["maps.o"]), &[]);
    table.warns("An object is written in Rust.", &many(&["rust.o"]), &[]);
    table.warns("An object has no BTF.", &many(&["bare.o"]), &[]);
    let mixed = many(&["probe.o", "none.o", "bare.o", "rust.o", "maps.o"]);
    table.warns("Another has.", &mixed, &[]);
    table.warns(
        "That is allowed.",
        &format!("{none}lints.no-relocations = \"allow\"\n"),
        &[],
    );
    table.fails(
        "It is denied.",
        &format!("{none}lints.no-relocations = \"deny\"\n"),
    );
    symlink("debian", table.app.archive().join("11")).unwrap();
    pack::write(
        &table.app.archive(),
        "debian/11/x86_64/5.10.btf.tar.xz",
        b"",
    );
    table.warns(
        "The archive holds odd things.",
        &format!("{USUAL}lints.odd-entries = \"warn\"\n"),
        &[],
    );
    let sparse = sparse_checkout(table);
    table.warns("A sparse checkout lacks what is wanted.", &sparse, &[]);
    let of = |object: &str| format!("archive = \"archive\"\nobjects = \"{object}\"\n");
    let gone = app::object(&["pid", "gone", "lost", "missing", "nowhere"]);
    table.app.project.file("gone.o", gone);
    table.warns("Relocations find nothing.", &of("gone.o"), &[]);
    table
        .app
        .project
        .file("own.o", needs_kernel_btf())
        .file("ids.o", asks(TYPE_ID_TARGET))
        .file("match.o", asks(TYPE_MATCHES));
    table.warns("Programs need the kernel's own BTF.", &of("own.o"), &[]);
    let variants: Vec<String> = (1..=24).map(|n| format!("variant{n:02}.o")).collect();
    for name in &variants {
        table.app.project.file(name, needs_kernel_btf());
    }
    let variants: Vec<&str> = variants.iter().map(String::as_str).collect();
    table.warns("So do those of many objects.", &many(&variants), &[]);
    for (case, loader) in [
        ("The loader is aya.", "aya"),
        ("The loader is libbpf.", "libbpf-rs"),
    ] {
        let package = format!("[package]\nname = \"{loader}\"\n");
        table
            .app
            .project
            .file(format!("{loader}/Cargo.toml"), package)
            .file(format!("{loader}/src/lib.rs"), "");
        let dependency = format!(
            "{}[target.'cfg(any())'.dependencies]\n{loader} = {{ path = \"{loader}\" }}\n",
            of("own.o")
        );
        table.warns(case, &dependency, &[]);
    }
    table.warns("An object asks for ids of types.", &of("ids.o"), &[]);
    let aya = format!(
        "{}lints.aya-type-matches = \"warn\"\nlints.failing-relocations = \"allow\"\n",
        of("match.o")
    );
    table.warns("An object asks whether types match.", &aya, &[]);

    for number in 0..=200 {
        let kernel = format!("debian/12/x86_64/6.1.0-{number}-amd64");
        pack::entry(&table.app.path("big"), &kernel, &app::kernel(0));
    }
    let big = "archive = \"big\"\nobjects = \"probe.o\"\n";
    let cold = table.app.path("cold").to_str().unwrap().to_owned();
    table.warns(
        "A big archive is processed unoptimised.",
        big,
        &[("BTFHUB_CACHE_DIR", &cold)],
    );

    let partial = &[("BTFHUB_PARTIAL", "1")];
    let skip = "archive = \"bad\"\nobjects = \"probe.o\"\non-bad-entry = \"skip\"\n";
    every_level(table, "failing-relocations", &of("gone.o"), &[]);
    every_level(table, "no-relocations", &of("none.o"), &[]);
    every_level(table, "missing-btf", &many(&["probe.o", "bare.o"]), &[]);
    let wide = "archive = \"wide\"\nobjects = \"wide.o\"\n";
    let mut old = BtfBuilder::new();
    old.enumeration("wide_flags", 8, false, &[("WIDE_HIGH", 4)]);
    pack::entry(
        &table.app.path("wide"),
        "debian/11/x86_64/5.10.0-1-amd64",
        &old.finish(),
    );
    table.app.project.file("wide.o", own("wide_enum.bpf.o"));
    every_level(table, "truncated-enumerators", wide, &[]);
    every_level(table, "needs-kernel-btf", &of("own.o"), &[]);
    every_level(table, "type-id-target", &of("ids.o"), &[]);
    every_level(table, "aya-type-matches", &of("match.o"), &[]);
    every_level(table, "skipped-entries", skip, &[]);
    every_level(table, "missing-entries", &sparse, &[]);
    every_level(table, "odd-entries", USUAL, &[]);
    every_level(table, "unoptimised", big, &[]);
    every_level(table, "partial-bundle", USUAL, partial);
    let optional = "objects = \"probe.o\"\noptional = true\n";
    every_level(table, "empty-bundle", optional, &[]);
}

/// A configuration with a pinned archive, one kernel of which is checked out.
fn sparse_checkout(table: &Table) -> String {
    let archive = table.app.path("sparse");
    for kernel in [
        "debian/11/x86_64/5.10.0-1-amd64",
        "debian/12/x86_64/6.1.0-1-amd64",
    ] {
        pack::entry(&archive, kernel, &app::kernel(8));
    }
    git(&archive, &["init", "-q", "-b", "main"]);
    git(&archive, &["add", "."]);
    git(&archive, &["commit", "-q", "-m", "kernels"]);
    git(&archive, &["sparse-checkout", "set", "debian/11"]);
    let tree = git(&archive, &["rev-parse", "HEAD^{tree}"]);
    format!("archive = \"sparse\"\npin-tree = \"{tree}\"\nobjects = \"probe.o\"\n")
}

/// A lint at each level: silent, a warning, an error.
fn every_level(table: &Table, lint: &str, configuration: &str, variables: &[(&str, &str)]) {
    let mark = format!("[{lint}]");
    let said = |level: &str| {
        table
            .app
            .configure(&format!("{configuration}lints.{lint} = \"{level}\"\n"));
        // The cache would skip what was processed before.
        let cache = table.app.path(format!("cache-{lint}-{level}"));
        let cache = [("BTFHUB_CACHE_DIR", cache.to_str().unwrap())];
        let variables = [variables, &cache[..]].concat();
        if level == "deny" {
            table.app.complaint(&variables, &[])
        } else {
            table.app.warnings(&variables, &[])
        }
    };
    assert!(!said("allow").contains(&mark), "{lint}");
    assert!(said("warn").contains(&mark), "{lint}");
    assert!(said("deny").contains(&mark), "{lint}");
    assert_eq!(table.app.bundles(), Vec::<PathBuf>::new(), "{lint}");
}

const TYPE_ID_TARGET: u32 = 7;
const TYPE_MATCHES: u32 = 12;

/// An object with one relocation of a kind that concerns a type.
fn asks(kind: u32) -> Vec<u8> {
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let type_id = btf.structure("task", 4, &[member("pid", int, 0)]);
    let relo = Relo {
        program: 0,
        type_id,
        access: "0".to_owned(),
        kind,
    };
    elf_builder::object(&btf, &[relo], false)
}

/// An object with every kind of program and symbol for which libbpf uses the running kernel's own
/// BTF, and some for which it does not.
fn needs_kernel_btf() -> Vec<u8> {
    const FUNC: u32 = 12 << 24;
    const VAR: u32 = 14 << 24;
    const DATASEC: u32 = 15 << 24;
    const EXTERN: u32 = 2;
    let mut btf = BtfBuilder::new();
    let int = btf.int("int", 4, INT_SIGNED);
    let task = btf.structure("task", 4, &[member("pid", int, 0)]);
    let prototype = btf.prototype(int, &[]);
    let of_ksyms = [
        btf.raw("bpf_task_acquire", FUNC | EXTERN, prototype, &[]),
        btf.raw("runqueues", VAR, int, &[EXTERN]),
        // Looked up in kallsyms: it has no type.
        btf.raw("_text", VAR, 0, &[EXTERN]),
    ];
    let rows = of_ksyms.map(|id| [id, 0, 0]).concat();
    btf.raw(".ksyms", DATASEC | 3, 0, &rows);
    let relo = Relo {
        program: 0,
        type_id: task,
        access: "0:0".to_owned(),
        kind: 0,
    };
    let sections = [
        "raw_tp/sched_switch",
        "fentry/do_exit",
        "lsm.s/bprm_check_security",
        "?struct_ops/init",
        "iter/task",
        "kprobe/do_exit",
    ];
    elf_builder::object_of_sections(&btf, &[relo], &sections, false)
}

fn disks(table: &mut Table) {
    table.section("Disks");
    table.app.configure(USUAL);
    let _built = table.app.warnings(&[], &[]);
    let bundle = table.app.bundles().remove(0);
    let out = bundle.parent().unwrap().to_owned();
    fs::remove_file(&bundle).unwrap();
    for (case, options) in [
        ("The disk is full.", "size=4k,nr_inodes=1"),
        ("OUT_DIR cannot be written.", "ro"),
    ] {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&out)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            table.borrows(case, "mounting a full disk needs root and `mount`");
            continue;
        }
        // Another configuration, so that the script runs again.
        table.app.configure(&format!("{USUAL}# {options}\n"));
        let message = table.app.complaint(&[], &[]);
        let unmounted = Command::new("umount").arg(&out).status();
        assert!(unmounted.unwrap().success());
        let message = message.replace(out.to_str().unwrap(), "OUT_DIR");
        write!(table.text, "\n{case}\n```text\n{message}\n```\n").unwrap();
    }
}
