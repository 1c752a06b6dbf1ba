//! Verdicts compared with the results of booted kernels, and with libbpf's own table of sections.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs;

use btfhub_build::archive::Filter;
use btfhub_build::object::Object;
use btfhub_build::report::{Effect, Report, Survey};
use btfhub_build::symbols::Symbols;
use btfhub_build::verdict::{Certainty, Outcome, section_def};
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::judge::{GUESTS, Guest, Table, btf, by_program, objects, symbols};
use btfhub_tests::objects::{ObjectFile, compiled};
use btfhub_tests::project::workspace;

/// The report on one kernel of the examples' archive, as if its entry held these symbols.
pub(super) fn report(guest: &Guest, objects: &[ObjectFile], symbols: Option<&Symbols>) -> Report {
    report_with(guest, objects, symbols, None)
}

/// The same, but the user may say whether the kernel has its own BTF.
fn report_with(
    guest: &Guest,
    objects: &[ObjectFile],
    symbols: Option<&Symbols>,
    own_btf: Option<bool>,
) -> Report {
    let objects: Vec<Object> = (objects.iter())
        .map(|object| Object::parse(&object.name, &object.elf).expect("an object"))
        .collect();
    let mut survey = Survey::new(&objects);
    if let Some(has) = own_btf {
        survey.set_own_btf(Filter::new("*").expect("a filter"), has);
    }
    let answer = survey.ask_with_symbols(&btf(guest), symbols);
    let answer = answer.map_err(|error| error.to_string());
    let kernel = KernelId {
        distro: "debian",
        version: guest.version(),
        arch: Arch::new(guest.arch),
        release: guest.release,
    };
    survey.report([(kernel, answer)])
}

/// The programs in docs/verdicts.md's list of known differences, each with its kernels; or only
/// those that symbols don't explain either.
fn known_differences(with_symbols: bool) -> BTreeSet<(String, String, String)> {
    let page = fs::read_to_string(workspace().join("docs/verdicts.md")).expect("a page");
    let (_, list) = page.split_once("## Known differences").expect("a list");
    let mut known = BTreeSet::new();
    for row in list.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, program, kernels, _, why, ..] = cells[..] else {
            panic!("{row}");
        };
        if with_symbols && !why.starts_with("the verifier") {
            continue;
        }
        let (object, program) = program
            .trim_matches('`')
            .split_once(' ')
            .expect("two words");
        for release in kernels.split(", ") {
            known.insert((
                release.trim_matches('`').to_owned(),
                object.to_owned(),
                program.to_owned(),
            ));
        }
    }
    known
}

// No program called "fails, proven" ran, and at most 1 in 100 of those called "fails, likely"; the
// list has exactly those that are expected to run but failed.
#[test]
fn booted_kernels_agree() {
    agree(false);
}

// With symbols, only the verifier's own reasoning remains.
#[test]
fn booted_kernels_agree_with_symbols() {
    agree(true);
}

fn agree(with_symbols: bool) {
    let mut differences = BTreeSet::new();
    let mut expected = known_differences(with_symbols);
    let (mut likely, mut wrong) = (0, 0);
    for guest in &GUESTS {
        let symbols = with_symbols.then(|| symbols(guest)).flatten();
        let objects = objects(guest.arch).filter(|_| symbols.is_some() == with_symbols);
        let Some(objects) = objects else {
            expected.retain(|(release, ..)| release != guest.release);
            continue;
        };
        let table = Table::stored(guest);
        let lines = by_program(&table);
        let report = report(guest, &objects, symbols.as_ref());
        let mut confusion: BTreeMap<(String, bool), usize> = BTreeMap::new();
        let mut compared = 0;
        let verdicts = report.program_verdicts_of(&report.kernels[0]);
        for (program, verdict) in report.programs.iter().zip(verdicts) {
            let key = (program.object.as_str(), program.name.as_str());
            let Some(line) = lines.get(&key) else {
                println!("not in the table: {key:?}");
                continue;
            };
            compared += 1;
            let what = (guest.release, &program.object, &program.name);
            let rules: Vec<_> = verdict.reasons.iter().map(|reason| reason.rule).collect();
            let rule = format!("{:24} {}", verdict.outcome.to_string(), rules[0]);
            *confusion.entry((rule, line.ran())).or_default() += 1;
            assert!(
                !(line.ran() && verdict.outcome == Outcome::Fails(Certainty::Proven)),
                "ran: {what:?} {verdict:?}"
            );
            if verdict.outcome == Outcome::Fails(Certainty::Likely) {
                likely += 1;
                if line.ran() {
                    wrong += 1;
                    println!("ran: {what:?} {verdict:?}");
                }
            }
            if !line.ran() && verdict.outcome == Outcome::Runs {
                let (object, program) = (program.object.clone(), program.name.clone());
                differences.insert((guest.release.to_owned(), object, program));
            }
            // libbpf's own view of the section.
            let def = section_def(program.section.trim_start_matches('?'));
            let types = def.map_or((0, 0), |(def, _)| (def.program_type, def.attach_type));
            assert_eq!(types, line.types, "{what:?}");
        }
        println!("{} {} ({compared} programs)", guest.release, table.package);
        for ((rule, ran), count) in confusion {
            println!(
                "  {count:5} {} {rule}",
                if ran { "ran   " } else { "failed" }
            );
        }
        assert!(
            compared * 10 > lines.len() * 9,
            "other objects than the table's"
        );
    }
    println!("likely: {wrong} of {likely} wrong");
    assert!(wrong * 100 <= likely, "{wrong} of {likely}");
    assert_eq!(differences, expected);
}

