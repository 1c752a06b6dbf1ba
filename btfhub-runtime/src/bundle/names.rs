//! The names of a library, each spelled once.

use super::coder::Coder;
use super::definition::NameId;
use super::model::{Mixer, Set, count, hash, place};
use super::text::{END, History};

/// Longest name that is read, in bytes: above what the kernel takes (511).
const NAME_MAX: usize = 4096;
const GUESSES: usize = 4096;

/// The names, 0 being the empty one.
#[derive(Clone, Debug)]
pub(super) struct Names {
    text: Vec<u8>,
    /// Where each name ends in `text`.
    ends: Vec<usize>,
    longest: usize,
    /// By hash of what came before: the symbol that followed last, plus one.
    guesses: Vec<u32>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            text: Vec::new(),
            ends: vec![0],
            longest: 0,
            guesses: vec![0; GUESSES],
        }
    }

    pub(super) fn count(&self) -> u32 {
        count(self.ends.len())
    }

    /// Bytes of the longest name.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The name's bytes; empty for one that is not there.
    pub(super) fn get(&self, id: NameId) -> &[u8] {
        let at = place(id);
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        match (start, self.ends.get(at)) {
            (Some(start), Some(end)) => self.text.get(*start..*end).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Codes a name: one that is there already (`known`), or a new one, given
    /// as `text`. `field` says what is named, `near` beside what.
    pub(super) fn code<C: Coder>(
        &mut self,
        c: &mut C,
        model: &mut Mixer<'_>,
        (field, near): (u32, u32),
        known: Option<NameId>,
        text: &[u8],
    ) -> NameId {
        let contexts = [(1, field), (2, near), (3, hash(field, self.count()))];
        if model.bit(c, Set::Name, &contexts, 0, C::WRITES && known.is_none()) {
            self.spell(c, model, text);
            return self.count() - 1;
        }
        let contexts = [(4, field), (5, near)];
        model.choice(c, Set::Name, &contexts, self.count(), known.unwrap_or(0))
    }

    /// Codes a new name and appends it.
    pub(super) fn spell<C: Coder>(&mut self, c: &mut C, model: &mut Mixer<'_>, text: &[u8]) {
        let mut history = History::default();
        let mut at = 0;
        while at < NAME_MAX && !c.overrun() {
            let next = C::wanted(text.get(at).copied());
            let symbol = self.symbol(c, model, &history, history.symbol(next));
            if symbol == END {
                break;
            }
            if let Some(byte) = history.byte(c, model, symbol, next) {
                history.push(byte);
                self.text.push(byte);
                at += 1;
            }
        }
        self.longest = self.longest.max(at);
        self.ends.push(self.text.len());
    }

    /// Codes a symbol: first whether it is the one that followed last in like
    /// circumstances, which answers half of them with one bit.
    fn symbol<C: Coder>(
        &mut self,
        c: &mut C,
        model: &mut Mixer<'_>,
        history: &History,
        wanted: u32,
    ) -> u32 {
        let by_text = place(hash(20, history.last_three())) % GUESSES;
        let by_word = place(hash(21, history.word)) % GUESSES;
        let (guess, how) = match (self.guesses[by_text], self.guesses[by_word]) {
            (0, word) => (word, 1),
            (text, 0) => (text, 2),
            (text, word) if text == word => (text, 3),
            (text, _) => (text, 4),
        };
        let hit = guess != 0 && {
            let contexts = [
                (22, how),
                (23, guess | how << 8),
                (24, history.word),
                (25, history.last_two()),
            ];
            model.bit(c, Set::Guess, &contexts, 0, guess - 1 == wanted)
        };
        let symbol = if hit {
            guess - 1
        } else {
            history.code_symbol(c, model, wanted)
        };
        self.guesses[by_text] = symbol + 1;
        self.guesses[by_word] = symbol + 1;
        symbol
    }
}
