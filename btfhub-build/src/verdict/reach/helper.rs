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
/// Those that write as many bytes as r2 says to where r1 points, and nowhere else:
/// `bpf_probe_read` and others, `bpf_get_current_comm`, `bpf_copy_from_user`.
const WRITE_R1: [i32; 8] = [4, 16, 45, 112, 113, 114, 115, 148];
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
    let writes = insn.is_call_of_helper() && WRITE_R1.contains(&insn.imm);
    for (register, value) in (1..).zip(state.arguments()) {
        let size = match get(&state.registers, 2) {
            Value::Constant(size) if writes && register == 1 => size,
            _ => u64::MAX,
        };
        // A callback may follow addresses that are stored there.
        let leads_further = !writes && (state.stack.lead_further() || state.caller.lead_further());
        match value {
            Value::Frame(base) if !leads_further => state.stack.forget(base, size),
            Value::Caller(base) if !leads_further => state.caller.forget(base, size),
            // Perhaps an address there.
            Value::Frame(_) | Value::Caller(_) | Value::Maybe => {
                state.stack.forget_from(taken);
                state.caller.forget_from(i64::MIN);
            }
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
