//! The rules: each holds one thing that programs do against what a kernel has.

mod arguments;
mod attach;
mod externs;
mod helper;
mod instruction;
mod kernel_btf;
mod map;
mod program_type;
mod relocation;
mod sleepable;
mod trampoline;

use super::age::Age;
use super::facts::Facts;
use super::found::{Found, Place};
use super::judge::{Kernel, KernelBtf};
use super::program::{Code, Needs};
use super::reach::Level;
use super::{Certainty, Outcome, Reason};
use crate::object::Object;

pub(super) use kernel_btf::of as own_btf;
pub(super) use relocation::{Relocated, Relocation};

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
    findings: Vec<(Outcome, Reason)>,
}

/// What the rules look at, for a program against which none has anything.
const CHECKED: &str = "checked: relocations, helpers, map and program types, externs, instructions, \
     what it attaches to and the arguments that it reads there; not: the verifier's own \
     reasoning, configuration, privileges";

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
            kernel_btf: kernel_btf::of(kernel, facts),
            age: super::age::age(kernel.id.release, facts),
            kernel,
            facts,
            findings: Vec::new(),
        }
    }

    /// What all rules say.
    pub(super) fn verdict(mut self) -> super::Verdict {
        relocation::check(&mut self);
        program_type::check(&mut self);
        map::check(&mut self);
        externs::check(&mut self);
        kernel_btf::check(&mut self);
        helper::check(&mut self);
        instruction::check(&mut self);
        sleepable::check(&mut self);
        attach::check(&mut self);
        trampoline::check(&mut self);
        arguments::check(&mut self);
        let outcome = (self.findings.iter().map(|(outcome, _)| *outcome))
            .max()
            .unwrap_or(Outcome::Runs);
        let mut reasons: Vec<Reason> = (self.findings.into_iter())
            // Beside a failure what is unknown does not matter.
            .filter(|(of, _)| of.name() == outcome.name())
            .map(|(_, reason)| reason)
            .collect();
        if reasons.is_empty() {
            reasons.push(Reason {
                rule: "checked",
                text: CHECKED.to_owned(),
            });
        }
        super::Verdict { outcome, reasons }
    }

    fn fails(&mut self, certainty: Certainty, rule: &'static str, text: String) {
        let reason = Reason { rule, text };
        self.findings.push((Outcome::Fails(certainty), reason));
    }

    fn unknown(&mut self, rule: &'static str, text: String) {
        self.findings
            .push((Outcome::Unknown, Reason { rule, text }));
    }

    /// ` (in on_exit, probe.bpf.c:12)`.
    fn at(&self, place: Place) -> String {
        let Some(function) = self.code.functions.get(place.function) else {
            return String::new();
        };
        let line = super::program::line(self.object, function, place.at);
        match line {
            Some(line) => format!(" (in {}, {line})", function.name),
            None => format!(" (in {}, instruction {})", function.name, place.at),
        }
    }

    /// Whether a kernel of this version, or one with backports that tell, has what came with
    /// `age`.
    fn is_older_than(&self, age: Age) -> bool {
        self.age.is_some_and(|its| its < age)
    }
}

/// A failure at an instruction is as sure as it is that it is reached.
fn certainty(level: Level) -> Certainty {
    match level {
        Level::Maybe => Certainty::Likely,
        Level::Surely => Certainty::Proven,
    }
}
