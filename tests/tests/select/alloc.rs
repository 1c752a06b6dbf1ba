//! How much memory `select` and rebuilding a class take.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::selecting::{btf, bundle, kernel, os_release};
use btfhub_runtime::{Bundle, Host, Policy, select};

struct Counting;

thread_local! {
    /// Bytes allocated now, and the most since the peak was reset.
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        NOW.set(NOW.get() + layout.size());
        PEAK.set(PEAK.get().max(NOW.get()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // This thread may free what another allocated.
        NOW.set(NOW.get().saturating_sub(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn little_is_allocated() {
    /// With 1,003 kernels.
    const MOST: usize = 64 << 10;
    const CLASH: &str = "4.18.0-147.0.3.el8_1.x86_64";
    let mut kernels = vec![
        (kernel("centos/8/x86_64", CLASH), btf(1)),
        (kernel("ol/8/x86_64", CLASH), btf(2)),
        (kernel("rhel/8/x86_64", CLASH), btf(1)),
    ];
    let releases: Vec<_> = (0..500)
        .map(|i| format!("5.4.0-{}-generic", 2 * i))
        .collect();
    for release in &releases {
        kernels.push((kernel("ubuntu/20.04/x86_64", release), btf(3)));
        kernels.push((kernel("ubuntu/18.04/x86_64", release), btf(4)));
    }
    let data = bundle(kernels);
    let bundle = Bundle::parse(&data).expect("a sound bundle");

    let native = "#90-Ubuntu SMP Fri Jul 9 22:49:44 UTC 2021";
    let own = Host::new("5.4.0-80-generic", "x86_64").with_kernel_btf(Some("/btf".into()));
    let embedded = Policy::EMBEDDED_ONLY;
    for (name, host, policy, most) in [
        ("the kernel's own", own, Policy::default(), 0),
        (
            "by uname -v",
            Host::new("5.4.0-80-generic", "x86_64").with_version(native),
            embedded,
            MOST,
        ),
        (
            "by os-release",
            Host::new(CLASH, "x86_64").with_os_release(os_release("ol-8").as_bytes()),
            embedded,
            MOST,
        ),
        (
            "unknown machine",
            Host::default()
                .with_release(CLASH)
                .with_os_release(os_release("rhel-8").as_bytes()),
            embedded,
            MOST,
        ),
        (
            "bracketed",
            Host::new("5.4.0-81-generic", "x86_64").with_version(native),
            embedded.bracketed(true),
            MOST,
        ),
    ] {
        let before = NOW.get();
        PEAK.set(before);
        let selection = select(&bundle, &host, policy).expect(name);
        let of_bundle = selection.class().map(|class| bundle.btf(class));
        let taken = PEAK.get() - before;
        println!("{name}: {taken} bytes; {selection}");
        assert!(taken <= most, "{name}: {taken} bytes");
        assert_eq!(of_bundle.is_some(), most > 0, "{name}");
    }
    // The counter works.
    PEAK.set(NOW.get());
    select(&bundle, &Host::new("1.0", "x86_64"), embedded).expect_err("not there");
    assert!(PEAK.get() > NOW.get());
}
