//! A kernel's symbols: what its BTF does not show about its functions.
//!
//! BTF lists functions that the compiler inlined or renamed (`.isra.0`) and ones that can't be
//! traced (`notrace`, `__init`), and it lacks others. `/proc/kallsyms` and
//! `available_filter_functions` have the truth. An entry may hold both as a text member
//! `<release>.symbols`, with a line for each name on which they differ from the BTF:
//!
//! ```text
//! btfhub symbols 1
//! - blk_account_io_done      in the BTF, not in the kernel
//! n native_sched_clock       exists, can't be traced
//! h sched_clock              the same, or an alias of one that can: addresses are hidden
//! t2 type_show               two functions, can be traced
//! t finish_task_switch.isra.0
//! ```
//!
//! Names are sorted and unique. A function of the BTF without a line exists once and can be
//! traced; any other name does not exist.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::archive::Decoded;
use crate::btf::{Btf, Kind};

const HEAD: &str = "btfhub symbols 1";
/// `KSYM_NAME_LEN` of Linux 6.1 and later.
const LONGEST_NAME: usize = 511;

/// The symbols of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbols(String);

/// What is known about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    /// How many functions have it.
    pub count: u32,
    /// Whether ftrace can trace it.
    pub is_traceable: bool,
    /// Whether it may be an alias of a function that can be traced: only addresses would show
    /// that, and they were hidden.
    pub may_be_alias: bool,
}

/// Why symbols can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolsError {
    /// The member is damaged in this line, counted from 1.
    Line(usize),
    /// A file of the kernel is not what it should be: its name, and the number of the line.
    File(&'static str, usize),
    /// They are another kernel's: they lack many of the BTF's functions.
    Foreign {
        /// How many are missing.
        missing: usize,
        /// Of how many.
        functions: usize,
    },
}

impl fmt::Display for SymbolsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "the symbols are damaged in line {line}"),
            Self::File(file, line) => write!(f, "line {line} is not a line of {file}"),
            Self::Foreign { missing, functions } => write!(
                f,
                "the symbols are another kernel's: {missing} of the {functions} functions of the \
                 BTF are not among them"
            ),
        }
    }
}

impl std::error::Error for SymbolsError {}

impl Symbols {
    /// The symbols in an entry, if it has any.
    ///
    /// # Errors
    /// If they are damaged.
    pub fn of(decoded: &Decoded) -> Result<Option<Self>, SymbolsError> {
        decoded.symbols.as_deref().map(Self::parse).transpose()
    }

