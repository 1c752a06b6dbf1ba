//! Whether a function has a loop.

use super::walk::{ALWAYS, EXIT, jump_target};
use crate::insn::{Insn, JMP, JMP32};

/// An instruction that jumps back to one on the path to it. The verifier looks for these before it
/// follows any value (`check_cfg`).
pub(in super::super) fn back_edge(insns: &[Insn]) -> Option<usize> {
    let jumps_back = |(at, insn)| jump_target(at, insn).is_some_and(|target| target <= at);
    if !insns.iter().copied().enumerate().any(jumps_back) {
        return None;
    }
    let mut state = vec![State::New; insns.len()];
    // The path to the current instruction, each with how many of its edges were followed.
    let mut path = vec![(0, 0)];
    while let Some((at, followed)) = path.last_mut() {
        let (from, edge) = (*at, *followed);
        *followed += 1;
        if let Some(slot) = state.get_mut(from) {
            *slot = State::OnPath;
        }
        let edges = insns.get(from).map_or([None; 2], |insn| edges(from, *insn));
        match edges.get(edge) {
            Some(Some(to)) => match state.get(*to) {
                Some(State::New) => path.push((*to, 0)),
                Some(State::OnPath) => return Some(from),
                Some(State::Done) | None => {}
            },
            Some(None) => {}
            None => {
                if let Some(slot) = state.get_mut(from) {
                    *slot = State::Done;
                }
                path.pop();
            }
        }
    }
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done,
}

/// Where an instruction leads: to the next one, and to its jump target.
fn edges(at: usize, insn: Insn) -> [Option<usize>; 2] {
    let next = if insn.is_ldimm64() { at + 2 } else { at + 1 };
    let is_jump = matches!(insn.class(), JMP | JMP32);
    match insn.op() {
        EXIT if is_jump => [None, None],
        ALWAYS if is_jump => [jump_target(at, insn), None],
        _ => [Some(next), jump_target(at, insn)],
    }
}
