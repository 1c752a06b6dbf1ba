//! Whether this program runs with more privileges than the user who started it.

use std::path::Path;

use super::root::read_regular;

/// `AT_NULL` and `AT_SECURE` of the auxiliary vector (`getauxval(3)`).
const AT_NULL: usize = 0;
const AT_SECURE: usize = 23;
/// Longer than any auxiliary vector.
const AUXV_MAX: u64 = 16 * 1024;

/// Whether the environment can be trusted, because the kernel did not mark the process as one
/// that gained privileges when it started (set-user-ID, set-group-ID, file capabilities). If
/// that cannot be read, the environment is not trusted.
pub(crate) fn environment_is_trusted() -> bool {
    read_regular(Path::new("/proc/self/auxv"), AUXV_MAX)
        .is_ok_and(|auxv| at_secure(&auxv) == Some(false))
}

/// The entry `AT_SECURE`: pairs of native words.
fn at_secure(auxv: &[u8]) -> Option<bool> {
    const WORD: usize = size_of::<usize>();
    let mut words = auxv
        .chunks_exact(WORD)
        .filter_map(|word| word.try_into().ok().map(usize::from_ne_bytes));
    loop {
        match (words.next()?, words.next()?) {
            (AT_NULL, _) => return None,
            (AT_SECURE, value) => return Some(value != 0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_NULL, AT_SECURE, at_secure, environment_is_trusted};

    fn auxv(words: &[usize]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn reads_the_vector() {
        assert_eq!(at_secure(&auxv(&[6, 4096, AT_SECURE, 1])), Some(true));
        assert_eq!(at_secure(&auxv(&[6, AT_SECURE, AT_SECURE, 0])), Some(false));
        assert_eq!(at_secure(&auxv(&[AT_NULL, 0, AT_SECURE, 0])), None);
        assert_eq!(at_secure(&auxv(&[AT_SECURE])), None);
        assert_eq!(at_secure(b"123"), None);
    }

    /// A test program is no set-user-ID one.
    #[test]
    fn this_process() {
        assert!(environment_is_trusted());
    }
}
