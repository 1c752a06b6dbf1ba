//! The size of atlases, and of their parts.

use std::path::Path;

use btfhub_build::archive::{Archive, Entry};
use btfhub_build::atlas::{Atlas, AtlasBuilder, Effort};
use btfhub_tests::cost::median;

pub(crate) fn measure(root: &Path) {
    let entries = entries(root);
    let packed: u64 = entries.iter().map(Entry::size).sum();
    let build = |effort, entries: &[Entry], base: Option<&Atlas>| {
        let builder = AtlasBuilder::new().effort(effort);
        let builder = base.into_iter().fold(builder, AtlasBuilder::base);
        builder.build(entries, |_, _| ()).expect("an atlas")
    };
    let best = build(Effort::Best, &entries, None);
    let fast = build(Effort::Fast, &entries, None);
    let (kernels, bytes) = (entries.len(), best.file.len());
    let ratio = |bytes: usize| packed as f64 / bytes as f64;
    let fast_bytes = fast.file.len();
    let atlas = Atlas::parse(best.file).expect("an atlas");
    println!("{}: {kernels} kernels", root.display());
    println!("  as tar.xz                {packed:>10} bytes");
    println!(
        "  as atlas                 {bytes:>10} bytes, 1/{:.1}, {} a kernel",
        ratio(bytes),
        bytes / kernels
    );
    println!(
        "  as atlas, --fast         {fast_bytes:>10} bytes, 1/{:.1}",
        ratio(fast_bytes)
    );
    for (name, bytes) in atlas.parts() {
        println!("    {name:<28} {bytes:>10} bytes");
    }
    println!(
        "  definitions              {:>10} of {} names",
        atlas.definition_count(),
        atlas.group_count()
    );

    // What a kernel adds to all others; for those with a neighbour in the same series, the cost of
    // one more patch release.
    let series = |entry: &Entry| {
        let id = entry.kernel();
        let version: Vec<&str> = id.release.splitn(3, ['.', '-']).take(2).collect();
        let flavor = id.release.trim_start_matches(|c: char| !c.is_alphabetic());
        (
            id.arch.as_str().to_owned(),
            version.join("."),
            flavor.to_owned(),
        )
    };
    let (mut more, mut more_bytes) = (Vec::new(), Vec::new());
    let mut first = (Vec::new(), Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        let mut others = entries.clone();
        others.remove(at);
        let known = others.iter().any(|other| series(other) == series(entry));
        let without = build(Effort::Fast, &others, Some(&atlas));
        let new = (fast.definitions - without.definitions) as f64;
        let new_bytes = fast_bytes as f64 - without.file.len() as f64;
        let (counts, bytes) = if known {
            (&mut more, &mut more_bytes)
        } else {
            (&mut first.0, &mut first.1)
        };
        counts.push(new);
        bytes.push(new_bytes);
    }
    for (what, counts, bytes) in [
        ("one more of a series there", more, more_bytes),
        ("the only one of its series", first.0, first.1),
    ] {
        if counts.is_empty() {
            continue;
        }
        let most = counts.iter().copied().fold(0.0, f64::max);
        println!(
            "  {what}: {} kernels; definitions median {:.0}, most {most:.0}; bytes (--fast) median {:.0}",
            counts.len(),
            median(counts.iter().copied()),
            median(bytes.into_iter()),
        );
    }
}

/// The entries of an archive; those of a flat directory count as kernels of a made-up distribution.
fn entries(root: &Path) -> Vec<Entry> {
    match Archive::scan(root) {
        Ok(archive) if !archive.entries().is_empty() => archive.entries().to_vec(),
        _ => {
            let tree = tempfile::tempdir().expect("a directory").keep();
            let below = tree.join("android/0/arm64");
            std::fs::create_dir_all(&below).expect("directories");
            for file in std::fs::read_dir(root).expect("a directory") {
                let file = file.expect("a file");
                if file.file_name().to_string_lossy().ends_with(".btf.tar.xz") {
                    std::os::unix::fs::symlink(file.path(), below.join(file.file_name()))
                        .expect("a link");
                }
            }
            let archive = Archive::scan(&tree).expect("an archive");
            archive.entries().to_vec()
        }
    }
}
