//! What kernels accept that can't be booted here, by the history of their sources: the table
//! `tests/fixtures/old-kernels.txt` is written by hand, and no test writes it.

use std::collections::BTreeMap;
use std::fs;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::report::Survey;
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::kernels::entries;
use btfhub_tests::objects::compiled;
use btfhub_tests::project::workspace;
use btfhub_tests::shared::{shared, skip};

const PRELUDE: &str = r#"
#define SEC(name) __attribute__((section(name), used))
#define MAP __attribute__((section(".maps"), used))
typedef unsigned long u64;
static void *(*const task)(void) = (void *)35;
static void *(*const task_btf)(void) = (void *)158;
static u64 (*const now)(void) = (void *)5;
static u64 (*const boot_time)(void) = (void *)125;
static long (*const read_kernel)(void *, unsigned, void *) = (void *)113;
static long (*const each)(void *, void *, void *, u64) = (void *)164;
enum bpf_func_id { BPF_FUNC_ktime_get_boot_ns = 125 };
"#;

/// Each program in its own object.
const PROGRAMS: [(&str, &str); 23] = [
    (
        "tracepoint",
        r#"SEC("tp/sched/sched_switch") int p(void *c) { return 0; }"#,
    ),
    (
        "kprobe",
        r#"SEC("kprobe/do_exit") int p(void *c) { return 0; }"#,
    ),
    (
        "raw_tp",
        r#"SEC("raw_tp/sched_switch") int p(void *c) { return 0; }"#,
    ),
    (
        "tp_btf",
        r#"SEC("tp_btf/sched_switch") int p(void *c) { return 0; }"#,
    ),
    (
        "fentry",
        r#"SEC("fentry/do_exit") int p(void *c) { return 0; }"#,
    ),
    (
        "lsm",
        r#"SEC("lsm/file_open") int p(void *c) { return 0; }"#,
    ),
    (
        "iterator",
        r#"SEC("iter/task") int p(void *c) { return 0; }"#,
    ),
    (
        "kprobe.multi",
        r#"SEC("kprobe.multi/do_*") int p(void *c) { return 0; }"#,
    ),
    ("xdp", r#"SEC("xdp") int p(void *c) { return 2; }"#),
    (
        "xdp.frags",
        r#"SEC("xdp.frags") int p(void *c) { return 2; }"#,
    ),
    (
        "cgroup/connect4",
        r#"SEC("cgroup/connect4") int p(void *c) { return 1; }"#,
    ),
    (
        "perf-buffer",
        r#"struct { int (*type)[4], (*key_size)[4], (*value_size)[4]; } m MAP;
        SEC("xdp") int p(void *c) { return 2; }"#,
    ),
    (
        "ring-buffer",
        r#"struct { int (*type)[27], (*max_entries)[4096]; } m MAP;
        SEC("xdp") int p(void *c) { return 2; }"#,
    ),
    (
        "task-storage",
        r#"struct { int (*type)[29], (*key)[1], (*map_flags)[1]; u64 *value; } m MAP;
        SEC("xdp") int p(void *c) { return 2; }"#,
    ),
    (
        "probe_read_kernel",
        r#"SEC("xdp") int p(void *c) { u64 to; read_kernel(&to, 8, task()); return to != 0; }"#,
    ),
    (
        "ktime_get_boot_ns",
        r#"SEC("xdp") int p(void *c) { return boot_time() != 0; }"#,
    ),
    (
        "guarded",
        r#"SEC("xdp") int p(void *c) {
        return __builtin_preserve_enum_value(*(enum bpf_func_id *)BPF_FUNC_ktime_get_boot_ns, 0)
            ? boot_time() != 0 : now() != 0; }"#,
    ),
    (
        "current_task_btf",
        r#"SEC("xdp") int p(void *c) { return task_btf() != 0; }"#,
    ),
    (
        "call",
        r#"static __attribute__((noinline)) u64 f(u64 x) { return now() * x; }
        SEC("xdp") int p(void *c) { return f(now()) + f(1) != 0; }"#,
    ),
    (
        "callback",
        r#"struct { int (*type)[2], (*max_entries)[1]; int *key; u64 *value; } m MAP;
        static long f(void *map, int *key, u64 *value, void *c) { return 0; }
        SEC("xdp") int p(void *c) { return each(&m, f, 0, 0) != 0; }"#,
    ),
    (
        "loop",
        r#"SEC("xdp") int p(void *c) {
        u64 sum = 0;
        #pragma clang loop unroll(disable)
        for (u64 i = 0; i < 100; i++) sum += now();
        return sum != 0; }"#,
    ),
    (
        "global-data",
        r#"u64 last; SEC("xdp") int p(void *c) { last = now(); return 2; }"#,
    ),
    (
        "5000-instructions",
        r#"SEC("xdp") int p(void *c) {
        asm volatile(".rept 5000; r0 = 0; .endr" ::: "r0"); return 2; }"#,
    ),
];

