//! Writes the seed corpora: `cargo run --example seeds`, in this directory.

use std::fs;
use std::path::Path;

use btfhub_fuzz::btf_builder::{BtfBuilder, member};
use btfhub_fuzz::hostile::small_bundle;
use btfhub_fuzz::hostile_bundle;
use btfhub_fuzz::hostile_atlas::{close, open, small_atlas};
use btfhub_fuzz::pack::{Member, tar, xz};
use btfhub_fuzz::rules::pairs;

fn main() -> std::io::Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = dir.join("corpus");
    let seed = |target: &str, name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join(name.replace('/', "_")), bytes)
    };
    for (number, pair) in pairs().iter().enumerate() {
        let name = format!("seed-{number}");
        seed("btf", &name, &pair.kernel)?;
        let len = u16::try_from(pair.kernel.len()).unwrap_or(u16::MAX);
        let mut split = len.to_le_bytes().to_vec();
        split.extend(&pair.kernel);
        split.extend(&pair.kernel);
        seed("split_btf", &name, &split)?;
        let choice = u8::try_from(number).unwrap_or(u8::MAX);
        for mutation in 0..8u8 {
            let bytes = [choice, 7, 31 * mutation, mutation, 3, 0, 0];
            seed("tailor", &format!("{name}-{mutation}"), &bytes)?;
            seed("kept", &format!("{name}-{mutation}"), &bytes)?;
        }
        for kind in [0, 1] {
            let packed = tar(&[Member::file("v", &pair.kernel)]);
            let mut bytes = vec![kind];
            bytes.extend(if kind == 0 { xz(&packed) } else { packed });
            seed("entry", &format!("{name}-{kind}"), &bytes)?;
        }
    }
    for item in fs::read_dir(dir.join("../bpf"))? {
        let path = item?.path();
        if path.extension().is_some_and(|extension| extension == "o") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let elf = fs::read(&path)?;
            seed("object", &name, &elf)?;
            // The section as clang writes it: found by its magic number, after that of .BTF.
            let magic = [0x9f, 0xeb, 1, 0, 0x20, 0, 0, 0];
            if let Some(at) = elf.windows(8).position(|window| window == magic) {
                seed("btf_ext", &name, &elf[at..])?;
            }
        }
    }
    let mut types = BtfBuilder::new();
    let int = types.int("int", 4, 1);
    types.structure("task", 8, &[member("a", int, 0)]);
    types.layout(&[(0, 0); 20]);
    seed("btf", "layout", &types.finish())?;
    let bundle = small_bundle();
    seed("bundle", "small", &bundle)?;
    seed("bundle", "open", &hostile_bundle::open(&bundle))?;
    for (number, kernels) in pairs().chunks(4).enumerate() {
        let kernels = kernels.iter().map(|pair| pair.kernel.as_slice());
        let file = small_atlas(kernels);
        let opened = open(&file);
        assert_eq!(close(&opened).map(|file| open(&file)), Some(opened.clone()));
        seed("atlas", &format!("open-{number}"), &opened)?;
        seed("atlas", &format!("file-{number}"), &file)?;
    }
    let hosts = fs::read_to_string(dir.join("../fixtures/os-release.txt"))?;
    for (number, os_release) in hosts.split("== ").skip(1).enumerate() {
        for (kernel, version, machine) in [
            ("5.4.0-80-generic", "#90~18.04.1-Ubuntu SMP", "x86_64"),
            ("5.4.0-81-generic", "#91-Ubuntu SMP", "x86_64"),
            ("4.18.0-147.0.3.el8_1.aarch64", "#1 SMP", "aarch64"),
        ] {
            let host = format!("{kernel}\0{version}\0{machine}\0{os_release}");
            seed("host", &format!("{number}-{kernel}"), host.as_bytes())?;
        }
    }
    Ok(())
}
