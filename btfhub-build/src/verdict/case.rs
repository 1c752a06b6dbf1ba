//! A program on a kernel: what the rules look at, and what they find.

use super::age::{Age, age};
use super::facts::Facts;
use super::found::{Found, Place};
use super::kernel::{Kernel, KernelBtf};
use super::outcome::{Certainty, Outcome, Reason};
use super::program::{Code, Needs, line};
use super::reach::Level;
use crate::object::Object;

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
    pub(super) findings: Vec<(Outcome, Reason)>,
}

impl<'a> Case<'a> {
    #[allow(clippy::too_many_arguments)] // it is all that there is to know
    pub(super) fn new(
        object: &'a Object,
        code: &'a Code,
        program: &'a Needs,
        found: &'a Found,
        relocation: Relocation<'a>,
        kernel: &'a Kernel<'a>,
        facts: &'a Facts,
    ) -> Self {
        Self {
            object,
            code,
            program,
            found,
            relocation,
            kernel_btf: kernel.own_btf(facts),
            age: age(kernel.id.release, facts),
            kernel,
            facts,
            findings: Vec::new(),
        }
    }

    pub(super) fn fails(&mut self, certainty: Certainty, rule: &'static str, text: String) {
        let reason = Reason { rule, text };
        self.findings.push((Outcome::Fails(certainty), reason));
    }

    pub(super) fn unknown(&mut self, rule: &'static str, text: String) {
        self.findings
            .push((Outcome::Unknown, Reason { rule, text }));
    }

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

    /// Whether a kernel of this version, or one with backports that tell, has what came with
    /// `age`.
    pub(super) fn is_older_than(&self, age: Age) -> bool {
        self.age.is_some_and(|its| its < age)
    }
}

/// A failure at an instruction is as sure as it is that it is reached.
pub(super) fn certainty(level: Level) -> Certainty {
    match level {
        Level::Maybe => Certainty::Likely,
        Level::Surely => Certainty::Proven,
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
