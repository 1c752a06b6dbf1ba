//! Looks for what there is to say about a build.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Diagnostic, Lint};
use crate::archive::{Anomaly, Oddity};
use crate::btf::{Btf, Kind, TypeId};
use crate::builder::Generated;
use crate::error::{count, shown};
use crate::object::Object;
use crate::relo::ReloKind;
use crate::report::Survey;

/// Sections whose programs libbpf attaches through the kernel's own BTF: those
/// with `SEC_ATTACH_BTF` in its table `section_defs`, without `freplace`, which
/// goes by another program's BTF. `.s` behind the name means sleepable.
const BY_KERNEL_BTF: [&str; 8] = [
    "fentry",
    "fexit",
    "fmod_ret",
    "fsession",
    "iter",
    "lsm",
    "lsm_cgroup",
    "tp_btf",
];

/// More entries than this, decoded by unoptimised code, are worth a word.
const MANY_ENTRIES: usize = 200;

/// How this crate itself is compiled.
const OPT_LEVEL: &str = env!("BTFHUB_OPT_LEVEL");

/// Everything that the wanted lints have to say about what was generated.
pub(crate) fn find(generated: &Generated, wanted: impl Fn(Lint) -> bool) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if wanted(Lint::FailingRelocations) {
        found.extend(failing_relocations(generated));
    }
    for object in generated.objects() {
        found.extend(of_object(object));
    }
    found.extend(of_entries(generated));
    let decoded = generated.decoded_entries();
    if OPT_LEVEL == "0" && decoded > MANY_ENTRIES {
        found.push(Diagnostic {
            lint: Lint::Unoptimised,
            message: format!(
                "{decoded} entries were processed by unoptimised code, as build scripts are \
                 compiled by default; in the Cargo.toml of the workspace, \
                 `[profile.dev.build-override] opt-level = 3` and the same for \
                 `profile.release` make it several times as fast"
            ),
        });
    }
    found.retain(|diagnostic| wanted(diagnostic.lint));
    found
}

/// Relocations that keep something from being loaded, the three worst by name.
/// A class answers as each of its kernels does.
fn failing_relocations(generated: &Generated) -> Option<Diagnostic> {
    let objects: Vec<Object> = generated.objects().cloned().collect();
    let survey = Survey::new(&objects);
    let ask = |btf: &Arc<[u8]>| survey.ask(&Btf::parse(btf).ok()?).ok();
    let answers: Vec<_> = generated.classes().iter().map(ask).collect();
    let kernels = generated.kernels().iter();
    let report = survey.report(kernels.filter_map(|kernel| {
        let answer = answers.get(kernel.class())?.clone()?;
        Some((kernel.id(), Ok(answer)))
    }));
    let failing: Vec<_> = (report.findings().into_iter())
        .filter(|finding| finding.verdict.effect.fails())
        .collect();
    let kernels: BTreeSet<_> = (failing.iter())
        .flat_map(|finding| &finding.kernels)
        .map(|kernel| {
            (
                &kernel.distro,
                &kernel.version,
                &kernel.arch,
                &kernel.release,
            )
        })
        .collect();
    let mut worst: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &failing {
        *worst.entry(&finding.asked.term).or_default() += finding.kernels.len();
    }
    let mut worst: Vec<(&str, usize)> = worst.into_iter().collect();
    worst.sort_by_key(|(_, kernels)| std::cmp::Reverse(*kernels));
    let named: Vec<String> = (worst.iter().take(3))
        .map(|(term, kernels)| format!("`{term}` ({kernels})"))
        .collect();
    (!worst.is_empty()).then(|| Diagnostic {
        lint: Lint::FailingRelocations,
        message: format!(
            "programs cannot be loaded on {} of {}, because of {} there: {}{}; `cargo btfhub \
             report` says why",
            kernels.len(),
            count(generated.kernels().len(), "kernel", "kernels"),
            count(
                worst.len(),
                "relocation that finds nothing or is refused",
                "relocations that find nothing or are refused"
            ),
            named.join(", "),
            if worst.len() > 3 { ", …" } else { "" }
        ),
    })
}

