//! The lists of definitions of many kernels, most of which are the same from
//! end to end: cut where the content says, each piece kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// One of so many numbers ends a piece.
const LENGTH: u32 = 64;

/// Lists of numbers.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    numbers: HashMap<Arc<[u32]>, u32>,
    pieces: Vec<Arc<[u32]>>,
}

/// A list in [`Chunks`].
#[derive(Clone, Debug)]
pub(super) struct List(Vec<u32>);

impl Chunks {
    /// Keeps a list.
    pub(super) fn keep(&mut self, list: &[u32]) -> List {
        let ends = |number: u32| number.wrapping_mul(0x9e37_79b1) < u32::MAX / LENGTH;
        let mut kept = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < list.len() {
            let end = at + 1;
            if ends(list[at]) || end == list.len() {
                kept.push(self.number(list.get(start..end).unwrap_or_default()));
                start = end;
            }
            at = end;
        }
        List(kept)
    }

    fn number(&mut self, piece: &[u32]) -> u32 {
        if let Some(&number) = self.numbers.get(piece) {
            return number;
        }
        let number = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        let piece: Arc<[u32]> = piece.into();
        self.pieces.push(Arc::clone(&piece));
        self.numbers.insert(piece, number);
        number
    }

    /// The numbers of a list.
    pub(super) fn get<'a>(&'a self, list: &'a List) -> impl Iterator<Item = u32> + 'a {
        let pieces = list
            .0
            .iter()
            .filter_map(|&piece| self.pieces.get(piece as usize));
        pieces.flat_map(|piece| piece.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::Chunks;

    #[test]
    fn neighbours_share_what_is_equal() {
        let mut chunks = Chunks::default();
        let first: Vec<u32> = (0..10_000).collect();
        let mut second = first.clone();
        second.insert(5_000, 77_777);
        let lists = [chunks.keep(&first), chunks.keep(&second), chunks.keep(&[])];
        let pieces = chunks.pieces.len();
        assert!(pieces < lists[0].0.len() + 4, "{pieces} pieces");
        assert!(chunks.get(&lists[0]).eq(first));
        assert!(chunks.get(&lists[1]).eq(second));
        assert_eq!(chunks.get(&lists[2]).count(), 0);
    }
}
