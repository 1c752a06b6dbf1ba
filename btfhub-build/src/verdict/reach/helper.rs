//! What the verifier knows of a call of a helper.

use super::limits::Limits;
use super::state::{State, get};
use super::value::Value;
use crate::insn::Insn;

/// Those that take the address of a variable that each CPU has: `bpf_per_cpu_ptr`,
/// `bpf_this_cpu_ptr`.
const OF_CPUS: [i32; 2] = [153, 154];
/// Those that return an error or a number up to the size that they are passed
/// (`do_refine_retval_range`): `bpf_probe_read_str` and others, `bpf_get_stack`.
const WITH_SIZE: [i32; 5] = [45, 67, 114, 115, 141];
/// `-MAX_ERRNO`.
const LAST_ERRNO: u64 = 0_u64.wrapping_sub(4095);
/// The verifier knows how many CPUs there are.
const GET_SMP_PROCESSOR_ID: i32 = 8;
/// It returns a number, not a pointer.
const GET_CURRENT_TASK: i32 = 35;

/// Whether r1 must be an address.
pub(super) fn takes_address(insn: Insn) -> bool {
    insn.is_call_of_helper() && OF_CPUS.contains(&insn.imm)
}

/// What instruction `at`, a call of a helper or of the kernel, returns, and does to the stack:
/// `taken` is the lowest address on it that is ever taken.
pub(super) fn after_helper(at: usize, insn: Insn, taken: i64, state: &mut State) -> Value {
    state.stack.forget_from(taken);
    for value in state.arguments() {
        match value {
            Value::Caller(base) => state.caller.forget_from(base),
            // Perhaps an address there.
            Value::Maybe => state.caller.forget_from(i64::MIN),
            _ => {}
        }
    }
    match insn.imm {
        _ if !insn.is_call_of_helper() => Value::Word(at),
        GET_CURRENT_TASK => Value::Number(at),
        GET_SMP_PROCESSOR_ID => Value::Maybe,
        helper if WITH_SIZE.contains(&helper) => match get(&state.registers, 2) {
            Value::Constant(most) => Value::Within(Limits::up_to(LAST_ERRNO, most)),
            _ => Value::Maybe,
        },
        _ => Value::Word(at),
    }
}
