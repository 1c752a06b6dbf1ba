//! A bundle that is damaged, truncated, foreign or newer gives an error or the right BTF, never
//! another kernel's.

use crate::bundling::{bundle_with_failures, failing, kernel, series, write};
use btfhub_runtime::{Bundle, BundleError, ClassId};
use btfhub_tests::hostile_bundle::{Parts, seal};

/// Four kernels of three classes, one of which is not canonical.
fn sample() -> Vec<(btfhub_runtime::KernelId<'static>, Vec<u8>)> {
    vec![
        (
            kernel("x86_64", "ubuntu", "18.04", "5.4.0-80-generic"),
            series(1, 3),
        ),
        (
            kernel("x86_64", "ubuntu", "20.04", "5.4.0-80-generic"),
            series(2, 3),
        ),
        (
            kernel("x86_64", "debian", "11", "5.10.0-9-amd64"),
            series(2, 3),
        ),
        (
            kernel("aarch64", "centos", "8", "4.18.0-147.el8.aarch64"),
            b"no BTF".to_vec(),
        ),
    ]
}

/// Checks `data`, a changed `whole`: it gives right results or none.
fn assert_never_wrong(whole: &[Vec<u8>], data: &[u8], context: &str) {
    // The constant check panics on what it refuses.
    let Ok(bundle) = std::panic::catch_unwind(|| Bundle::from_embedded(data)) else {
        return;
    };
    for (id, btf) in sample() {
        let found: Result<Vec<_>, _> = bundle.lookup(id.arch, id.release).collect();
        for entry in found.unwrap_or_default() {
            if entry.kernel() == id
                && let Ok(read) = bundle.btf(entry.class())
            {
                assert_eq!(read, btf, "{context}: {id}");
            }
        }
    }
    for class in 0..4 {
        if let Ok(read) = bundle.btf(ClassId(class)) {
            let btf = whole.get(class as usize);
            assert_eq!(Some(&read), btf, "{context}: class {class}");
        }
    }
    let known = crate::bundling::provenance();
    if let Ok(read) = bundle.provenance() {
        assert_eq!(read, known, "{context}");
    }
}

#[test]
fn every_bit_flipped() {
    let data = write(&sample());
    let whole = Bundle::parse(&data).unwrap().all_btf().unwrap();
    assert_never_wrong(&whole, &data, "whole");
    std::panic::set_hook(Box::new(|_| {}));
    for at in 0..data.len() {
        for mask in (0..8).map(|bit| 1 << bit) {
            let mut damaged = data.clone();
            damaged[at] ^= mask;
            assert!(Bundle::parse(&damaged).is_err(), "byte {at} ^ {mask:#x}");
            assert_never_wrong(&whole, &damaged, &format!("byte {at} ^ {mask:#x}"));
        }
    }
}

#[test]
fn cut_off_anywhere_or_with_more_behind() {
    let mut data = write(&sample());
    for len in 0..data.len() {
        let error = Bundle::parse(&data[..len]).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    data.push(0);
    assert!(Bundle::parse(&data).is_err());
}

#[test]
fn newer_and_foreign_files_are_named() {
    let data = write(&sample());
    let with = |at: usize, byte: u8| {
        let mut data = data.clone();
        data[at] = byte;
        Bundle::parse(&data).unwrap_err()
    };
    let version = with(8, 9);
    assert!(version.is_unknown_version(), "{version}");
    assert!(version.to_string().contains("version 9"), "{version}");
    for foreign in [&b""[..], b"BTFHUB", &[0; 200]] {
        assert!(Bundle::parse(foreign).unwrap_err().is_foreign());
    }
}

/// Sound checksums around made-up content: what is read is bounded.
#[test]
fn made_up_content_ends() {
    for parts in [write(&sample()), bundle_with_failures()].map(|file| Parts::of(&file)) {
        made_up(&parts);
    }
}

fn made_up(parts: &Parts) {
    for section in 0..parts.sections.len() {
        for at in 0..parts.sections[section].len() {
            for change in [1, 0x7f, 0x80, 0xff] {
                let mut noisy = parts.clone();
                let byte = &mut noisy.sections[section][at];
                *byte = byte.wrapping_add(change);
                let data = noisy.file();
                let bundle = Bundle::from_embedded(&data);
                assert!(bundle.kernels().count() < 1000);
                let arch = kernel("x86_64", "", "", "").arch;
                assert!(bundle.lookup(arch, "5.4.0-80-generic").count() < 9);
                for class in 0..4 {
                    let _ = bundle.btf(ClassId(class));
                }
                let _ = (bundle.all_btf(), bundle.provenance(), Bundle::parse(&data));
                let _ = bundle.failure_sets();
                for (kernel, _) in failing() {
                    let _ = bundle.failures(&kernel);
                }
            }
        }
    }
}

/// A wrong inflated length; bytes that nothing reads.
#[test]
fn what_is_left_over_is_refused() {
    let parts = Parts::of(&write(&sample()));
    what_is_left_over(&parts, 3);
    what_is_left_over(&Parts::of(&bundle_with_failures()), 4);
    for (flags, fits) in [
        ([0, 0], true),
        ([1, 0], true),
        ([2, 0], false),
        ([0, 1], false),
    ] {
        let flagged = Parts {
            flags,
            ..parts.clone()
        };
        assert_eq!(reads_all(&flagged.file()).is_ok(), fits, "flags {flags:?}");
    }
}

fn what_is_left_over(parts: &Parts, sections: usize) {
    let lengths = [0, 1, 2, 3].map(|section| parts.sections[section].len());
    assert!(reads_all(&parts.file_saying(lengths)).is_ok());
    for section in 0..sections {
        for len in [lengths[section] - 1, lengths[section] + 1, 1 << 30] {
            let mut wrong = lengths;
            wrong[section] = len;
            let data = parts.file_saying(wrong);
            assert!(
                reads_all(&data).is_err(),
                "section {section} of {len} bytes"
            );
        }
        let mut longer = parts.clone();
        longer.sections[section].push(0);
        let error = reads_all(&longer.file()).expect_err("a byte more");
        assert!(
            error.to_string().starts_with("malformed bundle: its"),
            "{error}"
        );
    }
    let mut more = parts.file();
    more.push(0);
    let error = Bundle::parse(&seal(&more)).expect_err("a byte more");
    assert!(
        error
            .to_string()
            .starts_with("malformed bundle: its header"),
        "{error}"
    );
}

/// As many kernels and classes as the header says.
#[test]
fn counts_are_checked() {
    let parts = Parts::of(&write(&sample()));
    for (kernels, classes) in [(3, 3), (5, 3), (4, 2), (4, 4)] {
        let wrong = Parts {
            kernels,
            classes,
            ..parts.clone()
        };
        assert!(reads_all(&wrong.file()).is_err(), "{kernels}, {classes}");
    }
}

fn reads_all(data: &[u8]) -> Result<(), BundleError> {
    let bundle = Bundle::parse(data)?;
    bundle.failure_sets()?;
    bundle.all_btf().map(drop)
}
