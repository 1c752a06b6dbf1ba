//! The real archive: bpftool's files, libbpf's outcomes, our bundle.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::process::Command;

use btfhub_build::btf::Btf;
use btfhub_build::tailor::tailor;
use btfhub_runtime::Bundle;
use btfhub_runtime::bundle::write::Writer;
use btfhub_tests::kernels::entries;
use btfhub_tests::oracle::modes::{OpenObject, Target, walk};
use btfhub_tests::oracle::records::LocalObject;

use crate::{Subject, kernel, print_bundle};

/// The results of one set of objects over the kernels.
struct Sums<'s> {
    subject: &'s Subject,
    opened: Vec<OpenObject>,
    objects: tempfile::TempDir,
    files: tempfile::TempDir,
    distinct: BTreeMap<Vec<u8>, usize>,
    outcomes: HashSet<String>,
    ours: BTreeSet<Vec<u8>>,
    writer: Writer<'static>,
}

pub(crate) fn measure(archive: &Path, arches: &[&str], subjects: &[Subject]) {
    let entries: Vec<_> = (entries(archive).into_iter())
        .filter(|entry| arches.contains(&entry.name.split('/').nth(2).unwrap_or_default()))
        .collect();
    let mut sums: Vec<Sums<'_>> = subjects.iter().map(Sums::new).collect();
    for entry in &entries {
        let btf = entry.btf();
        for sums in &mut sums {
            sums.add(&entry.name, &btf);
        }
    }
    let kernels: Vec<_> = entries.iter().map(|entry| kernel(&entry.name)).collect();
    for sums in sums {
        let tar_xz = tar_xz(sums.files.path());
        let bytes: usize = sums.distinct.keys().map(Vec::len).sum();
        println!(
            "  {} {}: {} kernels; bpftool: {} distinct files, {bytes} bytes, all files \
             as one tar.xz {tar_xz}",
            arches[0],
            sums.subject.name,
            entries.len(),
            sums.distinct.len(),
        );
        let data = sums.writer.finish().expect("a bundle");
        let classes = Bundle::parse(&data).expect("a bundle").class_count();
        println!(
            "    outcomes by libbpf {}, our classes {} ({} bytes of BTF); bundle / tar.xz = {:.3}",
            sums.outcomes.len(),
            classes.expect("classes"),
            sums.ours.iter().map(Vec::len).sum::<usize>(),
            data.len() as f64 / tar_xz as f64
        );
        print_bundle(&data, &kernels);
    }
}

impl<'s> Sums<'s> {
    fn new(subject: &'s Subject) -> Self {
        let objects = tempfile::tempdir().expect("a directory");
        let mut opened = Vec::new();
        for (i, file) in subject.files.iter().enumerate() {
            let path = objects.path().join(format!("{i}.bpf.o"));
            std::fs::write(path, &file.elf).expect("a written object");
            let local = LocalObject::parse(&file.name, &file.elf).expect("an object");
            if !local.records.is_empty() {
                opened.push(OpenObject::open(local).expect("an object with BTF"));
            }
        }
        Self {
            subject,
            opened,
            objects,
            files: tempfile::tempdir().expect("a directory"),
            distinct: BTreeMap::new(),
            outcomes: HashSet::new(),
            ours: BTreeSet::new(),
            writer: Writer::new(subject.provenance.clone()),
        }
    }

    fn add(&mut self, name: &str, btf: &[u8]) {
        // bpftool
        let full = self.objects.path().join("full.btf");
        std::fs::write(&full, btf).expect("a written BTF");
        let name_of_file = format!("{}.btf", name.trim_end_matches(".btf.tar.xz"));
        let file = self.files.path().join(name_of_file);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("directories");
        let objects = (0..self.subject.files.len()).map(|i| format!("{i}.bpf.o"));
        let status = Command::new("bpftool")
            .current_dir(self.objects.path())
            .args(["gen", "min_core_btf", "full.btf"])
            .arg(&file)
            .args(objects)
            .stderr(std::process::Stdio::null())
            .status()
            .expect("bpftool runs");
        match std::fs::read(&file).ok().filter(|_| status.success()) {
            Some(file) => *self.distinct.entry(file).or_insert(0) += 1,
            None => println!("  bpftool refuses {name}"),
        }
        // libbpf
        let target = Target::parse(btf).expect("a BTF that libbpf reads");
        let mut outcome = String::new();
        for object in &self.opened {
            let walk = walk(object, &target).comparable(object);
            outcome += &format!("{:?}", walk.fresh);
        }
        self.outcomes.insert(outcome);
        // ours
        let parsed = Btf::parse(btf).expect("a BTF");
        let tailored = tailor(&self.subject.relocations, &parsed).expect("a tailored BTF");
        let id = kernel(name);
        (self.writer)
            .add_kernel(id, tailored.btf.to_vec())
            .expect("a kernel");
        self.ours.insert(tailored.btf.to_vec());
    }
}

/// The size of all files of a directory in one tar.xz.
fn tar_xz(dir: &Path) -> usize {
    let command = "tar --sort=name --owner=0 --group=0 --mtime=@0 -c . | xz -9e | wc -c";
    let output = Command::new("sh")
        .current_dir(dir)
        .args(["-c", command])
        .output()
        .expect("tar and xz run");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("a number of bytes")
}
