//! The contract, for one object and one kernel.
//!
//! What libbpf computes for each relocation against the tailored BTF equals
//! what it computes against the full one, whichever programs are loaded; and
//! the engine computes the same.

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::{Tailored, tailor};

use crate::oracle::libbpf::Answer;
use crate::oracle::modes::{FIELD_LSHIFT_U64, OpenObject, Target, Walk, walk};
use crate::oracle::records::LocalObject;
use crate::ours;

/// An object as libbpf and the engine see it.
#[derive(Debug)]
pub struct Subject {
    /// libbpf's view.
    pub theirs: OpenObject,
    /// The engine's.
    pub ours: Object,
    /// Its relocations, which the engine resolves on every kernel.
    pub relocations: Relocations,
}

impl Subject {
    /// Opens an object on both sides; `None` if it has no relocations.
    ///
    /// # Errors
    /// If either side refuses it, or they read it differently.
    pub fn open(name: &str, elf: &[u8]) -> Result<Option<Self>, String> {
        let local = LocalObject::parse(name, elf)?;
        if local.records.is_empty() {
            return Ok(None);
        }
        let ours = Object::parse(name, elf).map_err(|e| e.to_string())?;
        let same = local.records.len() == ours.records().len()
            && local.records.iter().zip(ours.records()).all(|(a, b)| {
                (a.insn_off, a.type_id, a.access_off, a.kind)
                    == (
                        b.relo.insn_off,
                        b.relo.type_id.0,
                        b.relo.access_str.0,
                        b.relo.kind,
                    )
            });
        if !same {
            return Err(format!("{name}: the records are read differently"));
        }
        let theirs = OpenObject::open(local)?;
        let relocations = Relocations::from_objects([&ours]);
        Ok(Some(Self {
            theirs,
            ours,
            relocations,
        }))
    }
}

/// A kernel as libbpf and the engine see it.
#[derive(Debug)]
pub struct Kernel {
    /// For messages.
    pub name: String,
    /// libbpf's view.
    pub theirs: Target,
    /// The engine's.
    pub ours: Btf,
    big_endian: bool,
}

impl Kernel {
    /// Parses a BTF on both sides.
    ///
    /// # Errors
    /// If either side refuses it.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, String> {
        Self::with_modules(name, bytes, &[])
    }

    /// The same with modules, names and split BTF, in the order in which they
    /// were loaded.
    ///
    /// # Errors
    /// As [`Kernel::parse`].
    pub fn with_modules(
        name: &str,
        bytes: &[u8],
        modules: &[(String, Vec<u8>)],
    ) -> Result<Self, String> {
        let split: Vec<_> = modules.iter().map(|(_, bytes)| bytes.clone()).collect();
        let theirs = Target::with_modules(bytes, &split)
            .map_err(|e| format!("{name}: libbpf refuses the BTF: {e}"))?;
        let ours = Btf::parse(bytes).map_err(|e| format!("{name}: {e}"))?;
        let modules = modules.iter().map(|(name, bytes)| (&**name, &**bytes));
        let ours = Btf::join(ours, modules, |_| true).map_err(|e| format!("{name}: {e}"))?;
        Ok(Self {
            name: name.to_owned(),
            theirs,
            ours,
            big_endian: bytes.first() == Some(&0xeb),
        })
    }
}

/// The result for one pair.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Relocations resolved, each in three modes, counted once.
    pub relocations: usize,
    /// Of these, per record with fresh candidates: a value other than 0.
    pub found: usize,
    /// Of these, per record with fresh candidates: replaced by an invalid instruction.
    pub poisoned: usize,
    /// Refused in at least one of the modes.
    pub refused: usize,
    /// Resolved differently in different modes.
    pub stateful: usize,
    /// Pairs for which the whole BTF is kept, because the canonical form does not suffice.
    pub verbatim: Vec<String>,
    /// What is wrong, in sentences.
    pub differences: Vec<String>,
}

