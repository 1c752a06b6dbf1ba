//! A program on a kernel: what the rules look at, and what they find.

use super::age::Age;
use super::facts::Facts;
use super::found::{Found, Place};
use super::kernel::{Kernel, KernelBtf};
use super::outcome::{Certainty, Outcome, Reason};
use super::program::{Code, Needs, line};
use super::reach::Level;
use crate::object::Object;

/// What the rules find.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(pub(super) Vec<(Outcome, Reason)>);

impl Findings {
    pub(super) fn fails(&mut self, certainty: Certainty, rule: &'static str, text: String) {
        let reason = Reason { rule, text };
        self.0.push((Outcome::Fails(certainty), reason));
    }

    /// A failure at an instruction is as sure as it is that it is reached.
    pub(super) fn fails_at(&mut self, level: Level, rule: &'static str, text: String) {
        match level {
            Level::Surely => self.fails(Certainty::Proven, rule, text),
            Level::Maybe => self.fails(Certainty::Likely, rule, text),
            Level::IfChanged => {
                let text = format!(
                    "only if a constant (of the object, or the kernel's version) has another value \
                     than assumed: {text}"
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
    pub(super) found: &'a Found,
    pub(super) relocation: Relocation<'a>,
    pub(super) kernel: &'a Kernel<'a>,
    pub(super) kernel_btf: KernelBtf,
    pub(super) facts: &'a Facts,
    /// `None` where neither release nor helpers tell it.
    pub(super) age: Option<Age>,
    /// Why it needs the kernel's own BTF, whichever program it is.
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

    /// The type whose members one of the object's records asks for.
    pub(super) fn struct_of(&self, record: usize) -> Option<String> {
        let btf = self.object.btf();
        let id = self.object.records().get(record)?.relo.type_id;
        let name = btf.string(btf.ty(id)?.name());
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Whether a kernel of this version, or one with backports that tell, has what came with
    /// `age`.
    pub(super) fn is_older_than(&self, age: Age) -> bool {
        self.age.is_some_and(|its| its < age)
    }
}

/// What relocation comes to for a program that is loaded by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Relocated {
    /// Why libbpf refuses to load.
    pub(super) refusal: Option<String>,
    /// By place the records of the instructions that become invalid.
    pub(super) poisoned: Vec<(Place, usize)>,
}

/// The same, with words for what records ask.
#[derive(Clone, Copy)]
pub(super) struct Relocation<'a> {
    pub(super) relocated: &'a Relocated,
    pub(super) asked: &'a dyn Fn(usize) -> String,
}
