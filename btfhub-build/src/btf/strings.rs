//! The string section, and how libbpf interprets names.

use super::error::{BtfError, BtfErrorKind};

/// The bytes before the first NUL. Scans eight bytes at a time while there are that many. Plain
/// indexing, as in [`essential_name`].
pub(super) fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk() {
        if let Some(more) = first_nul(u64::from_le_bytes(*chunk)) {
            return bytes.get(..end + more);
        }
        end += 8;
        rest = tail;
    }
    while end < bytes.len() {
        if bytes[end] == 0 {
            return Some(&bytes[..end]);
        }
        end += 1;
    }
    None
}

/// The index of the first NUL among eight bytes; the first byte is the lowest.
#[inline(always)]
pub(crate) fn first_nul(bytes: u64) -> Option<usize> {
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    // A byte borrows from its highest bit if it is 0, or if a lower byte borrowed. The lowest
    // one that did is the NUL.
    let nuls = bytes.wrapping_sub(LOWEST) & !bytes & LOWEST << 7;
    (nuls != 0).then_some(nuls.trailing_zeros() as usize / 8)
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

/// A name without its flavor: the part before the last `___` that has a character other than
/// `_` on both sides (libbpf's `bpf_core_essential_name_len`).
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
    use super::{essential_name, until_nul};

    #[test]
    fn strings_end_at_the_first_nul() {
        // Bytes that a subtraction may take for a NUL beside one.
        for byte in [1, 0x7f, 0x80, 0x81, 0xff] {
            for len in 0..20 {
                for nul in 0..len {
                    let mut bytes = vec![byte; len];
                    bytes[nul] = 0;
                    assert_eq!(until_nul(&bytes), Some(&vec![byte; nul][..]));
                    bytes[len - 1] = 0;
                    assert_eq!(until_nul(&bytes), Some(&vec![byte; nul][..]));
                }
                assert_eq!(until_nul(&vec![byte; len]), None);
            }
        }
    }

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
