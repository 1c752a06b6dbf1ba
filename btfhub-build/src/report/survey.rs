//! Objects → their relocations; kernel → its answer; answers → [`Report`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use btfhub_runtime::KernelId;

use super::answer::{Answer, KernelAnswer};
use super::effect::{Body, ReachedPoison, Use, effects};
use super::order::by_name;
use super::rows::tell_apart;
use super::why::TypesByName;
use super::{
    Function, Kernel, RelocationRow, Report, Site, SourceLine, Unreadable, Verdict, module,
};
use crate::archive::Filter;
use crate::btf::Btf;
use crate::object::{Object, ProgramSection, Record};
use crate::relo::{
    Accessor, Errno, RecordMeaning, ReloKind, Relocation, Relocations, Resolution, Spec,
    TooComplex, raw_term, resolve, term, text,
};
use crate::symbols::Symbols;
use crate::verdict::{Columns, Facts, Judge};

/// The relocations and programs of a set of objects, ready to be checked against kernels.
#[derive(Debug)]
pub struct Survey {
    objects: Vec<String>,
    relocations: Relocations,
    /// The distinct relocations, then those that libbpf refuses on every kernel.
    rows: Vec<RelocationRow>,
    refused: Vec<Errno>,
    functions: Vec<Function>,
    bodies: Vec<Body>,
    judge: Judge,
    /// Equal answers are stored once: thousands of kernels give a few dozen.
    answers: Mutex<HashSet<Arc<Answer>>>,
    facts: Mutex<HashSet<Arc<Facts>>>,
}

impl Survey {
    /// Examines the objects.
    pub fn new(objects: &[Object]) -> Self {
        let relocations = Relocations::from_objects(objects);
        let list = relocations.list();
        let mut survey = Self {
            objects: objects
                .iter()
                .map(|object| object.name().to_owned())
                .collect(),
            rows: (list.iter())
                .map(|relocation| RelocationRow {
                    term: String::new(),
                    kind: relocation.kind.to_string(),
                    root: text(&relocation.root.name),
                    modules: Vec::new(),
                    in_no_kernel: false,
                    usual_module: module::of_type(&text(&relocation.root.name)),
                    guards: guards(list, relocation),
                    sites: Vec::new(),
                })
                .collect(),
            refused: Vec::new(),
            functions: Vec::new(),
            bodies: Vec::new(),
            judge: Judge::new(objects, &relocations),
            relocations: Relocations::default(),
            answers: Mutex::default(),
            facts: Mutex::default(),
        };
        let mut spellings = vec![BTreeSet::new(); list.len()];
        for (number, object) in objects.iter().enumerate() {
            let meanings = relocations.meanings(object);
            for (record, meaning) in object.records().iter().zip(&meanings) {
                if let RecordMeaning::Relocation { index, .. } = *meaning {
                    if let (Some(relocation), Some(names), Some(ty)) = (
                        list.get(index),
                        spellings.get_mut(index),
                        object.btf().ty(record.relo.type_id),
                    ) {
                        names.insert(term(relocation, object.btf().string(ty.name())));
                    }
                }
            }
            survey.object(number, object, &meanings);
        }
        for (row, names) in survey.rows.iter_mut().zip(spellings) {
            row.term = Vec::from_iter(names).join(" / ");
        }
        tell_apart(&mut survey.rows, list);
        survey.relocations = relocations;
        survey
    }

    /// The distinct relocations that every kernel is checked for.
    pub fn relocations(&self) -> &Relocations {
        &self.relocations
    }

    /// Sets what user space attaches programs of this name to, in the form that a section would
    /// have (`vfs_open` for a `SEC("kprobe")`). Returns whether there is such a program.
    pub fn set_target(&mut self, program: &str, target: &str) -> bool {
        self.judge.set_target(program, target)
    }

    /// Says whether kernels have BTF of their own; the last filter that matches counts. For all
    /// others, it is inferred from their names and functions.
    pub fn set_own_btf(&mut self, kernels: Filter, has: bool) {
        self.judge.set_own_btf(kernels, has);
    }