    /// Reads a member.
    ///
    /// # Errors
    /// If a line is damaged or out of order.
    pub fn parse(bytes: &[u8]) -> Result<Self, SymbolsError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SymbolsError::Line(1))?;
        let mut last = "";
        for (number, text) in (1..).zip(text.lines()) {
            let damaged = SymbolsError::Line(number);
            if number == 1 {
                if text != HEAD {
                    return Err(damaged);
                }
                continue;
            }
            let Some((name, _)) = line(text).filter(|(name, _)| *name > last) else {
                return Err(damaged);
            };
            last = name;
        }
        if text.is_empty() {
            return Err(SymbolsError::Line(1));
        }
        Ok(Self(text.to_owned()))
    }

    /// Makes a kernel's symbols from its own files: `/proc/kallsyms`, with addresses or zeros, and
    /// `available_filter_functions` of tracefs. Leaves out the symbols of modules.
    ///
    /// # Errors
    /// If a file is not what it should be, or lacks more than one in ten functions of the BTF.
    pub fn make(kallsyms: &str, traceable: &str, kernel: &Btf) -> Result<Self, SymbolsError> {
        let mut counts: BTreeMap<&str, (u32, Vec<&str>)> = BTreeMap::new();
        for (number, text) in (1..).zip(kallsyms.lines()) {
            let mut words = text.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                return Err(SymbolsError::File("/proc/kallsyms", number));
            };
            if !address.bytes().all(|byte| byte.is_ascii_hexdigit()) || kind.len() != 1 {
                return Err(SymbolsError::File("/proc/kallsyms", number));
            }
            let is_function = matches!(kind, "t" | "T" | "w" | "W");
            if is_function && words.next().is_none() && is_name(name) && !is_mark(name) {
                let (count, addresses) = counts.entry(name).or_default();
                *count = count.saturating_add(1);
                addresses.push(address);
            }
        }
        let mut filters = HashSet::new();
        for (number, text) in (1..).zip(traceable.lines()) {
            let mut words = text.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some(name), None) if is_name(name) => _ = filters.insert(name),
                (Some(_), Some(module)) if module.starts_with('[') => {}
                _ => return Err(SymbolsError::File("available_filter_functions", number)),
            }
        }
        let functions = kernel.ids_of_kernel().filter_map(|id| kernel.ty(id));
        let functions = functions.filter(|ty| ty.kind() == Kind::Func);
        let functions =
            functions.filter_map(|ty| std::str::from_utf8(kernel.string(ty.name())).ok());
        let functions: HashSet<&str> = functions.filter(|name| is_name(name)).collect();
        let missing = (functions.iter())
            .filter(|name| !counts.contains_key(**name))
            .count();
        if missing > functions.len() / 10 || counts.is_empty() {
            let functions = functions.len();
            return Err(SymbolsError::Foreign { missing, functions });
        }
        // ftrace lists one name for each address, but functions may have several.
        let mut of_traceable: HashSet<&str> = HashSet::new();
        for (_, (_, addresses)) in counts.iter().filter(|(name, _)| filters.contains(**name)) {
            of_traceable.extend(addresses.iter());
        }
        let is_hidden = of_traceable
            .iter()
            .all(|address| address.bytes().all(|digit| digit == b'0'));
        let mut lines: BTreeMap<&str, String> = BTreeMap::new();
        for (name, (count, addresses)) in &counts {
            let is_traceable = filters.contains(name)
                || !is_hidden
                    && addresses
                        .iter()
                        .any(|address| of_traceable.contains(address));
            if is_traceable && *count == 1 && functions.contains(name) {
                continue;
            }
            let kind = match (is_traceable, is_hidden) {
                (true, _) => 't',
                (false, true) => 'h',
                (false, false) => 'n',
            };
            let count = if *count > 1 {
                count.to_string()
            } else {
                String::new()
            };
            lines.insert(name, format!("{kind}{count} {name}\n"));
        }
        for name in functions.iter().filter(|name| !counts.contains_key(**name)) {
            lines.insert(name, format!("- {name}\n"));
        }
        let lines: String = lines.into_values().collect();
        Ok(Self(format!("{HEAD}\n{lines}")))
    }

    /// The member.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The names on which the BTF is wrong, in order; a count of 0 means that the kernel does not
    /// have the function.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Symbol)> {
        self.0.lines().skip(1).filter_map(line)
    }
}

/// Parses a line.
fn line(text: &str) -> Option<(&str, Symbol)> {
    let (how, name) = text.split_once(' ')?;
    let (kind, count) = how.split_at_checked(1)?;
    let count = match (kind, count) {
        ("-", "") => 0,
        ("t" | "n" | "h", "") => 1,
        ("t" | "n" | "h", count) => count.parse().ok().filter(|count| *count > 1)?,
        _ => return None,
    };
    let is_traceable = kind == "t";
    is_name(name).then_some((
        name,
        Symbol {
            count,
            is_traceable,
            may_be_alias: kind == "h",
        },
    ))
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Symbols that don't name functions: the padding before functions, and marks of code and data on
/// ARM (`$x`, `$d`).
fn is_mark(name: &str) -> bool {
    ["__pfx_", "__cfi_", "$"]
        .iter()
        .any(|mark| name.starts_with(mark))
}
