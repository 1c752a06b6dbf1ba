//! The flags of both agents.

use std::env;
use std::error::Error;

use btfhub_runtime::{FailingPrograms, Host, Policy};

/// What `--help` prints.
pub const HELP: &str = "\
Prints every exec on this machine, whether or not its kernel has BTF.

  --count N     end after N events
  --embedded    use the embedded BTF though the kernel has its own
  --exits       print exits too, on kernels that can (Linux 5.18)
  --regardless  load what was asked for, even what is known to fail on this kernel
  --explain     show what is embedded, what is known of the host, and which BTF
                it gets and why; loads nothing and needs no root

With --explain, another machine in the place of this one:
  --release R          its `uname -r`
  --version-string V   its `uname -v`
  --machine M          its `uname -m`
  --os-release FILE    a copy of its /etc/os-release
";

/// The parsed flags.
#[derive(Debug, Default)]
pub struct Options {
    /// Explain instead of watching.
    pub explain: bool,
    /// Use the embedded BTF though the kernel has its own.
    pub embedded: bool,
    /// Print exits, where the kernel can.
    pub exits: bool,
    /// Load even what is known to fail.
    pub regardless: bool,
    /// End after as many events.
    pub count: Option<u64>,
    /// Print [`HELP`] instead of watching.
    pub help: bool,
    release: Option<String>,
    version: Option<String>,
    machine: Option<String>,
    os_release: Option<String>,
}

impl Options {
    /// The flags of this process.
    ///
    /// # Errors
    /// When they can't be understood.
    pub fn from_args() -> Result<Self, Box<dyn Error>> {
        Self::parse(env::args().skip(1))
    }

    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self::default();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} takes a value"));
            match flag.as_str() {
                "--explain" => options.explain = true,
                "--embedded" => options.embedded = true,
                "--exits" => options.exits = true,
                "--regardless" => options.regardless = true,
                "--help" | "-h" => options.help = true,
                "--count" => {
                    let count = value()?.parse().map_err(|e| format!("--count: {e}"))?;
                    options.count = Some(count);
                }
                "--release" => options.release = Some(value()?),
                "--version-string" => options.version = Some(value()?),
                "--machine" => options.machine = Some(value()?),
                "--os-release" => options.os_release = Some(value()?),
                _ => return Err(format!("unknown flag {flag}; --help lists the known ones").into()),
            }
        }
        if options.describes_host() && !options.explain {
            return Err("another machine can be described with --explain alone".into());
        }
        Ok(options)
    }

    /// What to prefer where the kernel has its own BTF.
    pub fn policy(&self) -> Policy {
        if self.embedded {
            Policy::EMBEDDED_ONLY
        } else {
            Policy::PREFER_KERNEL
        }
    }

    /// Whether to load a program of the object: what was asked for, but for what fails here.
    pub fn loads(&self, program: &str, failing: &FailingPrograms) -> bool {
        let fails = failing.get(crate::OBJECT_NAME, program).is_some();
        (program != crate::EXITS || self.exits) && (!fails || self.regardless)
    }

    fn describes_host(&self) -> bool {
        [
            &self.release,
            &self.version,
            &self.machine,
            &self.os_release,
        ]
        .iter()
        .any(|fact| fact.is_some())
    }

    /// This machine, or the one that the flags describe. Nothing of this one is
    /// taken for another, but the architecture.
    ///
    /// # Errors
    /// When a file that the flags or the environment name can't be used.
    pub fn host(&self) -> Result<Host, Box<dyn Error>> {
        if !self.describes_host() {
            return Ok(Host::detect()?);
        }
        let release = self
            .release
            .as_deref()
            .ok_or("another machine takes at the least its --release")?;
        let machine = self.machine.as_deref().unwrap_or(env::consts::ARCH);
        let mut host = Host::new(release, machine);
        if let Some(version) = &self.version {
            host = host.with_version(version);
        }
        if let Some(file) = &self.os_release {
            host = host.with_os_release_file(file)?;
        }
        Ok(host)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned)).map_err(|e| e.to_string())
    }

    #[test]
    fn flags_are_understood_or_refused() {
        let options = parse("--embedded --count 3").unwrap_or_default();
        assert!(options.embedded && !options.explain && options.count == Some(3));
        for (line, text) in [
            ("--count", "--count takes a value"),
            ("--count x", "--count: invalid digit found in string"),
            (
                "--cuont 3",
                "unknown flag --cuont; --help lists the known ones",
            ),
            (
                "--release 5.4.0",
                "another machine can be described with --explain alone",
            ),
        ] {
            assert_eq!(parse(line).err().as_deref(), Some(text), "{line}");
        }
    }

    #[test]
    fn another_machine_shares_nothing_with_this_one() {
        let described = parse("--explain --release 5.4.0-80-generic --machine aarch64");
        let host = described.ok().and_then(|options| options.host().ok());
        let host = host.map(|h| (h.to_string(), h.kernel_btf().is_some()));
        assert_eq!(
            host,
            Some(("kernel 5.4.0-80-generic arm64".to_owned(), false))
        );
    }
}
