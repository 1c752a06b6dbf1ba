//! Definitions as C text with one member per line, for people and for line-by-line comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::bytes::to_signed;
use super::decode::{Decoded, Group};
use super::definition::{body_len, elements, inline_kind, shape, split, type_len};
use super::error::AtlasError;
use super::numbers::{DefinitionNumber, GroupNumber, KernelNumber, ModuleNumber, StringNumber};
use super::read::Atlas;
use crate::btf::Kind;
use crate::error::shown;

/// One definition of an atlas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefinitionText {
    /// Kind and name, `struct task_struct`.
    pub title: String,
    /// Its lines.
    pub lines: Vec<String>,
    /// The modules of the kernel that have it; empty if the kernel itself does.
    pub modules: Vec<String>,
}

impl Atlas {
    /// The definitions of one kernel and its modules, or of the whole atlas, whose essential
    /// name is wanted. Those of one title are in the kernel's order, and those of modules
    /// follow.
    ///
    /// # Errors
    /// If there is no such kernel, or the atlas is damaged.
    pub fn texts(
        &self,
        kernel: Option<KernelNumber>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<DefinitionText>, AtlasError> {
        let holding = kernel.map(|kernel| self.holding_of(kernel)).transpose()?;
        let mut of_modules: BTreeMap<DefinitionNumber, Vec<ModuleNumber>> = BTreeMap::new();
        for module in kernel.map_or_else(Vec::new, |kernel| self.modules_of(kernel)) {
            for &definition in &module.set.held {
                of_modules.entry(definition).or_default().push(module.name);
            }
        }
        let mut texts = Vec::new();
        for number in self.groups() {
            let (kind, name) = self.title(number)?;
            let essential = shown(name);
            if !wanted(&essential) {
                continue;
            }
            let group = self.group(number)?;
            let first = self.first_definition(number)?;
            let all = || {
                let numbers = (first.0..).take(group.variants.len());
                numbers.map(DefinitionNumber).collect()
            };
            let mut numbers: Vec<_> = holding.as_ref().map_or_else(all, |holding| {
                holding.set.candidates(first, group.variants.len())
            });
            let own: BTreeSet<_> = numbers.iter().copied().collect();
            let count = u32::try_from(group.variants.len()).unwrap_or(u32::MAX);
            let end = DefinitionNumber(first.0.saturating_add(count));
            let others = of_modules.range(first..end);
            let others = others.map(|(&definition, _)| definition);
            numbers.extend(others.filter(|definition| !own.contains(definition)));
            for definition in numbers {
                let index = definition
                    .0
                    .checked_sub(first.0)
                    .map(|index| index as usize);
                let variant = index.and_then(|index| group.variants.get(index));
                if let Some(variant) = variant {
                    texts.push(DefinitionText {
                        title: format!("{} {essential}", word(kind)),
                        lines: self.lines(&group, variant, &essential)?,
                        modules: (of_modules.get(&definition).into_iter().flatten())
                            .filter(|_| !own.contains(&definition))
                            .filter_map(|&name| self.module_names().get(name.index()).cloned())
                            .collect(),
                    });
                }
            }
        }
        Ok(texts)
    }

    fn lines(
        &self,
        group: &Group,
        variant: &Decoded,
        name: &str,
    ) -> Result<Vec<String>, AtlasError> {
        let body = group.body(variant);
        let flavored = match variant.flavored {
            StringNumber::EMPTY => None,
            number => Some(shown(self.string(number)?)),
        };
        let name = flavored.as_deref().unwrap_or(name);
        let at = |index: usize| body.get(index).copied().unwrap_or(0);
        Ok(match variant.kind {
            Kind::Typedef => vec![format!("typedef {};", self.declare(body, name)?)],
            Kind::Func | Kind::Var => vec![format!("{};", self.declare(body, name)?)],
            Kind::Int => vec![format!("int {name}: {} bytes, {:#x}", at(0), at(1))],
            Kind::Float => vec![format!("float {name}: {} bytes", at(0))],
            Kind::Fwd => vec![format!(
                "{} {name};",
                if at(0) == 0 { "struct" } else { "union" }
            )],
            kind => {
                let mut lines = vec![format!("{} {name} {{", word(kind))];
                lines.extend(self.element_lines(kind, body)?);
                lines.push(format!("}}; /* {} */", size(kind, body)));
                lines
            }
        })
    }

    fn element_lines(&self, kind: Kind, body: &[u32]) -> Result<Vec<String>, AtlasError> {
        let mut lines = Vec::new();
        for element in elements(kind, body) {
            let name = shown(self.string(StringNumber(element.name))?);
            lines.push(if kind.is_any_enum() {
                format!("    {name} = {},", to_signed(element.place))
            } else {
                let mut line = format!("    {}", self.declare(element.ty, &name)?);
                if element.bits != 0 {
                    let _ = write!(line, " : {}", element.bits);
                }
                let (byte, bit) = (element.place / 8, element.place % 8);
                if bit == 0 {
                    let _ = write!(line, "; /* {byte} */");
                } else {
                    let _ = write!(line, "; /* {byte}.{bit} */");
                }
                line
            });
        }
        Ok(lines)
    }

    /// A C declaration of `what` with the type that `words` describe.
    fn declare(&self, words: &[u32], what: &str) -> Result<String, AtlasError> {
        let Some((&first, rest)) = words.split_first() else {
            return Ok(what.to_owned());
        };
        let (shape, argument) = split(first);
        let with = |ty: &str| {
            if what.is_empty() {
                ty.to_owned()
            } else {
                format!("{ty} {what}")
            }
        };
        // `[]` and `()` bind tighter than `*`.
        let closer = if what.starts_with('*') {
            format!("({what})")
        } else {
            what.to_owned()
        };
        Ok(match shape {
            shape::VOID => with("void"),
            shape::NAMED | shape::OTHER => {
                let (kind, name) = self.title(GroupNumber(argument))?;
                let name = shown(name);
                let ty = match kind {
                    Kind::Typedef | Kind::Int | Kind::Float => name,
                    Kind::Fwd => format!("struct {name}"),
                    kind => format!("{} {name}", word(kind)),
                };
                match rest.first() {
                    Some(ordinal) if shape == shape::OTHER => {
                        with(&format!("{ty} /* #{} */", u64::from(*ordinal) + 1))
                    }
                    _ => with(&ty),
                }
            }
            shape::PTR => self.declare(rest, &format!("*{what}"))?,
            shape::ARRAY => {
                let nelems = rest.first().copied().unwrap_or(0);
                let element = rest.get(1..).unwrap_or_default();
                self.declare(element, &format!("{closer}[{nelems}]"))?
            }
            shape::PROTO => {
                let mut params = Vec::new();
                let mut next = rest.get(type_len(rest)..).unwrap_or_default();
                for _ in 0..argument {
                    params.push(self.declare(next, "")?);
                    next = next.get(type_len(next)..).unwrap_or_default();
                }
                let params = params.join(", ");
                self.declare(rest, &format!("{closer}({params})"))?
            }
            _ => {
                let kind = inline_kind(argument);
                let body = rest.get(..body_len(kind, rest)).unwrap_or_default();
                let inner = self.element_lines(kind, body)?;
                let inner: Vec<&str> = inner.iter().map(|line| line.trim()).collect();
                with(&format!(
                    "{} {{ {} }} /* {} */",
                    word(kind),
                    inner.join(" "),
                    size(kind, body)
                ))
            }
        })
    }
}

/// The size of a type in bytes.
fn size(kind: Kind, body: &[u32]) -> u32 {
    let index = usize::from(kind.is_composite() || kind.is_any_enum());
    body.get(index).copied().unwrap_or(0)
}

/// The C keyword of a kind, or a word like it.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Enum => "enum",
        Kind::Enum64 => "enum64",
        Kind::Fwd => "forward",
        Kind::Typedef => "typedef",
        Kind::Float => "float",
        Kind::Func => "function",
        Kind::Var => "variable",
        _ => "int",
    }
}