/// The rows of the table: for each program the verdict on each series, and the deciding fact.
fn table() -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let path = workspace().join("tests/fixtures/old-kernels.txt");
    let text = fs::read_to_string(path).expect("the table");
    let mut rows = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()));
    let series = rows.next().expect("a head").skip(1).take(3).collect();
    let rows = rows.map(|mut row| {
        let name = row.next().expect("a program");
        let verdicts: Vec<String> = row.by_ref().take(3).collect();
        let fact = row.next().expect("a fact");
        assert!(!fact.is_empty() && row.next().is_none(), "{name}");
        (name, verdicts)
    });
    (series, rows.collect())
}

// Every program on every kernel agrees with the table, and the table covers everything.
#[test]
fn old_kernels_take_what_their_sources_say() {
    let Some(shared) = shared() else { return };
    let archive = shared.join("archive-old");
    if !archive.exists() {
        return skip("no archive of old kernels");
    }
    let mut objects = Vec::new();
    for (name, source) in PROGRAMS {
        let Some(elf) = compiled(&format!("{PRELUDE}{source}")) else {
            return;
        };
        objects.push(Object::parse(name, &elf).expect("an object"));
    }
    let survey = Survey::new(&objects);
    let (series, rows) = table();
    let mut wrong = Vec::new();
    let mut compared = BTreeMap::new();
    for entry in entries(&archive) {
        let parts: Vec<&str> = entry.name.split('/').collect();
        let [distro, version, arch, file] = parts[..] else {
            panic!("{}", entry.name);
        };
        let kernel = KernelId {
            distro,
            version,
            arch: Arch::new(arch),
            release: file.trim_end_matches(".btf.tar.xz"),
        };
        let btf = Btf::parse(&entry.btf()).expect("BTF");
        let answer = survey.ask(&btf).map_err(|error| error.to_string());
        let report = survey.report([(kernel, answer)]);
        let column = (series.iter()).position(|series| kernel.release.starts_with(series.as_str()));
        let column = column.unwrap_or_else(|| panic!("no column for {kernel}"));
        *compared.entry(column).or_insert(0) += 1;
        let verdicts = report.program_verdicts_of(&report.kernels[0]);
        assert_eq!(report.programs.len(), PROGRAMS.len());
        for (program, verdict) in report.programs.iter().zip(verdicts) {
            let rule = verdict.reasons[0].rule;
            let certainty = verdict
                .outcome
                .certainty()
                .map_or("", |certainty| certainty.name());
            let said = format!("{} {certainty} {rule}", verdict.outcome.name());
            let said = said.replace("  ", " ");
            let said = said.trim_end_matches(" checked");
            let expected = rows
                .get(&program.object)
                .map_or("nothing", |row| &row[column]);
            if said != expected {
                let name = &program.object;
                wrong.push(format!(
                    "{name} on {kernel}: {said}, and the table says {expected}"
                ));
            }
        }
    }
    assert_eq!(
        compared.values().copied().collect::<Vec<usize>>(),
        [8, 1, 3]
    );
    assert_eq!(rows.len(), PROGRAMS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
