//! The examples at the end of each command's `--help`.

pub(crate) const LIST: &str = "\
Examples:
  cargo btfhub list --archive btfhub-archive
  cargo btfhub list --archive btfhub-archive --kernels --include 'ubuntu/20.04' --arch arm64
  cargo btfhub list --archive btfhub-archive --include '>=4.18' --json";

pub(crate) const TAILOR: &str = "\
Examples:
  cargo btfhub tailor --archive btfhub-archive --object probe.bpf.o --out tailored
  cargo btfhub tailor --archive btfhub-archive --object probe.bpf.o --object filter.bpf.o \\
      --out tailored --arch x86_64,arm64 --exclude 'fedora' --exclude '<4.14'";

pub(crate) const BUNDLE: &str = "\
Examples:
  cargo btfhub bundle --archive btfhub-archive --object probe.bpf.o --out probe.btfhub \\
      --pin 0123456789abcdef0123456789abcdef01234567
  cargo btfhub bundle --archive own-kernels --object probe.bpf.o --out probe.btfhub \\
      --pin lock:btfhub.lock
  cargo btfhub bundle --atlas kernels.atlas --object probe.bpf.o --out probe.btfhub
  cargo btfhub bundle --archive btfhub-archive --object probe.bpf.o --shard 3/16 --out 3.shard
  cargo btfhub bundle --out probe.btfhub    (everything else from Cargo.toml)";

pub(crate) const MERGE: &str = "\
Examples:
  cargo btfhub merge 1.shard 2.shard 3.shard --out probe.btfhub";

pub(crate) const INSPECT: &str = "\
Examples:
  cargo btfhub inspect probe.btfhub
  cargo btfhub inspect probe.btfhub --kernels
  cargo btfhub inspect probe.btfhub --json | jq .classes";

pub(crate) const VERIFY: &str = "\
Examples:
  cargo btfhub verify probe.btfhub --archive btfhub-archive --object probe.bpf.o";

pub(crate) const SELECT: &str = "\
Examples:
  cargo btfhub select probe.btfhub                      (for this machine)
  cargo btfhub select probe.btfhub --embedded           (as if its kernel had no BTF)
  cargo btfhub select probe.btfhub --release 5.4.0-80-generic --machine x86_64 \\
      --version-string '#90~18.04.1-Ubuntu SMP Tue Jul 13 19:40:02 UTC 2021'
  cargo btfhub select probe.btfhub --release 4.18.0-348.el8.x86_64 --os-release os-release \\
      --out kernel.btf
  cargo btfhub select probe.btfhub --root /mnt/host";

pub(crate) const REPORT: &str = "\
Examples:
  cargo btfhub report --archive btfhub-archive --object probe.bpf.o --arch x86_64
  cargo btfhub report --archive btfhub-archive --object probe.bpf.o --format html --out report.html
  cargo btfhub report --archive btfhub-archive --object probe.bpf.o --include '>=5.4' \\
      --deny unloadable --deny 'absent>2%' --format markdown --out report.md";

pub(crate) const LOCK: &str = "\
Examples:
  cargo btfhub lock --archive own-kernels
  cargo btfhub lock --archive own-kernels --check";

pub(crate) const FETCH: &str = "\
Examples:
  cargo btfhub fetch --pin 0123456789abcdef0123456789abcdef01234567 --out btfhub-archive
  cargo btfhub fetch --pin 0123456789abcdef0123456789abcdef01234567 --out btfhub-archive \\
      --include 'ubuntu/20.04' --include 'debian/1?' --arch x86_64
  cargo btfhub fetch --pin 0123456789abcdef0123456789abcdef01234567 --out btfhub-archive \\
      --url file:///mnt/mirror/btfhub-archive";

pub(crate) const ADD: &str = "\
Examples:
  cargo btfhub add /boot/vmlinuz-6.1.0-47-cloud-amd64 --archive own-kernels \\
      --distro debian --version 12
  cargo btfhub add vmlinux --archive own-kernels --distro ubuntu --version 20.04 \\
      --release 5.4.0-custom
  cargo btfhub add /sys/kernel/btf/vmlinux --archive own-kernels --distro debian --version 12 \\
      --release 6.1.0-47-cloud-amd64";

