//! The alternatives that the report offers: only ones that the kernel has.

use std::collections::BTreeSet;

use btfhub_build::archive::Filter;
use btfhub_build::btf::{Btf, Kind};
use btfhub_build::object::Object;
use btfhub_build::report::{Report, Survey};
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::kernels::{Entry, entries};
use btfhub_tests::objects::compiled;
use btfhub_tests::project::workspace;
use btfhub_tests::shared::shared;

/// Programs with names that were added, removed or depend on the architecture.
const PROGRAMS: &str = r#"
#define SEC(name) __attribute__((section(name), used))
SEC("kprobe/blk_throtl_bio") int old_name(void *c) { return 0; }
SEC("kprobe/__blk_account_io_start") int new_name(void *c) { return 0; }
SEC("kprobe/_do_fork") int old_fork(void *c) { return 0; }
SEC("kprobe/kernel_clone") int new_fork(void *c) { return 0; }
SEC("kprobe/mark_page_lazyfree") int page(void *c) { return 0; }
SEC("kprobe/kmem_cache_alloc") int allocation(void *c) { return 0; }
SEC("kprobe/sys_openat") int no_wrapper(void *c) { return 0; }
SEC("kprobe/__x64_sys_openat") int x86(void *c) { return 0; }
SEC("kprobe/__arm64_sys_openat") int arm(void *c) { return 0; }
SEC("kretprobe/__x64_sys_getpid") int without_arguments(void *c) { return 0; }
SEC("tp/syscalls/sys_enter_open") int old_call(void *c) { return 0; }
SEC("tp/syscalls/sys_exit_sysfs") int gone_call(void *c) { return 0; }
SEC("tp_btf/sched_switch") int typed(void *c) { return 0; }
SEC("tp_btf/no_such_event") int no_event(void *c) { return 0; }
SEC("fentry/vfs_open") int entry(void *c) { return 0; }
SEC("fexit/vfs_open") int end(void *c) { return 0; }
SEC("fmod_ret/vfs_open") int result(void *c) { return 0; }
SEC("lsm/file_open") int hook(void *c) { return 0; }
SEC("lsm/no_such_hook") int no_hook(void *c) { return 0; }
SEC("fentry/vfs_opan") int no_function(void *c) { return 0; }
SEC("fentry/blk_throtl_bio") int reads_one(unsigned long *c) { return c[0] != 0; }
SEC("fentry/blk_throtl_bio") int reads_five(unsigned long *c) { return c[4] != 0; }
struct trace_event_raw_sched_process_exit { int pid; } __attribute__((preserve_access_index));
SEC("tp/sched/sched_process_exit")
int class(struct trace_event_raw_sched_process_exit *c) { return c->pid; }
"#;

fn report(entry: &Entry, btf: &Btf, object: &Object, own_btf: Option<bool>) -> Report {
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
    let mut survey = Survey::new(std::slice::from_ref(object));
    if let Some(has) = own_btf {
        survey.set_own_btf(Filter::new("*").expect("a filter"), has);
    }
    let answer = survey.ask(btf).map_err(|error| error.to_string());
    survey.report([(kernel, answer)])
}

/// The alternatives in the reasons of each program.
fn offered(report: &Report) -> Vec<(String, String)> {
    let verdicts = report.program_verdicts_of(&report.kernels[0]);
    let programs = report.programs.iter().zip(verdicts);
    programs
        .flat_map(|(program, verdict)| {
            let offers = verdict.reasons.iter().flat_map(|reason| {
                let parts = reason.text.split([';', ':']).map(str::trim);
                parts.filter(|part| {
                    part.starts_with("it has ")
                        || part.starts_with("the kernel has trace_event")
                        || part.ends_with(" works here")
                })
            });
            offers.map(|offer| (program.name.clone(), offer.to_owned()))
        })
        .collect()
}

/// The names in an alternative: functions, and structs and tracepoints as the BTF names them.
fn names(offer: &str) -> Vec<String> {
    let offer = offer.trim_end_matches(" works here");
    let offer = offer.split(", which").next().expect("a part");
    let list = offer.strip_prefix("it has ").unwrap_or(offer);
    let list = list.strip_prefix("the kernel has ").unwrap_or(list);
    (list.split(", "))
        .map(|name| match name.split_once('/') {
            Some(("raw_tp", event)) => format!("btf_trace_{event}"),
            Some((_, function)) => function.to_owned(),
            None => name.to_owned(),
        })
        .collect()
}

#[test]
fn only_what_the_kernel_has_is_offered() {
    let Some(elf) = compiled(PROGRAMS) else {
        return;
    };
    let object = Object::parse("made.bpf.o", &elf).expect("an object");
    let examples = entries(&workspace().join("examples/archive"));
    let others = shared().into_iter().flat_map(|shared| {
        let some = |archive: &str| entries(&shared.join(archive)).into_iter().step_by(4);
        some("archive-old").chain(some("archive"))
    });
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for entry in examples.into_iter().chain(others) {
        let btf = Btf::parse(&entry.btf()).expect("BTF");
        let known: BTreeSet<String> = (btf.ids_of_kernel())
            .filter_map(|id| btf.ty(id))
            .filter(|ty| matches!(ty.kind(), Kind::Func | Kind::Struct | Kind::Typedef))
            .map(|ty| String::from_utf8_lossy(btf.string(ty.name())).into_owned())
            .collect();
        for own_btf in [None, Some(false)] {
            for (program, offer) in offered(&report(&entry, &btf, &object, own_btf)) {
                let names = names(&offer);
                assert!((1..=3).contains(&names.len()), "{offer}");
                for name in names {
                    let event = name.strip_prefix("btf_trace_");
                    let is_event = event
                        .is_some_and(|event| known.contains(&format!("trace_event_raw_{event}")));
                    let call = name.strip_prefix("sys_enter_");
                    let is_call = call.is_some_and(|call| {
                        known.contains(&format!("__arm64_sys_{call}"))
                            || known.contains(&format!("__riscv_sys_{call}"))
                    });
                    assert!(
                        known.contains(&name) || is_event || is_call,
                        "{}: {program}: {offer}",
                        entry.name
                    );
                }
                seen.insert((program, offer));
            }
        }
    }
    for (program, offer) in &seen {
        println!("{program}: {offer}");
    }
    for (program, offer) in [
        (
            "class",
            "the kernel has trace_event_raw_sched_process_template",
        ),
        ("end", "kretprobe/vfs_open works here"),
        ("entry", "kprobe/vfs_open works here"),
        (
            "hook",
            "kprobe/security_file_open, which can't deny anything, works here",
        ),
        ("new_fork", "it has _do_fork"),
        ("new_name", "it has blk_account_io_start"),
        ("no_wrapper", "it has __arm64_sys_openat"),
        ("no_wrapper", "it has __x64_sys_openat"),
        ("old_call", "it has sys_enter_openat"),
        ("old_fork", "it has kernel_clone"),
        ("old_name", "it has __blk_throtl_bio"),
        ("page", "it has folio_mark_lazyfree"),
        ("reads_one", "it has __blk_throtl_bio"),
        ("typed", "raw_tp/sched_switch works here"),
    ] {
        let offer = (program.to_owned(), offer.to_owned());
        assert!(shared().is_none() || seen.contains(&offer), "{offer:?}");
    }
    let nothing = [
        "gone_call",
        "no_event",
        "no_function",
        "no_hook",
        "reads_five",
        "result",
    ];
    for (program, offer) in &seen {
        assert!(!nothing.contains(&program.as_str()), "{program}: {offer}");
    }
}
