//! Which values of an enum of its interface a kernel has.

/// The values of an enum of the kernel's interface; empty if the BTF lacks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in super::super) struct Numbers(pub(super) Vec<u64>);

impl Numbers {
    pub(super) fn insert(&mut self, number: u64) {
        let Ok(word) = usize::try_from(number / 64) else {
            return;
        };
        // Far above any number in use.
        if word >= 64 {
            return;
        }
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(slot) = self.0.get_mut(word) {
            *slot |= 1 << (number % 64);
        }
    }

    /// Whether the enum has it; `None` if the enum is not known.
    pub(in super::super) fn has(&self, number: u32) -> Option<bool> {
        if self.0.is_empty() {
            return None;
        }
        let word = usize::try_from(number / 64).ok()?;
        let bits = self.0.get(word).copied().unwrap_or(0);
        Some(bits >> (number % 64) & 1 != 0)
    }

    /// The largest value.
    pub(in super::super) fn last(&self) -> Option<u32> {
        let word = self.0.iter().rposition(|bits| *bits != 0)?;
        let bits = self.0.get(word)?;
        Some(u32::try_from(word).ok()? * 64 + 63 - bits.leading_zeros())
    }
}
