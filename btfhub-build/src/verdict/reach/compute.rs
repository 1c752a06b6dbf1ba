//! Arithmetic and conditions on known values.

use super::limits::Limits;
use super::state::{get, set};
use super::value::Value;
use crate::insn::{ALU, Insn, JMP, JMP32, sign_extend};

/// The right-hand operand.
pub(super) fn operand(insn: Insn, changed: Option<u64>, registers: &[Value; 11]) -> Value {
    if insn.has_immediate() {
        // A patched immediate is 32 bits like any other.
        let patched = changed.map(|value| sign_extend_32(value & u64::from(u32::MAX)));
        Value::Constant(patched.unwrap_or_else(|| sign_extend(insn.imm.into())))
    } else {
        get(registers, insn.src)
    }
}

pub(super) fn sign_extend_32(value: u64) -> u64 {
    if value & 0x8000_0000 == 0 {
        value
    } else {
        value | !u64::from(u32::MAX)
    }
}

/// A known number, and whether it is certain: user space can't have changed it.
pub(super) fn number(value: Value) -> Option<(u64, bool)> {
    match value {
        Value::Constant(value) => Some((value, true)),
        Value::Default(value) => Some((value, false)),
        Value::Unset
        | Value::Maybe
        | Value::Word(_)
        | Value::Number(_)
        | Value::Within(_)
        | Value::Address
        | Value::Context(_)
        | Value::Data(..)
        | Value::Extern(_)
        | Value::Frame(_)
        | Value::Caller(_) => None,
    }
}

pub(super) fn compute(insn: Insn, changed: Option<u64>, registers: &mut [Value; 11]) {
    const LOW: u64 = 0xffff_ffff;
    let right = operand(insn, changed, registers);
    let left = get(registers, insn.dst);
    let is_32 = insn.class() == ALU;
    // A move, and an addition to an address.
    if !is_32 && insn.off == 0 {
        let moved = match (insn.op(), left, right) {
            (0xb0, _, right) => Some(right),
            (0x00, Value::Context(base), Value::Constant(by)) => {
                Some(Value::Context(base.wrapping_add(signed(by))))
            }
            (0x00, Value::Frame(base), Value::Constant(by)) => {
                Some(Value::Frame(base.wrapping_add(signed(by))))
            }
            (0x00, Value::Caller(base), Value::Constant(by)) => {
                Some(Value::Caller(base.wrapping_add(signed(by))))
            }
            (0x00, Value::Data(section, base), Value::Constant(by)) => {
                Some(Value::Data(section, base.wrapping_add(by)))
            }
            _ => None,
        };
        if let Some(moved) = moved {
            return set(registers, insn.dst, moved);
        }
    }
    let narrow = |value: u64| if is_32 { value & LOW } else { value };
    let bits = if is_32 { 31 } else { 63 };
    let is_move = insn.op() == 0xb0 && insn.off == 0;
    let left = if is_move { Value::Constant(0) } else { left };
    let result = number(left).zip(number(right)).and_then(|(left, right)| {
        let is_sure = left.1 && right.1;
        let (left, right) = (narrow(left.0), narrow(right.0));
        let shift = u32::try_from(right & bits).unwrap_or(0);
        // A sign-extending move or a signed division.
        if insn.off != 0 {
            return None;
        }
        let value = match insn.op() {
            0x00 => left.wrapping_add(right),
            0x10 => left.wrapping_sub(right),
            0x20 => left.wrapping_mul(right),
            0x40 => left | right,
            0x50 => left & right,
            0x60 => left << shift,
            0x70 => left >> shift,
            0xa0 => left ^ right,
            0xb0 => right,
            0xc0 => {
                let left = if is_32 { sign_extend_32(left) } else { left };
                sign_extend(signed(left) >> shift)
            }
            _ => return None,
        };
        Some((narrow(value), is_sure))
    });
    // x & 0 is 0, whatever x is.
    let is_zero = |value| number(value).is_some_and(|(value, _)| narrow(value) == 0);
    let zero = [left, right].into_iter().find(|value| is_zero(*value));
    let result = match zero.filter(|_| insn.op() == 0x50 && insn.off == 0) {
        Some(zero) => result.or(Some((0, matches!(zero, Value::Constant(_))))),
        None => result,
    };
    let result = match result {
        Some((value, true)) => Value::Constant(value),
        Some((value, false)) => Value::Default(value),
        // The verifier tracks ranges and bits of results.
        None => match right {
            Value::Word(from) | Value::Number(from) if is_move => Value::Number(from),
            Value::Within(limits) if is_move => Value::Within(limits.low()),
            _ => Value::Maybe,
        },
    };
    set(registers, insn.dst, result);
}