/// A member that no kernel has, read if a constant of the object says so.
const CONSTANTS: &str = r#"
#define SEC(name) __attribute__((section(name), used))
struct task_struct { int never; } __attribute__((preserve_access_index));
static void *(*const current)(void) = (void *)35;
static long (*const tai)(void) = (void *)208;
const volatile int off = 0, on = 1;
#define READ ((volatile struct task_struct *)current())->never
SEC("raw_tp/sys_enter") int is_off(void *ctx) { return off ? READ : 0; }
SEC("raw_tp/sys_enter") int is_on(void *ctx) { return on ? READ : 0; }
SEC("raw_tp/sys_enter") int helper_off(void *ctx) { return off ? tai() : 0; }
SEC("raw_tp/sys_enter") int both(void *ctx) { int a = 0; if (off) a = READ; return a + READ; }
"#;

// The reason mentions a failure that only a constant of the object prevents, and the relocation
// table agrees with the verdicts.
#[test]
fn constants_keep_programs_from_what_fails() {
    let Some(elf) = compiled(CONSTANTS) else {
        return;
    };
    let name = "constants.bpf.o".to_owned();
    let report = report(&GUESTS[0], &[ObjectFile { name, elf }], None);
    let kernel = &report.kernels[0];
    let verdicts: Vec<_> = report.program_verdicts_of(kernel).collect();
    let likely = Outcome::Fails(Certainty::Likely);
    let expected = [
        ("is_off", Outcome::Runs, &["checked", "relocation"][..]),
        ("is_on", likely, &["relocation"]),
        ("helper_off", Outcome::Runs, &["checked", "helper"]),
        ("both", likely, &["relocation"]),
    ];
    for ((program, verdict), expected) in report.programs.iter().zip(&verdicts).zip(expected) {
        let rules: Vec<_> = verdict.reasons.iter().map(|reason| reason.rule).collect();
        assert_eq!(
            (program.name.as_str(), verdict.outcome, &rules[..]),
            expected
        );
    }
    let row = report.verdict(kernel, 0).expect("one relocation");
    assert_eq!(row.effect, Effect::ProgramFails);
    let failing: Vec<_> = (row.failing.iter())
        .map(|function| report.functions[*function].name.as_str())
        .collect();
    assert_eq!(failing, ["is_on", "both"]);
    assert!(
        row.reason.ends_with("changes constants of the object"),
        "{}",
        row.reason
    );
}

/// What one function checks for another, and code that kernels verify although it is never
/// reached. 5.10 has neither helper 208 nor signed division.
const BETWEEN_FUNCTIONS: &str = r#"
#define SEC(name) __attribute__((section(name), used))
#define CALLED __attribute__((noinline))
static long (*const helper)(void) = (void *)208;
static long (*const read_str)(void *, int, void *) = (void *)115;
static unsigned (*const random)(void) = (void *)7;
static long (*const comm)(char *, unsigned) = (void *)16;
enum bpf_func_id___x { BPF_FUNC_ktime_get_tai_ns___x = 208 };
#define HAS __builtin_preserve_enum_value(*(enum bpf_func_id___x *)BPF_FUNC_ktime_get_tai_ns___x, 0)
struct file { int f_flags; };
extern long vfs_read(struct file *, char *, unsigned long, long long *)
    __attribute__((section(".ksyms"), weak));