fn of_object(object: &Object) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let name = object.name();
    let mut say = |lint, message| found.push(Diagnostic { lint, message });
    if object.records().is_empty() {
        say(
            Lint::NoRelocations,
            format!(
                "{name} has no CO-RE relocations: no kernel's BTF changes anything for it; in C \
                 `BPF_CORE_READ` and `__attribute__((preserve_access_index))` make some, in Rust \
                 there are none today"
            ),
        );
    }
    let kinds: BTreeSet<ReloKind> = (object.records().iter())
        .filter_map(|record| ReloKind::from_number(record.relo.kind))
        .collect();
    if kinds.contains(&ReloKind::TypeIdTarget) {
        say(
            Lint::TypeIdTarget,
            format!(
                "{name} asks for ids of types in the kernel's BTF (bpf_core_type_id_kernel): with \
                 the embedded BTF it gets the embedded one's, which mean nothing to the kernel; \
                 there don't hand them to it (bpf_snprintf_btf and the like)"
            ),
        );
    }
    if kinds.contains(&ReloKind::TypeMatches) {
        say(
            Lint::AyaTypeMatches,
            format!(
                "{name} uses bpf_core_type_matches, for which aya refuses the object; load it with \
                 libbpf, or ask bpf_core_type_exists and bpf_core_field_exists instead"
            ),
        );
    }
    let needs = needs_kernel_btf(object);
    if !needs.is_empty() {
        let needs: Vec<String> = needs.into_iter().collect();
        say(
            Lint::NeedsKernelBtf,
            format!(
                "{name}: {} need the running kernel's own BTF, whatever is embedded; on kernels \
                 without it don't load them (set_autoload(false)), or take kprobes and raw \
                 tracepoints there",
                needs.join(", ")
            ),
        );
    }
    found
}

/// What of an object libbpf takes to the running kernel's own BTF
/// (`obj_needs_vmlinux_btf`), apart from relocations.
fn needs_kernel_btf(object: &Object) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    for section in object.sections() {
        // A question mark keeps a program from being loaded by default.
        let name = section.name.trim_start_matches('?');
        let kind = name.split('/').next().unwrap_or(name);
        let kind = kind.strip_suffix(".s").unwrap_or(kind);
        if BY_KERNEL_BTF.contains(&kind) || kind == "struct_ops" {
            needs.insert(name.to_owned());
        }
    }
    let btf = object.btf();
    for id in btf.ids() {
        let Some(section) = btf.ty(id).filter(|ty| ty.kind() == Kind::DataSec) else {
            continue;
        };
        if btf.string(section.name()) == b".ksyms" {
            needs.extend(section.variables().filter_map(|id| typed_ksym(btf, id)));
        }
    }
    needs
}

/// A symbol of the kernel that is looked for by its type: a kfunc, or a
/// variable that is not `void`.
fn typed_ksym(btf: &Btf, id: TypeId) -> Option<String> {
    let ty = btf.ty(id)?;
    let name = shown(btf.string(ty.name()));
    match ty.kind() {
        Kind::Func => Some(format!("kfunc {name}")),
        Kind::Var => {
            let (target, _) = btf.skip_modifiers(ty.referenced())?;
            (target != TypeId::VOID).then(|| format!("typed ksym {name}"))
        }
        _ => None,
    }
}

fn of_entries(generated: &Generated) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let bad = generated.bad_entries();
    if let Some(first) = bad.first() {
        found.push(Diagnostic {
            lint: Lint::SkippedEntries,
            message: format!(
                "{} of the archive cannot be used and {} left out (`cargo btfhub check` says why); \
                 the first: {first}",
                count(bad.len(), "entry", "entries"),
                if bad.len() == 1 { "was" } else { "were" },
            ),
        });
    }
    let odd: Vec<&Anomaly> = (generated.archives().iter())
        .flat_map(|archive| archive.anomalies())
        .filter(|anomaly| is_suspicious(anomaly.oddity()))
        .collect();
    if let Some(first) = odd.first() {
        found.push(Diagnostic {
            lint: Lint::OddEntries,
            message: format!(
                "the archive holds {} (`cargo btfhub list` names them); the first: {first}",
                count(
                    odd.len(),
                    "thing that is not as it should be",
                    "things that are not as they should be"
                )
            ),
        });
    }
    found
}

/// Whether an oddity may be a mistake. Links and side files are part of the
/// published archive.
fn is_suspicious(oddity: &Oddity) -> bool {
    !matches!(
        oddity,
        Oddity::Alias(_) | Oddity::LinkFile(_) | Oddity::SideFile | Oddity::BuildCounter(_)
    )
}
