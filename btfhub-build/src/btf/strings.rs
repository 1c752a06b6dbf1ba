//! The string section and what libbpf makes of names.

use super::StrOffset;
use super::error::{BtfError, BtfErrorKind};
use super::read::Btf;

impl Btf {
    /// The string at `offset` without its NUL; empty when it lies beyond the
    /// section, as it does for no offset that [`Btf::parse`] let pass.
    pub fn string(&self, offset: StrOffset) -> &[u8] {
        // The section ends with a NUL: without one, the offset is beyond it.
        until_nul(self.string_tail(offset)).unwrap_or_default()
    }

    /// The string at `offset` if it is shorter than 32 bytes, else its
    /// beginning: for comparing with short ones, however long it is.
    pub(super) fn short_string(&self, offset: StrOffset) -> &[u8] {
        let tail = self.string_tail(offset);
        let tail = tail.get(..32).unwrap_or(tail);
        until_nul(tail).unwrap_or(tail)
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

/// What is before the first NUL. Plain indexing, as in [`essential_name`].
fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    while end < bytes.len() {
        if bytes[end] == 0 {
            return Some(&bytes[..end]);
        }
        end += 1;
    }
    None
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
    // The place of the last of the three underscores; plain indexing, as names
    // are read by the ten thousand in build scripts.
    let mut last = name.len().saturating_sub(2);
    while last >= 3 {
        if name[last] == b'_'
            && name[last - 1] == b'_'
            && name[last - 2] == b'_'
            && name[last - 3] != b'_'
            && name[last + 1] != b'_'
        {
            return &name[..last - 2];
        }
        last -= 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::essential_name;

    #[test]
    fn flavors_are_cut_as_libbpf_cuts_them() {
        for (name, essential) in [
            ("", ""),
            ("a___b", "a"),
            ("a___", "a___"),
            ("___b", "___b"),
            ("a____b", "a____b"),
            ("a___b___c", "a___b"),
            ("a___b____c", "a"),
            ("ab___cd_", "ab"),
            ("a__b", "a__b"),
            ("_x___y", "_x"),
        ] {
            assert_eq!(
                essential_name(name.as_bytes()),
                essential.as_bytes(),
                "{name}"
            );
        }
    }
}
