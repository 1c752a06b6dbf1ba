//! What the program sends: `struct event` of execwatch.bpf.c.

use std::fmt;

/// One exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Process id.
    pub pid: u32,
    /// Process id of the parent.
    pub parent: u32,
    /// Session id; 0 on kernels 4.17 and 4.18.
    pub session: u32,
    /// Real user id.
    pub uid: u32,
    /// The parent's scheduling state, as the letter that ps prints.
    pub parent_state: char,
    /// The kernel's own mark on a process that is executing a new program: 1.
    pub in_execve: u32,
    /// Name of the new program.
    pub comm: String,
    /// The machine's name in the process's UTS namespace.
    pub node: String,
}

impl Event {
    /// From the bytes of `struct event`; more may follow them, for perf pads
    /// its samples. `None` when there are fewer.
    pub fn parse(sample: &[u8]) -> Option<Self> {
        let mut rest = sample;
        let mut number = || {
            let (word, after) = rest.split_first_chunk()?;
            rest = after;
            Some(u32::from_ne_bytes(*word))
        };
        let (pid, parent, session, uid) = (number()?, number()?, number()?, number()?);
        let (parent_state, in_execve) = (state_letter(number()?), number()?);
        let (comm, rest) = rest.split_first_chunk::<16>()?;
        let (node, _padding) = rest.split_first_chunk::<65>()?;
        Some(Self {
            pid,
            parent,
            session,
            uid,
            parent_state,
            in_execve,
            comm: text(comm),
            node: text(node),
        })
    }
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    /// Process id.
    pid: u32,
    /// Name of its program.
    comm: String,
}

impl Exit {
    /// From the bytes of `struct exit`, with padding or without.
    pub(crate) fn parse(sample: &[u8]) -> Option<Self> {
        let (pid, rest) = sample.split_first_chunk()?;
        let (comm, _padding) = rest.split_first_chunk::<16>()?;
        Some(Self {
            pid: u32::from_ne_bytes(*pid),
            comm: text(comm),
        })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit pid={} comm={:?}", self.pid, self.comm)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pid={} ppid={} sid={} uid={} parent_state={} in_execve={} comm={:?} node={:?}",
            self.pid,
            self.parent,
            self.session,
            self.uid,
            self.parent_state,
            self.in_execve,
            self.comm,
            self.node
        )
    }
}

/// A C string in a field of fixed size.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or(field)).into_owned()
}

/// The letter of the highest state bit, as `task_state_array` in fs/proc has them.
fn state_letter(state: u32) -> char {
    let bits = u32::BITS - (state & 0x7f).leading_zeros();
    usize::try_from(bits)
        .ok()
        .and_then(|bit| "RSDTtXZP".chars().nth(bit))
        .unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::Event;

    #[test]
    fn parses_what_the_program_writes() {
        let mut sample = Vec::new();
        for word in [4711u32, 4710, 4000, 1000, 2, 1] {
            sample.extend(word.to_ne_bytes());
        }
        sample.extend(b"fifteen letters\0");
        sample.extend([b'n'; 65]);
        let Some(event) = Event::parse(&sample) else {
            panic!("whole event refused");
        };
        assert_eq!(
            event.to_string(),
            format!(
                "pid=4711 ppid=4710 sid=4000 uid=1000 parent_state=D in_execve=1 \
                 comm=\"fifteen letters\" node=\"{}\"",
                "n".repeat(65)
            )
        );
        for cut in 0..sample.len() {
            assert_eq!(Event::parse(&sample[..cut]), None, "{cut} bytes");
        }
        sample.extend([0xff; 7]);
        assert_eq!(
            Event::parse(&sample),
            Some(event),
            "padding changes nothing"
        );
    }
}
