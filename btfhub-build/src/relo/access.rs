//! The access string `0:1:2`.

use super::kind::Errno;

/// `BPF_CORE_SPEC_MAX_LEN`: steps of an access, in the local type and, with
/// those through anonymous members, in the target.
pub(super) const SPEC_MAX_LEN: usize = 64;

/// Reads an access string as `bpf_core_parse_spec` does with `sscanf("%d%n")`:
/// numbers with one `:` before each but the first, blanks before a number
/// allowed.
///
/// # Errors
/// `Invalid` where libbpf answers `-EINVAL`, and for negative numbers, with
/// which libbpf 1.7.0 reads beyond the type and libbpf 1.8 refuses; `TooBig`
/// for more than 64 numbers.
pub(super) fn parse_access(text: &[u8]) -> Result<Vec<u32>, Errno> {
    if matches!(text.first(), None | Some(b':')) {
        return Err(Errno::Invalid);
    }
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let [b':', tail @ ..] = rest {
            rest = tail;
        }
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r'))
            .count();
        rest = rest.get(blanks..).unwrap_or_default();
        if let [b'+', tail @ ..] = rest {
            rest = tail;
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, tail) = rest.split_at(digits);
        let number: i32 = std::str::from_utf8(number)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or(Errno::Invalid)?;
        if steps.len() == SPEC_MAX_LEN {
            return Err(Errno::TooBig);
        }
        steps.push(u32::try_from(number).map_err(|_| Errno::Invalid)?);
        rest = tail;
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_sscanf_reads() {
        assert_eq!(parse_access(b"0"), Ok(vec![0]));
        assert_eq!(parse_access(b"0:12:3"), Ok(vec![0, 12, 3]));
        assert_eq!(parse_access(b"0 1"), Ok(vec![0, 1]));
        for wrong in [
            &b""[..],
            b":0",
            b"0:",
            b"0::1",
            b"x",
            b"-1",
            b"0:99999999999",
        ] {
            assert_eq!(parse_access(wrong), Err(Errno::Invalid));
        }
        assert_eq!(
            parse_access("0:".repeat(64).as_bytes()),
            Err(Errno::Invalid)
        );
        let longest = ["0"; 64].join(":");
        assert_eq!(
            parse_access(longest.as_bytes()).map(|steps| steps.len()),
            Ok(64)
        );
        let longer = ["0"; 65].join(":");
        assert_eq!(parse_access(longer.as_bytes()), Err(Errno::TooBig));
    }
}
