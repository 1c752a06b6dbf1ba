//! Whether a function repeats anything.

use super::walk::{ALWAYS, EXIT, jump_target};
use crate::insn::{Insn, JMP, JMP32};

/// An instruction that jumps back to one on the way to it, as the verifier looks for it before
/// it follows any value (`check_cfg`).
pub(in super::super) fn back_edge(insns: &[Insn]) -> Option<usize> {
    let jumps_back = |(at, insn)| jump_target(at, insn).is_some_and(|target| target <= at);
    if !insns.iter().copied().enumerate().any(jumps_back) {
        return None;
    }
    let mut state = vec![State::New; insns.len()];
    // The way to where it is, each with how many of its edges were followed.
    let mut way = vec![(0, 0)];
    while let Some((at, followed)) = way.last_mut() {
        let (from, edge) = (*at, *followed);
        *followed += 1;
        if let Some(slot) = state.get_mut(from) {
            *slot = State::OnTheWay;
        }
        let edges = insns.get(from).map_or([None; 2], |insn| edges(from, *insn));
        match edges.get(edge) {
            Some(Some(to)) => match state.get(*to) {
                Some(State::New) => way.push((*to, 0)),
                Some(State::OnTheWay) => return Some(from),
                Some(State::Done) | None => {}
            },
            Some(None) => {}
            None => {
                if let Some(slot) = state.get_mut(from) {
                    *slot = State::Done;
                }
                way.pop();
            }
        }
    }
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    OnTheWay,
    Done,
}

/// Where an instruction leads: on, and to where it jumps.
fn edges(at: usize, insn: Insn) -> [Option<usize>; 2] {
    let next = if insn.is_ldimm64() { at + 2 } else { at + 1 };
    let is_jump = matches!(insn.class(), JMP | JMP32);
    match insn.op() {
        EXIT if is_jump => [None, None],
        ALWAYS if is_jump => [jump_target(at, insn), None],
        _ => [Some(next), jump_target(at, insn)],
    }
}