char LICENSE[] SEC("license") = "GPL";
static CALLED int has(void) { return HAS; }
static CALLED long with(int on) { return on ? helper() : 0; }
static CALLED long twice(int on) { return on > 1 ? helper() : on; }
CALLED int has_global(void) { return HAS; }
CALLED long global(long a) { return helper() + a; }
CALLED __attribute__((visibility("hidden"))) long hidden(long a) { return helper() + a; }
SEC("raw_tp/sys_enter") int asks(void *ctx) { return has() ? helper() : 0; }
SEC("raw_tp/sys_enter") int passes(void *ctx) { return with(HAS); }
SEC("raw_tp/sys_enter") int passes_one(void *ctx) { return with(1); }
SEC("raw_tp/sys_enter") int passes_both(void *ctx) { return twice(0) + twice(1); }
SEC("raw_tp/sys_enter") int passes_two(void *ctx) { return twice(0) + twice(2); }
SEC("raw_tp/sys_enter") int asks_global(void *ctx) { return has_global() ? helper() : 0; }
SEC("raw_tp/sys_enter") int not_called(void *ctx) { return HAS ? global(3) : 0; }
SEC("raw_tp/sys_enter") int not_called_hidden(void *ctx) { return HAS ? hidden(3) : 0; }
SEC("raw_tp/sys_enter") int on_stack(void *ctx) { volatile int a = HAS; return a ? helper() : 0; }
struct has { int *at; int other; };
static CALLED long behind(struct has *has) { return *has->at ? helper() : has->other; }
SEC("raw_tp/sys_enter") int by_two_pointers(void *ctx) {
    int a = HAS;
    struct has has = {&a, 3};
    return behind(&has);
}
SEC("raw_tp/sys_enter") int in_parts(void *ctx) {
    volatile union { unsigned long whole; unsigned parts[2]; } a;
    a.whole = HAS;
    return a.parts[0] ? helper() : 0;
}
SEC("raw_tp/sys_enter") int beside(void *ctx) {
    struct { char name[16]; unsigned long on; } a = {};
    a.on = HAS;
    comm(a.name, 16);
    return a.on ? helper() : a.name[0];
}
SEC("raw_tp/sys_enter") int masks(void *ctx) { int a = random() & 1; if (!HAS) a = 0; return a ? helper() : 0; }
static CALLED void tell(int *on) { *on = HAS; }
SEC("raw_tp/sys_enter") int tells(void *ctx) {
    int a = 9;
    tell(&a);
    return random() & 1 ? a ? helper() : 0 : 0;
}
static CALLED long many(int k) { return k == 5 ? helper() : k; }
SEC("raw_tp/sys_enter") int in_many(void *ctx) {
    return many(1) + many(2) + many(3) + many(4) + many(HAS ? 5 : 6) + many(7);
}
SEC("raw_tp/sys_enter") int excludes(void *ctx) {
    unsigned a = random();
    if (a > 4) {
        asm volatile("" : "+r"(a));
        if (a < 3) return helper();
    }
    return 0;
}
static CALLED long pointed(volatile int *on) { return *on ? helper() : 0; }
SEC("raw_tp/sys_enter") int by_pointer(void *ctx) { int a = HAS; return pointed(&a); }
SEC("raw_tp/sys_enter") int length(void *ctx) { char s[8]; return read_str(s, 8, ctx) > 8 ? helper() : s[0]; }
SEC("raw_tp/sys_enter") int divides(long *ctx) { long a = 7; if (HAS) asm("%0 s/= 3" : "+r"(a)); return a; }
SEC("raw_tp/sys_enter") int is_there(void *ctx) { return vfs_read ? 1 : 2; }
"#;

// Functions know of each other what the verifier knows.
#[test]
fn functions_tell_each_other() {
    let Some(elf) = compiled(BETWEEN_FUNCTIONS) else {
        return;
    };
    let name = "functions.bpf.o".to_owned();
    let report = report(&GUESTS[0], &[ObjectFile { name, elf }], None);
    let verdicts = report.program_verdicts_of(&report.kernels[0]);
    let said: Vec<String> = (report.programs.iter().zip(verdicts))
        .map(|(program, verdict)| {
            let rule = verdict.reasons.first().map_or("", |reason| reason.rule);
            format!("{} {} {rule}", program.name, verdict.outcome)
        })
        .collect();
    // What 5.10 does with each.
    assert_eq!(
        said,
        [
            "asks runs checked",
            "passes runs checked",
            "passes_one fails (proven) helper",
            "passes_both runs checked",
            "passes_two fails (proven) helper",
            "asks_global fails (proven) helper",
            "not_called fails (proven) helper",
            "not_called_hidden runs checked",
            "on_stack runs checked",
            "by_two_pointers runs checked",
            "in_parts runs checked",
            "beside runs checked",
            "masks runs checked",
            "tells runs checked",
            "in_many runs checked",
            "excludes runs checked",
            "by_pointer runs checked",
            "length runs checked",
            "divides runs checked",
            "is_there fails (likely) kfunc",
        ]
    );
}