/// Compares one object on one kernel, with BTF tailored only for it.
#[must_use]
pub fn check(subject: &Subject, kernel: &Kernel) -> Report {
    let full = walk(&subject.theirs, &kernel.theirs).comparable(&subject.theirs);
    let mut report = summary(&full);
    let tag = format!("{} × {}", subject.theirs.object.name, kernel.name);

    let tailored = match tailor(&subject.relocations, &kernel.ours) {
        Ok(tailored) => tailored,
        Err(e) => {
            report.differences.push(format!("{tag}: {e}"));
            return report;
        }
    };
    let ours = ours::walk(&subject.ours, &subject.relocations, &tailored.outcome);
    compare_modes(&mut report, &tag, subject, "ours", &full, &ours, |kind| {
        // libbpf shifts for its own machine, the engine for the kernel's. The tests in
        // `relocation big_endian::` compare that on such a machine.
        kind == FIELD_LSHIFT_U64 && kernel.big_endian
    });
    if tailored.verbatim {
        report.verbatim.push(tag);
    }
    check_tailored(&mut report, subject, kernel, &full, &tailored);
    report
}

/// Compares one object on one kernel, with BTF tailored for more objects.
#[must_use]
pub fn check_union(subject: &Subject, kernel: &Kernel, tailored: &Tailored) -> Report {
    let full = walk(&subject.theirs, &kernel.theirs).comparable(&subject.theirs);
    let mut report = Report::default();
    check_tailored(&mut report, subject, kernel, &full, tailored);
    report
}

fn check_tailored(
    report: &mut Report,
    subject: &Subject,
    kernel: &Kernel,
    full: &Walk,
    tailored: &Tailored,
) {
    let tag = format!("{} × {} tailored", subject.theirs.object.name, kernel.name);
    let target = match Target::parse(&tailored.btf) {
        Ok(target) => target,
        Err(errno) => {
            report
                .differences
                .push(format!("{tag}: libbpf refuses it: {errno}"));
            return;
        }
    };
    let walked = walk(&subject.theirs, &target).comparable(&subject.theirs);
    compare_modes(report, &tag, subject, "tailored", full, &walked, |_| false);
    for (id, profiles) in &full.profiles {
        let other = walked.profiles.get(id);
        if other != Some(profiles) {
            report.differences.push(format!(
                "{tag}: candidates of local type {id}: full {profiles:?}, tailored {other:?}"
            ));
        }
    }
}

fn compare_modes(
    report: &mut Report,
    tag: &str,
    subject: &Subject,
    other_name: &str,
    libbpf: &Walk,
    other: &Walk,
    exempt: impl Fn(u32) -> bool,
) {
    let modes = [
        ("all programs", &libbpf.whole, &other.whole),
        ("one section", &libbpf.by_section, &other.by_section),
        ("one record", &libbpf.fresh, &other.fresh),
    ];
    for (mode, theirs, others) in modes {
        let records = &subject.theirs.object.records;
        for (index, record) in records.iter().enumerate() {
            if exempt(record.kind) {
                continue;
            }
            let (theirs, others) = (theirs[index], others.get(index).copied());
            if others != Some(theirs) {
                report.differences.push(format!(
                    "{tag}, {mode}, record {index} ({}, type {}, \"{}\", kind {}): \
                     libbpf {theirs:?}, {other_name} {others:?}",
                    record.section, record.type_id, record.access, record.kind
                ));
            }
        }
    }
}

fn summary(full: &Walk) -> Report {
    let found = |answer: &Answer| answer.is_ok_and(|v| !v.poison && v.new_val != 0);
    let poisoned = |answer: &Answer| answer.is_ok_and(|v| v.poison);
    let each = || full.whole.iter().zip(&full.by_section).zip(&full.fresh);
    Report {
        relocations: full.fresh.len(),
        found: full.fresh.iter().filter(|a| found(a)).count(),
        poisoned: full.fresh.iter().filter(|a| poisoned(a)).count(),
        refused: each()
            .filter(|((a, b), c)| a.is_err() || b.is_err() || c.is_err())
            .count(),
        stateful: each().filter(|((a, b), c)| a != b || b != c).count(),
        ..Report::default()
    }
}

impl Report {
    /// Adds another pair's.
    pub fn add(&mut self, other: Self) {
        self.relocations += other.relocations;
        self.found += other.found;
        self.poisoned += other.poisoned;
        self.refused += other.refused;
        self.stateful += other.stateful;
        self.verbatim.extend(other.verbatim);
        self.differences.extend(other.differences);
    }
}
