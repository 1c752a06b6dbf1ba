//! Failing programs if it is not clear which kernel of the bundle is the host's.

use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{Failure, Provenance, When};
use btfhub_runtime::{Bundle, Host, Policy, select};

use crate::selecting::{btf, kernel};

const OBJECT: &str = "probe.bpf.o";

/// A kernel by its directory and release, its class, and the programs that fail.
type Row<'r> = (&'r str, &'r str, u32, &'r [(&'r str, When)]);

fn bundle(kernels: &[Row<'_>]) -> Vec<u8> {
    let provenance = Provenance::default().with_objects(&[(OBJECT, [1; 32])]);
    let mut writer = Writer::new(provenance);
    for (directory, release, class, failing) in kernels {
        let kernel = kernel(directory, release);
        writer.add_kernel(kernel, btf(*class)).expect("a kernel");
        let failures = failing.iter().map(|(program, when)| Failure {
            object: OBJECT.to_owned(),
            program: (*program).to_owned(),
            when: *when,
            reason: format!("why {program}\u{1b}[31m\nfails"),
        });
        writer.add_failures(kernel, failures).expect("failures");
    }
    writer.finish().expect("a bundle")
}

/// What fails on a host, if that is known.
fn failing(file: &[u8], host: &Host, policy: Policy) -> Option<Vec<String>> {
    let bundle = Bundle::parse(file).expect("a bundle");
    let selection = select(&bundle, host, policy).expect("a selection");
    let failing = selection.failing_programs().expect("a sound bundle");
    let names = failing.iter().map(|it| it.program.clone());
    failing.is_known().then(|| names.collect())
}

const ALWAYS: When = When::Always;

#[test]
fn several_entries_of_one_class() {
    let file = bundle(&[
        (
            "ubuntu/18.04/x86_64",
            "5.4.0-1-generic",
            1,
            &[("a", ALWAYS), ("b", ALWAYS)],
        ),
        (
            "ubuntu/20.04/x86_64",
            "5.4.0-1-generic",
            1,
            &[("b", ALWAYS), ("c", ALWAYS)],
        ),
        ("debian/11/x86_64", "5.4.0-1-generic", 2, &[]),
    ]);
    // Ubuntu's, of unknown version: what fails on both.
    let host =
        Host::new("5.4.0-1-generic", "x86_64").with_os_release(b"ID=ubuntu\nVERSION_ID=20.04\n");
    assert_eq!(
        failing(&file, &host, Policy::default()),
        Some(vec!["b".to_owned()])
    );
    // The kernel says it was built for 18.04.
    let host = host.with_version("#1~18.04.1-Ubuntu SMP");
    assert_eq!(
        failing(&file, &host, Policy::default()),
        Some(vec!["a".to_owned(), "b".to_owned()])
    );
    // With its own BTF, the kernel needs none of the three, and nothing says which one it is.
    let host = Host::new("5.4.0-1-generic", "x86_64")
        .with_kernel_btf(Some("/sys/kernel/btf/vmlinux".into()));
    assert_eq!(failing(&file, &host, Policy::default()), None);
}

#[test]
fn neighbours_tell_nothing() {
    let fails: &[(&str, When)] = &[("a", ALWAYS)];
    let file = bundle(&[
        ("debian/11/x86_64", "5.10.0-1-amd64", 1, fails),
        ("debian/11/x86_64", "5.10.0-3-amd64", 1, fails),
    ]);
    let host = Host::new("5.10.0-2-amd64", "x86_64");
    let policy = Policy::default().bracketed(true);
    assert_eq!(failing(&file, &host, policy), None);
    let host = Host::new("5.10.0-3-amd64", "x86_64");
    assert_eq!(failing(&file, &host, policy), Some(vec!["a".to_owned()]));
}

#[test]
fn btf_of_the_kernels_own_decides_conditions() {
    let file = bundle(&[(
        "debian/11/x86_64",
        "5.10.0-1-amd64",
        1,
        &[
            ("always", ALWAYS),
            ("with", When::WithKernelBtf),
            ("without", When::WithoutKernelBtf),
        ],
    )]);
    let names = |names: [&str; 2]| Some(names.map(str::to_owned).to_vec());
    let host = Host::new("5.10.0-1-amd64", "x86_64");
    assert_eq!(
        failing(&file, &host, Policy::default()),
        names(["always", "without"])
    );
    let own = host.with_kernel_btf(Some("/sys/kernel/btf/vmlinux".into()));
    for policy in [Policy::PREFER_KERNEL, Policy::EMBEDDED_ONLY] {
        assert_eq!(failing(&file, &own, policy), names(["always", "with"]));
    }

    // If BTF is only on disk, or unreadable, it is open what the kernel exposes.
    let root = tempfile::tempdir().expect("a directory");
    let put = |path: &str, content: &[u8]| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, content).expect("a file");
    };
    put("proc/sys/kernel/osrelease", b"5.10.0-1-amd64\n");
    put("sys/kernel/btf/vmlinux", b"no BTF");
    let host = Host::detect_under(root.path()).with_machine("x86_64");
    assert!(host.kernel_btf().is_none());
    assert_eq!(
        failing(&file, &host, Policy::default()),
        Some(vec!["always".to_owned()])
    );

    // The operator's BTF may be another kernel's.
    put("given.btf", &btf(3));
    let given =
        Host::new("5.10.0-1-amd64", "x86_64").with_operator_btf(root.path().join("given.btf"));
    assert_eq!(
        failing(&file, &given.expect("BTF"), Policy::default()),
        None
    );
}

#[test]
fn what_is_printed_is_safe() {
    let file = bundle(&[("debian/11/x86_64", "5.10.0-1-amd64", 1, &[("a\nb", ALWAYS)])]);
    let bundle = Bundle::parse(&file).expect("a bundle");
    let host = Host::new("5.10.0-1-amd64", "x86_64");
    let selection = select(&bundle, &host, Policy::default()).expect("a selection");
    let failing = selection.failing_programs().expect("a sound bundle");
    assert!(failing.get(OBJECT, "a\nb").is_some());
    for text in [selection.to_string(), failing.to_string()] {
        assert!(!text.contains(['\n', '\u{1b}']), "{text}");
        assert!(text.contains("fails)"), "{text}");
    }
}
