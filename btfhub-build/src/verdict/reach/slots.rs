//! What a function stored on its stack.

use super::value::Value;

/// More than any function usefully stores there.
const MOST: usize = 64;

/// By offset from the frame pointer: values and their widths in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Slots(Vec<(i64, Value, u32)>);

impl Slots {
    /// What a load of `width` bytes gives.
    pub(super) fn load(&self, at: i64, width: u32) -> Value {
        let end = at.saturating_add(width.into());
        let holds = |slot: i64, its: u32| slot <= at && end <= slot.saturating_add(its.into());
        let mut slots = self.0.iter();
        let kept = slots.find(|(slot, value, its)| match value {
            // Of zeros, each part is zero.
            Value::Constant(0) | Value::Default(0) => holds(*slot, *its),
            _ => (*slot, *its) == (at, width),
        });
        kept.map_or(Value::Maybe, |(_, value, _)| *value)
    }

    /// Replaces `width` bytes; by nothing if `value` is not worth keeping.
    pub(super) fn store(&mut self, at: i64, width: u32, value: Option<Value>) {
        self.forget(at, width.into());
        if let Some(value) = value.filter(|_| self.0.len() < MOST) {
            let place = self.0.partition_point(|(slot, ..)| *slot < at);
            self.0.insert(place, (at, value, width));
        }
    }

    /// Forgets those at `lowest` and above, which a call may have changed.
    pub(super) fn forget_from(&mut self, lowest: i64) {
        self.0
            .retain(|(slot, _, width)| slot.saturating_add((*width).into()) <= lowest);
    }

    /// Whether any of them is an address on a stack.
    pub(super) fn lead_further(&self) -> bool {
        let is_address = |value: &Value| matches!(value, Value::Frame(_) | Value::Caller(_));
        self.0.iter().any(|(_, value, _)| is_address(value))
    }

    /// Forgets what overlaps `width` bytes.
    pub(super) fn forget(&mut self, at: i64, width: u64) {
        let end = at.saturating_add_unsigned(width);
        (self.0).retain(|(slot, _, its)| slot.saturating_add((*its).into()) <= at || end <= *slot);
    }

    /// As another function sees them: without those of which `change` makes nothing.
    pub(super) fn seen(&self, change: impl Fn(Value) -> Option<Value>) -> Self {
        let seen = self.0.iter();
        let seen = seen.filter_map(|(at, value, width)| Some((*at, change(*value)?, *width)));
        Self(seen.collect())
    }

    /// Those that both have.
    pub(super) fn and(&self, other: &Self) -> Self {
        let both = self.0.iter().filter(|kept| other.0.contains(kept));
        Self(both.copied().collect())
    }
}
