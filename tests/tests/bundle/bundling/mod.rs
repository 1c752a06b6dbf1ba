//! Bundles to test with.

use btfhub_runtime::bundle::write::Writer;
use btfhub_runtime::bundle::{Failure, Provenance, When};
use btfhub_runtime::{Arch, KernelId};
use btfhub_tests::btf_builder::{BtfBuilder, INT_SIGNED, bitfield, kind, member};

/// The provenance of the bundles.
pub fn provenance() -> Provenance {
    Provenance {
        pins: vec![
            "git 0123456789abcdef0123456789abcdef01234567".into(),
            "tree of \"ÄÖ\", Modified".into(),
        ],
        relocations: [9; 32],
        tool: "btfhub 0.1.0".into(),
        partial: true,
        ..Provenance::default()
    }
    .with_objects(&[("probe.bpf.o", [7; 32]), ("Other Object", [8; 32])])
}

/// A kernel by its four names.
pub fn kernel(
    arch: &'static str,
    distro: &'static str,
    version: &'static str,
    release: &'static str,
) -> KernelId<'static> {
    KernelId {
        arch: Arch::new(arch),
        release,
        distro,
        version,
    }
}

/// The bundle of these kernels.
pub fn write(kernels: &[(KernelId<'_>, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(provenance());
    for (kernel, btf) in kernels {
        writer.add_kernel(*kernel, btf).expect("a sound kernel");
    }
    writer.finish().expect("a sound bundle")
}

/// Four kernels, two of which have the same failures and one has none.
pub fn bundle_with_failures() -> Vec<u8> {
    let mut writer = Writer::new(provenance());
    for (kernel, failures) in failing() {
        writer.add_kernel(kernel, series(0, 3)).expect("a kernel");
        writer.add_failures(kernel, failures).expect("its failures");
    }
    writer.finish().expect("a sound bundle")
}

/// Kernels and what fails on them, in the bundle's order.
pub fn failing() -> Vec<(KernelId<'static>, Vec<Failure>)> {
    let failure = |object: &str, program: &str, when, reason: &str| Failure {
        object: object.into(),
        program: program.into(),
        when,
        reason: reason.into(),
    };
    let old = vec![
        failure(
            "Other Object",
            "new",
            When::Always,
            "the kernel has no bpf_x",
        ),
        failure("probe.bpf.o", "late", When::WithKernelBtf, "ÄÖ"),
        failure(
            "probe.bpf.o",
            "new",
            When::WithoutKernelBtf,
            "no BTF of its own",
        ),
    ];
    let mut older = old.clone();
    older.insert(
        1,
        failure("probe.bpf.o", "a", When::Always, "the kernel has no bpf_x"),
    );
    let kernel = |release| kernel("x86_64", "debian", "11", release);
    vec![
        (kernel("4.14.0-1-amd64"), older),
        (kernel("5.10.0-1-amd64"), old.clone()),
        (kernel("5.10.0-2-amd64"), old),
        (kernel("6.1.0-1-amd64"), Vec::new()),
    ]
}

/// A canonical BTF with `types` structs, whose members have larger offsets for a larger `step`; it
/// has every kind of type.
pub fn series(step: u32, types: u32) -> Vec<u8> {
    all_kinds(BtfBuilder::new(), step, types)
}

/// The same for either byte order.
pub fn all_kinds(mut btf: BtfBuilder, step: u32, types: u32) -> Vec<u8> {
    // Names come in the order of their first use.
    let extra = 11;
    let named = types + extra;
    let (void, int, pointer, array) = (0, named + 1, named + 2, named + 3);
    for i in 0..types {
        let name = format!("kernel_type_{i:03}");
        btf.string(&name);
        let moved = 8 * (step * (i % 5) / 3 + i);
        btf.structure(
            &name,
            0,
            &[
                member("common", int, 0),
                member(&format!("field_{i}"), pointer, moved),
                member("next", 1 + (i + 1) % types, moved + 8 + step % 2 * 4),
                member("", array, moved + 64),
            ],
        );
    }
    btf.int("long", 8, INT_SIGNED);
    btf.string("mask_bits");
    btf.structure(
        "mask_bits",
        4,
        &[bitfield("low", int, 0, 3), bitfield("high", int, 3, 29)],
    );
    btf.string("mode");
    btf.enumeration(
        "mode",
        4,
        step % 2 == 0,
        &[("NO", -1), ("YES", 1), ("LATER", 70_000)],
    );
    btf.string("mode_wide");
    btf.enumeration64("mode_wide", false, &[("BIG", u64::MAX - 5), ("SMALL", 1)]);
    btf.forward("next_ahead", step % 2 == 1);
    btf.typedef("other_name", 1);
    btf.reference(kind::FUNC, "print", named + 4);
    btf.raw("queue", kind::VAR << 24, 1, &[1]);
    btf.string("section");
    btf.raw(
        "section",
        kind::DATASEC << 24 | 1,
        16,
        &[types + 8, step, 8],
    );
    btf.raw("twofold", kind::FLOAT << 24, 8, &[]);
    btf.raw("used_tag", kind::DECL_TAG << 24, 1, &[u32::MAX]);
    assert_eq!(btf.next_id(), named + 1);
    btf.int("", 4, INT_SIGNED);
    btf.pointer(void);
    btf.array(int, void, 16 + step);
    btf.prototype(int, &[("first", pointer), ("", 1)]);
    btf.finish()
}