/// Programs that need BTF not by their kind, but for what they call or read.
const TYPED: &str = r#"
#define SEC(name) __attribute__((section(name), used))
static void *(*const task)(void) = (void *)158;
static void *(*const plain_task)(void) = (void *)35;
static void *(*const tcp_sock)(void *) = (void *)137;
static void *(*const storage)(void *, void *, void *, long) = (void *)156;
struct { int (*type)[29], (*key)[4], (*value)[8], (*map_flags)[1]; } tasks
    __attribute__((section(".maps"), used));
const volatile int off = 0, on = 1;
SEC("raw_tp/sys_enter") int plain(void *ctx) { return plain_task() != 0; }
SEC("raw_tp/sys_enter") int current(void *ctx) { return task() != 0; }
SEC("raw_tp/sys_enter") int if_on(void *ctx) { return on ? task() != 0 : 0; }
SEC("raw_tp/sys_enter") int if_off(void *ctx) { return off ? task() != 0 : 0; }
SEC("tc") int socket(void *ctx) { return tcp_sock(ctx) != 0; }
SEC("raw_tp/sys_enter") int stored(void *ctx) { return storage(&tasks, plain_task(), 0, 1) != 0; }
SEC("netfilter") int accepts(void *ctx) { return 1; }
SEC("netfilter") int looks(unsigned long *ctx) { return ctx[0] != 0; }
"#;

// A kernel built without BTF refuses calls and reads that are typed by it in any kind of program.
#[test]
fn what_is_typed_by_the_kernels_btf_needs_it() {
    let Some(elf) = compiled(TYPED) else {
        return;
    };
    let object = [ObjectFile {
        name: "typed.bpf.o".to_owned(),
        elf,
    }];
    // 7.3 has all of these helpers and program types.
    let said = |own_btf: bool| -> Vec<String> {
        let report = report_with(&GUESTS[3], &object, None, Some(own_btf));
        let verdicts = report.program_verdicts_of(&report.kernels[0]);
        let programs = report.programs.iter().zip(verdicts);
        programs
            .map(|(program, verdict)| {
                let reasons = verdict.reasons.iter();
                let rule = reasons.last().map_or("", |reason| reason.rule);
                format!("{} {} {rule}", program.name, verdict.outcome)
            })
            .collect()
    };
    assert!(said(true).iter().all(|line| line.ends_with("runs checked")));
    assert_eq!(
        said(false),
        [
            "plain runs checked",
            "current fails (proven) kernel-btf",
            "if_on fails (likely) kernel-btf",
            "if_off runs kernel-btf",
            "stored fails (likely) kernel-btf",
            "socket fails (proven) kernel-btf",
            "accepts runs checked",
            "looks fails (proven) kernel-btf",
        ]
    );
}

// The names of all of libbpf's sections, with and without targets, and some unknown ones.
#[test]
fn sections_mean_what_libbpf_says() {
    let source = fs::read_to_string(workspace().join("btfhub-build/src/verdict/section.rs"));
    let source = source.expect("the table");
    let mut names: Vec<String> = Vec::new();
    for row in source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("def(\""))
    {
        let (pattern, _) = row.split_once('"').expect("a pattern");
        let name = pattern.trim_end_matches('+');
        for end in ["", "/", "/x", "/x/y", "x", ".s", ".s/x", "+", " "] {
            names.push(format!("{name}{end}"));
        }
    }
    assert!(names.len() > 900, "{}", names.len());
    names.extend(
        [
            "",
            "/",
            "kprobe.multi.session/x",
            "fentr",
            "uprobe//bin/sh:f",
        ]
        .map(str::to_owned),
    );
    // SAFETY: it takes no callback.
    unsafe { libbpf_sys::libbpf_set_print(None) };
    for name in names {
        let (mut program_type, mut attach_type) = (0, 0);
        let text = CString::new(name.as_str()).expect("no NUL");
        // SAFETY: a string, and two variables for the result.
        let found = unsafe {
            libbpf_sys::libbpf_prog_type_by_name(text.as_ptr(), &mut program_type, &mut attach_type)
        };
        let theirs = (found == 0).then_some((program_type, attach_type));
        let ours = section_def(&name).map(|(def, _)| (def.program_type, def.attach_type));
        assert_eq!(ours, theirs, "{name:?}");
    }
}