pub(super) fn signed(value: u64) -> i64 {
    i64::from_ne_bytes(value.to_ne_bytes())
}

/// What is known of a number before a comparison.
fn limits(value: Value) -> Option<Limits> {
    match value {
        Value::Within(limits) => Some(limits),
        Value::Word(_) => Some(Limits::ANY),
        Value::Number(_) => Some(Limits::up_to(0, 0xffff_ffff)),
        _ => None,
    }
}

/// What a conditional jump tells of the register that it compares with a constant, if it is
/// taken, or if it is not.
pub(super) fn told(insn: Insn, registers: &[Value; 11], is_taken: bool) -> Option<Limits> {
    let (right, true) = number(operand(insn, None, registers))? else {
        return None;
    };
    let known = match get(registers, insn.dst) {
        // Perhaps an address on the stack, or none.
        Value::Maybe if right == 0 => return None,
        Value::Maybe => Limits::ANY,
        value => limits(value)?,
    };
    known.where_it(insn, right, is_taken)
}

/// Whether a conditional jump is taken, if that is known; and whether the verifier is certain to
/// see it the same way, even if it is not known.
pub(super) fn decided(insn: Insn, registers: &[Value; 11]) -> (Option<bool>, bool) {
    let left = get(registers, insn.dst);
    let right = operand(insn, None, registers);
    if let (Value::Address | Value::Extern(_), Some((0, true)), JMP) =
        (left, number(right), insn.class())
    {
        match insn.op() {
            0x10 => return (Some(false), true),
            0x50 => return (Some(true), true),
            _ => {}
        }
    }
    if let (Some(limits), Some((right, true))) = (limits(left), number(right)) {
        let can_be = |holds| limits.where_it(insn, right, holds).is_some();
        match (can_be(true), can_be(false)) {
            // Old verifiers don't see this.
            (false, _) | (_, false) if matches!(left, Value::Number(_)) => return (None, false),
            (false, true) => return (Some(false), true),
            (true, false) => return (Some(true), true),
            _ => {}
        }
    }
    let is_free = |value: Value| {
        matches!(value, Value::Word(_) | Value::Number(_))
            || matches!(number(value), Some((_, true)))
    };
    let Some(((left, left_sure), (right, right_sure))) = number(left).zip(number(right)) else {
        return (None, is_free(left) && is_free(right));
    };
    let is_32 = insn.class() == JMP32;
    let narrow = |value: u64| {
        if is_32 {
            value & u64::from(u32::MAX)
        } else {
            value
        }
    };
    let signed = |value: u64| signed(if is_32 { sign_extend_32(value) } else { value });
    let (left, right) = (narrow(left), narrow(right));
    let (left_signed, right_signed) = (signed(left), signed(right));
    let taken = match insn.op() {
        0x10 => left == right,
        0x20 => left > right,
        0x30 => left >= right,
        0x40 => left & right != 0,
        0x50 => left != right,
        0x60 => left_signed > right_signed,
        0x70 => left_signed >= right_signed,
        0xa0 => left < right,
        0xb0 => left <= right,
        0xc0 => left_signed < right_signed,
        0xd0 => left_signed <= right_signed,
        _ => return (None, false),
    };
    (Some(taken), left_sure && right_sure)
}