    fn object(&mut self, number: usize, object: &Object, meanings: &[RecordMeaning]) {
        let mut functions: BTreeMap<(Option<usize>, u64), usize> = BTreeMap::new();
        let mut refused: BTreeMap<(u32, u32, u32), usize> = BTreeMap::new();
        for (record, meaning) in object.records().iter().zip(meanings) {
            let mut local = None;
            let row = match meaning {
                RecordMeaning::Relocation { index, local: its } => {
                    local = Some(*its);
                    *index
                }
                RecordMeaning::LocalTypeId(_) => continue,
                RecordMeaning::Refused(errno) => {
                    let relo = &record.relo;
                    let key = (relo.type_id.0, relo.access_str.0, relo.kind);
                    *refused.entry(key).or_insert_with(|| {
                        let kind = ReloKind::from_number(relo.kind);
                        self.refused.push(*errno);
                        self.rows.push(RelocationRow {
                            term: raw_term(object, relo.type_id, relo.access_str),
                            kind: kind.map_or_else(
                                || format!("kind {}", relo.kind),
                                |kind| kind.to_string(),
                            ),
                            root: String::new(),
                            modules: Vec::new(),
                            in_no_kernel: false,
                            usual_module: None,
                            guards: Vec::new(),
                            sites: Vec::new(),
                        });
                        self.rows.len() - 1
                    })
                }
            };
            let section = record.section.and_then(|at| object.sections().get(at));
            let symbol = section.and_then(|section| section.function_at(record.relo.insn_off));
            let start = symbol.map_or(0, |function| function.offset);
            let function = *functions.entry((record.section, start)).or_insert_with(|| {
                self.functions.push(Function {
                    object: object.name().to_owned(),
                    section: section
                        .map(|section| section.name.clone())
                        .unwrap_or_default(),
                    name: symbol
                        .map(|function| function.name.clone())
                        .unwrap_or_default(),
                });
                let size = symbol.map_or(u64::MAX, |function| function.size);
                self.bodies
                    .push(Body::new((number, object), record.section, start, size));
                self.functions.len() - 1
            });
            let offset = usize::try_from(record.relo.insn_off).unwrap_or(usize::MAX);
            if let Some(body) = self.bodies.get_mut(function).filter(|_| section.is_some()) {
                body.uses.push(Use { offset, row, local });
            }
            if let Some(row) = self.rows.get_mut(row) {
                row.sites.push(Site {
                    function,
                    insn: offset / crate::insn::INSN,
                    line: section.and_then(|section| line(object, section, record)),
                });
            }
        }
    }

    /// Resolves everything against a kernel.
    ///
    /// # Errors
    /// [`TooComplex`].
    pub fn ask(&self, btf: &Btf) -> Result<KernelAnswer, TooComplex> {
        self.ask_with_symbols(btf, None)
    }

    /// The same, for a kernel whose symbols are known.
    ///
    /// # Errors
    /// [`TooComplex`].
    pub fn ask_with_symbols(
        &self,
        btf: &Btf,
        symbols: Option<&Symbols>,
    ) -> Result<KernelAnswer, TooComplex> {
        let outcome = resolve(&self.relocations, btf)?;
        let list = self.relocations.list();
        let resolutions: Vec<Resolution> = (0..list.len())
            .map(|at| (outcome.resolution(&self.relocations, at)).unwrap_or(Resolution::Poisoned))
            .collect();
        let missing = |resolution: &Resolution| {
            matches!(
                resolution,
                Resolution::Poisoned | Resolution::Resolved { found: false, .. }
            )
        };
        let roots = (list.iter().zip(&resolutions))
            .filter(|(relocation, resolution)| {
                relocation.kind == ReloKind::EnumvalValue || missing(resolution)
            })
            .map(|(relocation, _)| &relocation.root);
        let types = TypesByName::collect(btf, roots);
        let relocations = (list.iter().zip(resolutions))
            .map(|(relocation, resolution)| {
                let why = missing(&resolution).then(|| types.why(relocation));
                (resolution, why)
            })
            .collect();
        let narrow = (list.iter().enumerate())
            .filter(|(_, relocation)| types.is_narrow(relocation))
            .map(|(at, _)| at)
            .collect();
        let answer = Answer {
            relocations,
            outcome,
            narrow,
        };
        Ok(KernelAnswer {
            modules: self.modules(btf, &answer),
            answer: once(&self.answers, answer),
            facts: once(&self.facts, self.judge.facts(btf, symbols)),
        })
    }

