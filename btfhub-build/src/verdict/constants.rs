//! The constants that a program gets from a kernel, as far as they are known.

use super::age::{Age, age, version};
use super::externs::Presence;
use super::facts::{Facts, FunctionList};
use super::kernel::Kernel;
use super::reach::Value;
use crate::object::Object;

/// libbpf's name for the kernel's version.
pub(super) const VERSION: &str = "LINUX_KERNEL_VERSION";

/// The constants that an object gets from a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Constants {
    /// The address of each extern.
    pub(super) addresses: Vec<Value>,
    /// The value of each extern.
    pub(super) values: Vec<Value>,
    /// Whether the verifier reads constant data (Linux 5.5).
    pub(super) reads_data: bool,
    /// Whether it looks into global functions by themselves (Linux 5.6), and also into those
    /// that are never called (`do_check_subprogs`, up to Linux 6.7).
    pub(super) verifies_globals: bool,
    pub(super) verifies_uncalled: bool,
}

impl Constants {
    /// The constants that one object gets.
    pub(super) fn of(
        object: &Object,
        has_empty_section: bool,
        presence: &[Presence],
        kernel: &Kernel<'_>,
        facts: &Facts,
    ) -> Self {
        let age = age(kernel.id.release, facts);
        let externs = object.externs();
        let addresses = (0..)
            .zip(presence)
            .map(|(number, presence)| match presence {
                Presence::Fits => Value::Extern(number),
                // libbpf takes a weak function that does not fit for missing.
                Presence::Differs => Value::Constant(0),
                // Unless a module has it.
                Presence::Missing => Value::Default(0),
                Presence::Unknown => Value::Maybe,
            });
        let values = externs.iter().map(|it| match it.name.as_str() {
            VERSION => version(kernel.id.release).map_or(Value::Maybe, |(major, minor, patch)| {
                let number = u64::from(major) << 16 | u64::from(minor) << 8;
                let number = number | u64::from(patch.min(255));
                // Their releases do not contain the last number.
                if kernel.hides_patch() {
                    Value::Default(number)
                } else {
                    Value::Constant(number)
                }
            }),
            // bpf_get_attach_cookie
            "LINUX_HAS_BPF_COOKIE" => {
                (facts.helpers.has(174)).map_or(Value::Maybe, |has| Value::Constant(u64::from(has)))
            }
            "LINUX_HAS_SYSCALL_WRAPPER" if facts.list != FunctionList::None => {
                Value::Constant(u64::from(facts.signs.wraps_syscalls))
            }
            _ => Value::Maybe,
        });
        // Before Linux 5.12 the kernel refuses BTF with an empty section (`btf_datasec_check_meta`).
        // libbpf then loads the program without, and all its functions count as static.
        let knows_globals = !has_empty_section || age.is_none_or(|age| age >= Age(5, 12));
        Self {
            addresses: addresses.collect(),
            values: values.collect(),
            reads_data: age.is_none_or(|age| age >= Age(5, 5)),
            verifies_globals: knows_globals && age.is_none_or(|age| age >= Age(5, 6)),
            verifies_uncalled: knows_globals
                && age.is_some_and(|age| age >= Age(5, 6) && age < Age(6, 8)),
        }
    }
}
