//! Stores the lists of definitions of many kernels in little memory. Most of these lists are
//! almost the same. So each is cut into pieces at points that depend on the content, and equal
//! pieces are stored once.

use super::hash::HashKey;
use super::numbers::ProvisionalDefinition;
use super::table::Table;

/// The average length of a piece.
const LENGTH: u32 = 64;

/// A definition of a kernel, and whether it is the second of two equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MarkedDefinition(u32);

impl MarkedDefinition {
    /// Numbers stay below this bit.
    const SECOND: u32 = 1 << 31;

    #[inline(always)]
    pub(super) fn new(definition: ProvisionalDefinition, is_second: bool) -> Self {
        Self(if is_second {
            definition.0 | Self::SECOND
        } else {
            definition.0
        })
    }

    #[inline(always)]
    pub(super) fn definition(self) -> ProvisionalDefinition {
        ProvisionalDefinition(self.0 & !Self::SECOND)
    }

    #[inline(always)]
    pub(super) fn is_second(self) -> bool {
        self.0 & Self::SECOND != 0
    }
}

/// Lists of definitions.
#[derive(Debug)]
pub(super) struct Chunks {
    key: HashKey,
    /// The hash of each piece, by its number.
    hashes: Table<u128>,
    /// Where each piece ends.
    ends: Vec<usize>,
    /// All pieces, one after the other.
    definitions: Vec<MarkedDefinition>,
}

/// A list in [`Chunks`], as numbers of pieces.
#[derive(Clone, Debug)]
pub(super) struct List(Vec<u32>);

impl Chunks {
    pub(super) fn new(key: HashKey) -> Self {
        Self {
            key,
            hashes: Table::with_room(0),
            ends: Vec::new(),
            definitions: Vec::new(),
        }
    }

    /// Stores a list.
    pub(super) fn keep(&mut self, list: &[MarkedDefinition]) -> List {
        let ends = |number: u32| number.wrapping_mul(0x9e37_79b1) < u32::MAX / LENGTH;
        let mut kept = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < list.len() {
            let end = at + 1;
            if ends(list[at].0) || end == list.len() {
                kept.push(self.number(list.get(start..end).unwrap_or_default()));
                start = end;
            }
            at = end;
        }
        List(kept)
    }

    fn number(&mut self, piece: &[MarkedDefinition]) -> u32 {
        let mut hash = self.key.start(piece.len() as u64);
        let mut rest = piece;
        while let [one, two, tail @ ..] = rest {
            hash.add_two(u64::from(one.0), u64::from(two.0));
            rest = tail;
        }
        if let [last] = rest {
            hash.add(u64::from(last.0));
        }
        let number = self.hashes.number(hash.long());
        if number as usize == self.ends.len() {
            self.definitions.extend_from_slice(piece);
            self.ends.push(self.definitions.len());
        }
        number
    }

    fn piece(&self, number: u32) -> &[MarkedDefinition] {
        let number = number as usize;
        let start = match number.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.definitions.get(start..end).unwrap_or_default()
    }

    /// The definitions of a list.
    pub(super) fn get<'a>(&'a self, list: &'a List) -> impl Iterator<Item = MarkedDefinition> + 'a {
        let pieces = list.0.iter().map(|&piece| self.piece(piece));
        pieces.flat_map(|piece| piece.iter().copied())
    }

    /// For [`Self::get_unseen`]: no piece has been seen yet.
    pub(super) fn none_seen(&self) -> Vec<bool> {
        vec![false; self.ends.len()]
    }

    /// The definitions of a list, without the pieces in `seen`; adds its pieces there.
    pub(super) fn get_unseen<'a>(
        &'a self,
        list: &'a List,
        seen: &'a mut [bool],
    ) -> impl Iterator<Item = MarkedDefinition> + 'a {
        let unseen = list.0.iter().filter(|&&piece| {
            let seen = seen.get_mut(piece as usize);
            seen.is_none_or(|seen| !std::mem::replace(seen, true))
        });
        unseen.flat_map(|&piece| self.piece(piece).iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunks, MarkedDefinition};
    use crate::atlas::hash::HashKey;

    #[test]
    fn neighbours_share_what_is_equal() {
        let mut chunks = Chunks::new(HashKey::random());
        let first: Vec<_> = (0..10_000).map(MarkedDefinition).collect();
        let mut second = first.clone();
        let inserted = MarkedDefinition(77_777);
        second.insert(5_000, inserted);
        let lists = [chunks.keep(&first), chunks.keep(&second), chunks.keep(&[])];
        let pieces = chunks.ends.len();
        assert!(pieces < lists[0].0.len() + 4, "{pieces} pieces");
        assert!(chunks.get(&lists[0]).eq(first.iter().copied()));
        assert!(chunks.get(&lists[1]).eq(second));
        assert_eq!(chunks.get(&lists[2]).count(), 0);
        let mut seen = chunks.none_seen();
        assert!(chunks.get_unseen(&lists[0], &mut seen).eq(first));
        let fresh: Vec<_> = chunks.get_unseen(&lists[1], &mut seen).collect();
        assert!(fresh.contains(&inserted) && fresh.len() < 2_000);
    }
}