    /// The relocations that found a type of a module, with that module.
    fn modules(&self, btf: &Btf, answer: &Answer) -> Vec<(usize, String)> {
        if btf.first_of_modules().is_none() {
            return Vec::new();
        }
        let list = self.relocations.list();
        let types = TypesByName::collect(btf, list.iter().map(|relocation| &relocation.root));
        let found = (list.iter().zip(&answer.relocations).enumerate())
            .filter(|(_, (_, (_, why)))| why.is_none());
        let of_modules = found.flat_map(|(at, (relocation, _))| {
            (types.modules(&relocation.root)).map(move |module| (at, module.to_owned()))
        });
        of_modules.collect()
    }

    /// Assembles the report. An error instead of an answer says why a kernel's entry can't be
    /// used.
    pub fn report<'k>(
        &self,
        answers: impl IntoIterator<Item = (KernelId<'k>, Result<KernelAnswer, String>)>,
    ) -> Report {
        let mut kernels = Vec::new();
        let mut unreadable = Vec::new();
        for (kernel, answer) in answers {
            match answer {
                Ok(answer) => kernels.push((kernel, answer)),
                Err(error) => unreadable.push(Unreadable {
                    kernel: kernel.to_string(),
                    error,
                }),
            }
        }
        kernels.sort_by_cached_key(|(kernel, _)| by_name(*kernel));
        unreadable.sort_by(|a, b| a.kernel.cmp(&b.kernel));

        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|&at| self.rows.get(at).map(|row| (&row.term, &row.kind)));
        let mut columns = Vec::new();
        let mut known: HashMap<(*const Answer, *const ReachedPoison), usize> = HashMap::new();
        // Equal ones are kept once: few kernels differ in them.
        let mut distinct: HashSet<Arc<ReachedPoison>> = HashSet::new();
        let mut rows = Vec::new();
        let mut of_modules: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut in_no_kernel = vec![!kernels.is_empty(); self.rows.len()];
        let (mut judged, mut judged_already) = (Vec::new(), HashMap::new());
        for (kernel, answered) in &kernels {
            let KernelAnswer {
                answer,
                facts,
                modules,
            } = answered;
            for (at, module) in modules {
                of_modules.entry(*at).or_default().insert(module.clone());
            }
            let judged_kernel = self.judge.kernel(*kernel);
            // Equal answers and facts are shared, so their addresses identify them.
            let key = (
                Arc::as_ptr(answer),
                Arc::as_ptr(facts),
                self.judge.key(&judged_kernel, facts),
            );
            let (its, reached) = judged_already.entry(key).or_insert_with(|| {
                let (judge, relocations) = (&self.judge, &self.relocations);
                let mut of_kernel =
                    judge.judge(&judged_kernel, facts, relocations, &answer.outcome);
                let reached = Arc::new(std::mem::take(&mut of_kernel.reached));
                let same = distinct.get(&reached).cloned();
                judged.push(of_kernel);
                let reached = same.unwrap_or_else(|| {
                    distinct.insert(Arc::clone(&reached));
                    reached
                });
                (judged.len() - 1, reached)
            });
            let key = (Arc::as_ptr(answer), Arc::as_ptr(reached));
            let column = *known.entry(key).or_insert_with(|| {
                for (slot, (_, why)) in in_no_kernel.iter_mut().zip(&answer.relocations) {
                    *slot &= why.as_ref().is_some_and(|why| why.is_nameless);
                }
                columns.push(self.column(answer, reached, &order));
                columns.len() - 1
            });
            rows.push(Kernel {
                distro: kernel.distro.to_owned(),
                version: kernel.version.to_owned(),
                arch: kernel.arch.as_str().to_owned(),
                release: kernel.release.to_owned(),
                series: series(kernel.release),
                column,
                program_column: *its,
                object_column: *its,
            });
        }
        let programs = Columns::new(judged.iter().map(|judged| &judged.programs));
        let whole = Columns::new(judged.iter().map(|judged| &judged.objects));
        for row in &mut rows {
            row.program_column = programs.number(row.program_column);
            row.object_column = whole.number(row.object_column);
        }
        let distinct: BTreeSet<&Verdict> = columns.iter().flatten().collect();
        let numbers: HashMap<&Verdict, usize> = distinct.iter().copied().zip(0..).collect();
        let mut places = vec![0; order.len()];
        for (place, &at) in order.iter().enumerate() {
            if let Some(slot) = places.get_mut(at) {
                *slot = place;
            }
        }
        Report {
            objects: self.objects.clone(),
            functions: self.functions.clone(),
            relocations: (order.iter())
                .filter_map(|&at| Some((at, self.rows.get(at)?)))
                .map(|(at, row)| RelocationRow {
                    modules: (of_modules.remove(&at).unwrap_or_default())
                        .into_iter()
                        .collect(),
                    in_no_kernel: at < self.relocations.list().len()
                        && in_no_kernel.get(at) == Some(&true),
                    guards: (row.guards.iter())
                        .filter_map(|&at| places.get(at).copied())
                        .collect(),
                    ..row.clone()
                })
                .collect(),
            kernels: rows,
            columns: (columns.iter())
                .map(|column| {
                    (column.iter())
                        .filter_map(|verdict| numbers.get(verdict).copied())
                        .collect()
                })
                .collect(),
            verdicts: distinct.into_iter().cloned().collect(),
            programs: self.judge.programs().to_vec(),
            program_columns: programs.columns,
            program_verdicts: programs.verdicts,
            object_columns: whole.columns,
            object_verdicts: whole.verdicts,
            unreadable,
        }
    }

    fn column(&self, answer: &Answer, reached: &ReachedPoison, order: &[usize]) -> Vec<Verdict> {
        let list = self.relocations.list();
        let verdicts = effects(list, &self.refused, answer, &self.bodies, reached);
        order
            .iter()
            .filter_map(|&at| verdicts.get(at).cloned())
            .collect()
    }
}

