//! The access string `0:1:2`.

use super::kind::Errno;

/// `BPF_CORE_SPEC_MAX_LEN`: steps of an access, in the local type and, with
/// those through anonymous members, in the target.
pub(super) const SPEC_MAX_LEN: usize = 64;

/// Reads an access string as `bpf_core_parse_spec` does with `sscanf("%d%n")`: numbers with one
/// `:` before each but the first, blanks before a number allowed. In libbpf, a number is an
/// `int`; negative ones, which clang writes as `4294967295` for `p[-1].x`, are returned in
/// two's complement. As an index into an array they are that large number. As a member they are
/// invalid: libbpf 1.7.0 would read before the type's members, and 1.8 refuses.
///
/// # Errors
/// `Invalid` if libbpf returns `-EINVAL`, which includes more than 64 numbers.
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
        let negative = rest.first() == Some(&b'-');
        if let [b'+' | b'-', tail @ ..] = rest {
            rest = tail;
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() || steps.len() == SPEC_MAX_LEN {
            return Err(Errno::Invalid);
        }
        steps.push(low_half(number, negative));
        rest = tail;
    }
    Ok(steps)
}

/// What glibc's `%d` stores: `strtol`, which saturates at 64 bits, cut to 32.
fn low_half(digits: &[u8], negative: bool) -> u32 {
    let mut number: i64 = 0;
    for digit in digits {
        let digit = i64::from(digit - b'0');
        number = number.saturating_mul(10);
        number = if negative {
            number.saturating_sub(digit)
        } else {
            number.saturating_add(digit)
        };
    }
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_sscanf_reads() {
        assert_eq!(parse_access(b"0"), Ok(vec![0]));
        assert_eq!(parse_access(b"0:12:3"), Ok(vec![0, 12, 3]));
        assert_eq!(parse_access(b"0 1"), Ok(vec![0, 1]));
        assert_eq!(parse_access(b"-1:2"), Ok(vec![u32::MAX, 2]));
        assert_eq!(parse_access(b"4294967294:2"), Ok(vec![u32::MAX - 1, 2]));
        assert_eq!(parse_access(b"99999999999999999999"), Ok(vec![u32::MAX]));
        assert_eq!(parse_access(b"-99999999999999999999"), Ok(vec![0]));
        for wrong in [&b""[..], b":0", b"0:", b"0::1", b"x", b"-", b"+-1"] {
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
        assert_eq!(parse_access(longer.as_bytes()), Err(Errno::Invalid));
    }
}
