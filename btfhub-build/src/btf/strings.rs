//! The string section and what libbpf makes of names.

use super::StrOffset;
use super::error::{BtfError, BtfErrorKind};
use super::read::Btf;

impl Btf {
    /// The string at `offset` without its NUL; empty when it lies beyond the
    /// section, as it does for no offset that [`Btf::parse`] let pass.
    pub fn string(&self, offset: StrOffset) -> &[u8] {
        let tail = self.string_tail(offset);
        let end = tail.iter().position(|&byte| byte == 0).unwrap_or(0);
        tail.get(..end).unwrap_or_default()
    }

    /// The string at `offset` if it is shorter than 32 bytes, else its
    /// beginning: for comparing with short ones, however long it is.
    pub(super) fn short_string(&self, offset: StrOffset) -> &[u8] {
        let tail = self.string_tail(offset);
        let tail = tail.get(..32).unwrap_or(tail);
        tail.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The string section from `offset` on.
    pub(crate) fn string_tail(&self, offset: StrOffset) -> &[u8] {
        match (&self.base, offset.0.checked_sub(self.first_string)) {
            (Some(base), None) => base.string_tail(offset),
            (_, Some(own)) => self.strings().get(own as usize..).unwrap_or_default(),
            (None, None) => &[],
        }
    }
}

/// libbpf's `btf_parse_str_sec`.
pub(super) fn check_strings(strings: &[u8], at: usize, has_base: bool) -> Result<(), BtfError> {
    let what = if strings.is_empty() {
        if has_base {
            return Ok(());
        }
        "it is empty"
    } else if strings.last() != Some(&0) {
        "it does not end with a NUL"
    } else if !has_base && strings.first() != Some(&0) {
        "it does not begin with the empty string (is this a module's BTF without its base?)"
    } else {
        return Ok(());
    };
    Err(BtfError::new(at as u64, BtfErrorKind::Strings(what)))
}

/// A name without its flavor: what is before the last `___` that has a
/// character other than `_` on both sides (libbpf's
/// `bpf_core_essential_name_len`).
///
/// ```
/// use btfhub_build::btf::essential_name;
/// assert_eq!(essential_name(b"task_struct___v5_14"), b"task_struct");
/// assert_eq!(essential_name(b"a___b___c"), b"a___b");
/// assert_eq!(essential_name(b"trailing___"), b"trailing___");
/// ```
pub fn essential_name(name: &[u8]) -> &[u8] {
    let mut start = name.len().saturating_sub(5).saturating_add(1);
    if name.len() < 5 {
        return name;
    }
    while start > 0 {
        start -= 1;
        if let Some([before, b'_', b'_', b'_', after]) = name.get(start..start + 5) {
            if *before != b'_' && *after != b'_' {
                return name.get(..=start).unwrap_or(name);
            }
        }
    }
    name
}