/// The equal one that is known already, or else this one.
fn once<T: Eq + std::hash::Hash>(known: &Mutex<HashSet<Arc<T>>>, one: T) -> Arc<T> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    match known.get(&one) {
        Some(earlier) => Arc::clone(earlier),
        None => {
            let one = Arc::new(one);
            known.insert(Arc::clone(&one));
            one
        }
    }
}

/// The relocations that check whether `of`, or a part of the path to it, exists.
fn guards(list: &[Relocation], of: &Relocation) -> Vec<usize> {
    if is_check(of.kind) {
        return Vec::new();
    }
    let covers = |check: &Relocation| {
        check.root == of.root
            && match (&check.spec, &of.spec) {
                (Spec::Type(_) | Spec::TypeMatch(_), _) => {
                    matches!(check.kind, ReloKind::TypeExists | ReloKind::TypeMatches)
                }
                (Spec::Field(check), Spec::Field(of)) => is_prefix(check, of),
                (Spec::Enumerator(check), Spec::Enumerator(of)) => check == of,
                _ => false,
            }
    };
    (list.iter().enumerate())
        .filter(|(_, check)| is_check(check.kind) && covers(check))
        .map(|(at, _)| at)
        .collect()
}

/// Whether it checks for existence, with a result of 0 or 1.
fn is_check(kind: ReloKind) -> bool {
    matches!(
        kind,
        ReloKind::FieldExists
            | ReloKind::TypeExists
            | ReloKind::TypeMatches
            | ReloKind::EnumvalExists
    )
}

fn is_prefix(check: &[Accessor], of: &[Accessor]) -> bool {
    check.len() <= of.len()
        && check.iter().zip(of).all(|pair| match pair {
            (Accessor::Member { name: a, .. }, Accessor::Member { name: b, .. }) => a == b,
            (Accessor::Index(a), Accessor::Index(b)) => a == b,
            _ => false,
        })
}

fn line(object: &Object, section: &ProgramSection, record: &Record) -> Option<SourceLine> {
    let info = section.line_at(record.relo.insn_off)?;
    let btf = object.btf();
    Some(SourceLine {
        file: text(btf.string(info.file)),
        line: info.line_col >> 10,
        column: info.line_col & 0x3ff,
        text: source_text(btf.string(info.line)),
    })
}

/// A line of source without its indentation, and with tabs replaced by spaces.
fn source_text(line: &[u8]) -> String {
    let words = line.trim_ascii().split(|byte| *byte == b'\t');
    text(&words.collect::<Vec<_>>().join(&b' '))
}

/// `5.10` of `5.10.0-30-amd64`.
fn series(release: &str) -> String {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if !major.is_empty() && !minor.is_empty() => {
            format!("{major}.{minor}")
        }
        _ => release.to_owned(),
    }
}
