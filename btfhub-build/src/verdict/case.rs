//! A program on a kernel: what the rules examine, and what they find.

use super::age::Age;
use super::externs::Presence;
use super::facts::Facts;
use super::kernel::{Kernel, KernelBtf};
use super::outcome::{Certainty, Outcome, Reason};
use super::program::{Code, Needs, line};
use super::reach::Level;
use super::usage::{Place, Usage};
use crate::object::Object;

/// What the rules find.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(pub(super) Vec<(Outcome, Reason)>);

impl Findings {
    pub(super) fn fails(&mut self, certainty: Certainty, rule: &'static str, text: String) {
        let reason = Reason { rule, text };
        self.0.push((Outcome::Fails(certainty), reason));
    }

    /// A failure at an instruction, which is as certain as it is that the instruction is reached.
    pub(super) fn fails_at(&mut self, level: Level, rule: &'static str, text: String) {
        match level {
            Level::Surely => self.fails(Certainty::Proven, rule, text),
            Level::Maybe => self.fails(Certainty::Likely, rule, text),
            Level::IfChanged => {
                let text = format!(
                    "only if a constant of the object, the kernel's version, or what modules have, \
                     differs from what is assumed: {text}"
                );
                self.0.push((Outcome::Runs, Reason { rule, text }));
            }
        }
    }

    pub(super) fn unknown(&mut self, rule: &'static str, text: String) {
        self.0.push((Outcome::Unknown, Reason { rule, text }));
    }
}

/// A program on a kernel.
pub(super) struct Case<'a> {
    pub(super) object: &'a Object,
    pub(super) code: &'a Code,
    pub(super) program: &'a Needs,
    pub(super) usage: &'a Usage,
    pub(super) relocation: Relocation<'a>,
    pub(super) kernel: &'a Kernel<'a>,
    pub(super) kernel_btf: KernelBtf,
    pub(super) facts: &'a Facts,
    /// What the kernel has of the object's externs.
    pub(super) presence: &'a [Presence],
    /// `None` if neither release nor helpers indicate it.
    pub(super) age: Option<Age>,
    /// Why the object needs the kernel's own BTF, whichever program is loaded.
    pub(super) needs_btf: Option<&'a str>,
    pub(super) findings: Findings,
}

impl Case<'_> {
    /// ` (in on_exit, probe.bpf.c:12)`.
    pub(super) fn at(&self, place: Place) -> String {
        let Some(function) = self.code.functions.get(place.function) else {
            return String::new();
        };
        let line = line(self.object, function, place.at);
        match line {
            Some(line) => format!(" (in {}, {line})", function.name),
            None => format!(" (in {}, instruction {})", function.name, place.at),
        }
    }

    /// The type that one of the object's relocation records starts from.
    pub(super) fn struct_of(&self, record: usize) -> Option<String> {
        let btf = self.object.btf();
        let id = self.object.records().get(record)?.relo.type_id;
        let name = btf.string(btf.ty(id)?.name());
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Whether the kernel is known to be older than `age`.
    pub(super) fn is_older_than(&self, age: Age) -> bool {
        self.age.is_some_and(|its| its < age)
    }
}

/// The result of relocating a program that is loaded by itself.
#[derive(Clone, Copy)]
pub(super) struct Relocation<'a> {
    /// Why libbpf refuses to load.
    pub(super) refusal: Option<&'a str>,
    /// The record that makes an instruction invalid.
    pub(super) poisons: &'a dyn Fn(Place) -> Option<usize>,
    /// What a record asks for.
    pub(super) asked: &'a dyn Fn(usize) -> String,
}
