//! The kernel's own machine: `uname -m` may report a different one.

use std::path::Path;

use super::root::read_regular;

/// The part of a personality that names a system (`PER_MASK`), and the one
/// under which 64-bit kernels pretend to be 32-bit ones (`PER_LINUX32`).
const PER_MASK: u32 = 0xff;
const PER_LINUX32: u32 = 8;

/// The machine of this process's kernel, for which `uname` returned `told`; `None` if it can't
/// be determined.
///
/// Under the personality that `setarch i686` and 32-bit containers set, `uname(2)` reports a
/// machine on which this kernel would not run (`COMPAT_UTS_MACHINE` in the kernel). The release
/// stays the same, and Ubuntu has built some releases for both machines.
pub(super) fn of_kernel(told: &str) -> Option<String> {
    let personality = read_regular(Path::new("/proc/self/personality"), 64).ok();
    let personality = personality.and_then(|text| parse(&text));
    let is_64_bit = cfg!(target_pointer_width = "64");
    behind(told, personality, is_64_bit).map(str::to_owned)
}

fn parse(text: &[u8]) -> Option<u32> {
    let text = core::str::from_utf8(text).ok()?;
    u32::from_str_radix(text.trim(), 16).ok()
}

fn behind(told: &str, personality: Option<u32>, is_64_bit: bool) -> Option<&str> {
    let machine = match told {
        "i686" => "x86_64",
        "armv8l" => "aarch64",
        "ppc" => "ppc64",
        "ppcle" => "ppc64le",
        "s390" => "s390x",
        same => return Some(same),
    };
    // A 64-bit program proves that the kernel is one. A 32-bit program may run
    // on either: the personality may have been set on a kernel that needed none.
    let is_kernels = personality.is_some_and(|it| it & PER_MASK != PER_LINUX32);
    match is_64_bit {
        true => Some(machine),
        false => is_kernels.then_some(told),
    }
}

#[cfg(test)]
mod tests {
    use super::{behind, parse};

    #[test]
    fn personalities() {
        for (told, personality, is_64_bit, machine) in [
            ("x86_64", Some(0), true, Some("x86_64")),
            ("i686", Some(0), false, Some("i686")),
            ("i686", Some(0x0040_0008), true, Some("x86_64")),
            ("i686", Some(8), false, None),
            ("armv8l", Some(8), true, Some("aarch64")),
            ("armv8l", Some(0), false, Some("armv8l")),
            // UNAME26 alone leaves the machine.
            ("x86_64", Some(0x0002_0000), true, Some("x86_64")),
            ("riscv64", Some(8), true, Some("riscv64")),
            // No /proc, or no descriptor left to read it.
            ("i686", None, true, Some("x86_64")),
            ("i686", None, false, None),
            ("x86_64", None, true, Some("x86_64")),
        ] {
            assert_eq!(behind(told, personality, is_64_bit), machine, "{told}");
        }
    }

    #[test]
    fn as_proc_writes_it() {
        assert_eq!(parse(b"00400008\n"), Some(0x0040_0008));
        for text in [&b""[..], b"\n", b"\xff", b"100000000"] {
            assert_eq!(parse(text), None);
        }
    }
}
