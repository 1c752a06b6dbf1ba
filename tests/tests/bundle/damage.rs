//! A bundle that is damaged, cut off, foreign or newer gives an error or the
//! right BTF, never another's.

use crate::bundling::{kernel, series, write};
use btfhub_runtime::{Bundle, ClassId};

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

/// Whatever became of `whole` in `data`: it answers rightly or not at all.
fn assert_never_wrong(whole: &[Vec<u8>], data: &[u8], context: &str) {
    // The constant check refuses what it looks at by a panic.
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
    let codec = with(11, 7);
    assert!(codec.is_unknown_version(), "{codec}");
    assert!(codec.to_string().contains("codec 7"), "{codec}");
    for foreign in [&b""[..], b"BTFHUB", &[0; 200]] {
        assert!(Bundle::parse(foreign).unwrap_err().is_foreign());
    }
}

/// Sound checksums around made-up content: the reader must come to an end.
#[test]
fn made_up_content_ends() {
    let data = write(&sample());
    // Behind the header, four bytes of checksum lead each section. Put noise
    // in, and fit the checksums again where they are known to lie.
    let bundle = Bundle::parse(&data).unwrap();
    let sizes = bundle.sizes().unwrap();
    let start = |name: &str| -> usize {
        let before = sizes.iter().take_while(|part| part.name != name);
        before.map(|part| part.bytes).sum()
    };
    let (index, classes) = (start("index"), start("block directory"));
    for seed in 0..200u32 {
        let mut noisy = data.clone();
        let at = index + 4 + seed as usize % (classes - index - 4);
        noisy[at] = noisy[at].wrapping_add(1 + (seed / 7) as u8);
        let crc = crc32(&noisy[index + 4..classes]);
        noisy[index..index + 4].copy_from_slice(&crc.to_le_bytes());
        let bundle = Bundle::from_embedded(&noisy);
        assert!(bundle.kernels().count() < 1000);
        assert!(
            bundle
                .lookup(kernel("x86_64", "", "", "").arch, "5.4.0-80-generic")
                .count()
                < 9
        );
    }
    // The one block's checksum is the last thing in the directory: stride,
    // number of blocks, classes, length (two bytes), checksum.
    let crc_at = classes + 4 + 5;
    let bytes = crc_at + 4;
    assert_eq!(crc32(&data[bytes..]).to_le_bytes(), data[crc_at..bytes]);
    for seed in 0..200u32 {
        let mut noisy = data.clone();
        let at = bytes + seed as usize % (data.len() - bytes);
        noisy[at] = noisy[at].wrapping_add(1 + (seed / 7) as u8);
        let crc = crc32(&noisy[bytes..]);
        noisy[crc_at..bytes].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32(&noisy[classes + 4..bytes]);
        noisy[classes..classes + 4].copy_from_slice(&crc.to_le_bytes());
        for class in 0..4 {
            let _ = Bundle::from_embedded(&noisy).btf(ClassId(class));
        }
    }
}

/// CRC-32, apart from the code under test.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