pub(crate) const REMOVE: &str = "\
Examples:
  cargo btfhub remove ubuntu/20.04/x86_64/5.4.0-custom --archive own-kernels";

pub(crate) const CHECK: &str = "\
Examples:
  cargo btfhub check --archive btfhub-archive
  cargo btfhub check --archive btfhub-archive --include 'centos/8' --jobs 2";

pub(crate) const ATLAS: &str = "\
Examples:
  cargo btfhub atlas build --archive btfhub-archive --out kernels.atlas
  cargo btfhub atlas inspect kernels.atlas
  cargo btfhub bundle --atlas kernels.atlas --object probe.bpf.o --out probe.btfhub";

pub(crate) const ATLAS_BUILD: &str = "\
Examples:
  cargo btfhub atlas build --archive btfhub-archive --out kernels.atlas
  cargo btfhub atlas build --archive btfhub-archive --base kernels.atlas --out newer.atlas
  cargo btfhub atlas build --archive btfhub-archive --include 'ubuntu' --arch x86_64 \\
      --out ubuntu.atlas";

pub(crate) const ATLAS_INSPECT: &str = "\
Examples:
  cargo btfhub atlas inspect kernels.atlas
  cargo btfhub atlas inspect kernels.atlas --kernels
  cargo btfhub atlas inspect kernels.atlas --type task_struct \\
      --kernel debian/12/x86_64/6.1.0-47-cloud-amd64";

pub(crate) const ATLAS_EXTRACT: &str = "\
Examples:
  cargo btfhub atlas extract kernels.atlas debian/12/x86_64/6.1.0-47-cloud-amd64 \\
      --out vmlinux.btf";

pub(crate) const ATLAS_VERIFY: &str = "\
Examples:
  cargo btfhub atlas verify kernels.atlas --archive btfhub-archive";

pub(crate) const ATLAS_DIFF: &str = "\
Examples:
  cargo btfhub atlas diff kernels.atlas newer.atlas
  cargo btfhub atlas diff --type task_struct -- \\
      kernels.atlas:debian/11/x86_64/5.10.0-46-amd64 \\
      kernels.atlas:debian/12/x86_64/6.1.0-47-cloud-amd64";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  cargo btfhub completions bash > ~/.cargo-btfhub.bash
      (and `source ~/.cargo-btfhub.bash` in ~/.bashrc)
  cargo btfhub completions zsh > ~/.zfunc/_cargo-btfhub
      (with ~/.zfunc in $fpath, beside cargo's own script)
  cargo btfhub completions fish > ~/.config/fish/conf.d/cargo-btfhub.fish

Each completes `cargo btfhub` as well as `cargo-btfhub`.";

pub(crate) const MAN: &str = "\
Examples:
  cargo btfhub man | man -l -
  cargo btfhub man --out ~/.local/share/man/man1";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::args::Cli;

    /// The words of a command line as a shell would see them: single quotes only.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quoted = false;
        for char in line.chars() {
            match char {
                '\'' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                ' ' if !quoted => words.extend(word.take()),
                char => word.get_or_insert_default().push(char),
            }
        }
        words.extend(word);
        words
    }

    #[test]
    fn every_example_is_a_valid_command() {
        let mut tried = 0;
        let cli = Cli::command();
        let commands = cli.get_subcommands();
        for command in
            commands.flat_map(|command| [command].into_iter().chain(command.get_subcommands()))
        {
            let Some(help) = command.get_after_long_help() else {
                continue;
            };
            let help = help.to_string().replace("\\\n", "");
            for line in help
                .lines()
                .filter_map(|line| line.strip_prefix("  cargo "))
            {
                // Remarks, pipes and redirections are the shell's.
                let line = line.split("  (").next().unwrap_or(line);
                let line = line.split(" | ").next().unwrap_or(line);
                let line = line.split(" > ").next().unwrap_or(line);
                let parsed = Cli::try_parse_from(words(line.trim_end()));
                assert!(parsed.is_ok(), "{line}: {parsed:?}");
                tried += 1;
            }
        }
        assert!(tried >= 38, "{tried} examples");
    }
}
