//! Watched processes: what an agent prints, compared with /proc.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long to wait for something that must happen, even on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether this process may load eBPF programs: `CAP_SYS_ADMIN`.
#[must_use]
pub fn may_load_programs() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    capabilities.is_some_and(|mask| mask >> 21 & 1 == 1)
}

/// A running agent; killed when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    events: Receiver<String>,
    /// Its standard error until it watches.
    pub said: Vec<String>,
}

impl Agent {
    /// Starts one, and returns once it watches.
    ///
    /// # Panics
    /// If it ends before that, with its standard error.
    #[must_use]
    pub fn start(program: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a started agent");
        let events = lines_of(child.stdout.take().expect("a pipe"));
        let messages = lines_of(child.stderr.take().expect("a pipe"));
        let mut said = Vec::new();
        loop {
            match messages.recv_timeout(PATIENCE) {
                Ok(line) if line == "watching" => {
                    return Self {
                        child,
                        events,
                        said,
                    };
                }
                Ok(line) => said.push(line),
                Err(_) => panic!("{} does not watch: {said:#?}", program.display()),
            }
        }
    }

    /// The next event that `wanted` accepts, as its keys and values.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn event(
        &self,
        wanted: impl Fn(&HashMap<String, String>) -> bool,
    ) -> HashMap<String, String> {
        loop {
            let line = self.events.recv_timeout(PATIENCE).expect("an event");
            let event = fields(&line);
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Waits for its end; returns its output, and whether it succeeded.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn finish(mut self) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        while let Ok(line) = self.events.recv_timeout(PATIENCE) {
            lines.push(line);
        }
        let status = self.child.wait().expect("its end");
        (lines, status.success())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, as they arrive.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `key=value` pairs, the value perhaps in quotes (no test's name holds any).
fn fields(line: &str) -> HashMap<String, String> {
    line.split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// A process that waits to be examined, with its own session, user and host name; killed when
/// dropped.
#[derive(Debug)]
pub struct Marked {
    child: Child,
}

impl Marked {
    /// The host name that the process sees.
    pub const NODE: &str = "a-name-of-its-own";
    const UID: &str = "65534";

    /// Starts it: one process that execs several times, in the end `sleep`.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start() -> Self {
        let script = format!(
            "echo {} >/proc/sys/kernel/hostname && exec setpriv --reuid {} --clear-groups sleep 1000",
            Self::NODE,
            Self::UID
        );
        let child = Command::new("setsid")
            .args(["unshare", "--uts", "sh", "-c", &script])
            .spawn()
            .expect("setsid, of util-linux");
        Self { child }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// What /proc says about it, under the keys of the agent's events. Call this after the agent
    /// has seen its last exec.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn facts(&self) -> HashMap<String, String> {
        let dir = Path::new("/proc").join(self.pid());
        let status = fs::read_to_string(dir.join("status")).expect("a running process");
        let stat = fs::read_to_string(dir.join("stat")).expect("a running process");
        let of_status = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let value = line.and_then(|rest| rest.split_whitespace().next());
            value.expect("a line of status").to_owned()
        };
        // After the name: state, parent, group, session.
        let after_name = stat.rsplit_once(") ").expect("a name in parentheses").1;
        let session = after_name.split(' ').nth(3).expect("a session");
        HashMap::from([
            ("pid".to_owned(), of_status("Tgid:")),
            ("ppid".to_owned(), of_status("PPid:")),
            ("sid".to_owned(), session.to_owned()),
            ("uid".to_owned(), of_status("Uid:")),
            ("comm".to_owned(), of_status("Name:")),
            ("node".to_owned(), Self::NODE.to_owned()),
            ("in_execve".to_owned(), "1".to_owned()),
        ])
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
