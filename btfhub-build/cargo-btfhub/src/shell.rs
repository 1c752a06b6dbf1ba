//! `completions` and `man`: files that packagers install with the binary.

use std::collections::BTreeSet;

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

use crate::args::{Cli, Completions, Man};
use crate::failure::{Context, Failure};
use crate::files;
use crate::output::{Output, count, stdout};

#[derive(Serialize)]
struct Pages {
    schema: &'static str,
    files: Vec<String>,
}

/// Completes `cargo btfhub …` like `cargo-btfhub …`, and other cargo commands as before.
/// bash-completion loads its own completion for cargo only if there is no other, and would
/// replace any other.
const BASH_BEHIND_CARGO: &str = r#"
_cargo_btfhub_of_cargo() {
    if [[ ${COMP_WORDS[1]-} == btfhub && $COMP_CWORD -gt 1 ]]; then
        COMP_WORDS=(cargo-btfhub "${COMP_WORDS[@]:2}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _cargo__btfhub cargo-btfhub "${2-}" "${3-}"
        return
    fi
    if ! declare -F _cargo >/dev/null; then
        if declare -F _comp_load >/dev/null; then
            _comp_load -- cargo
        elif declare -F __load_completion >/dev/null; then
            __load_completion cargo
        fi
        _cargo_btfhub_takes_cargo
    fi
    if declare -F _cargo >/dev/null; then
        _cargo "$@"
    fi
    if [[ $COMP_CWORD -eq 1 && btfhub == "${2-}"* ]]; then
        COMPREPLY+=(btfhub)
    fi
}
_cargo_btfhub_takes_cargo() {
    complete -F _cargo_btfhub_of_cargo -o nosort -o bashdefault -o default cargo
}
_cargo_btfhub_takes_cargo
"#;

/// The same for fish, which combines several completions for one command.
const FISH_BEHIND_CARGO: &str = r#"
function __fish_cargo_btfhub_of_cargo
    set -l words (commandline -opc) (commandline -ct)
    test "$words[2]" = btfhub; and test (count $words) -gt 2
    and echo (string escape -- cargo-btfhub $words[3..-2]) $words[-1]
end
complete -c cargo -n "test (count (commandline -opc)) -eq 1" -f -a btfhub -d 'BTF of a BTFhub archive'
complete -c cargo -n __fish_cargo_btfhub_of_cargo -f -a "(complete -C (__fish_cargo_btfhub_of_cargo))"
"#;

pub(crate) fn completions(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    // Shells look up a completion by the first word on the line.
    clap_complete::generate(args.shell, &mut Cli::command(), "cargo-btfhub", &mut script);
    // cargo's own script completes `cargo btfhub`. In zsh it calls the function with this name;
    // in other shells it knows no external subcommands.
    match args.shell {
        Shell::Bash => {
            // It names commands after `cargo btfhub` and looks for them as `cargo-btfhub`.
            let text = String::from_utf8_lossy(&script);
            script = text
                .replace("cargo__subcmd__btfhub", "cargo__btfhub")
                .into_bytes();
            script.extend(BASH_BEHIND_CARGO.as_bytes());
        }
        Shell::Fish => script.extend(FISH_BEHIND_CARGO.as_bytes()),
        _ => {}
    }
    stdout(&script)
}

pub(crate) fn man(args: &Man, output: Output) -> Result<(), Failure> {
    let mut command = without_help(Cli::command()).bin_name("cargo-btfhub");
    // Global options go on every page.
    command.build();
    let Some(directory) = &args.out else {
        return stdout(&page("cargo-btfhub", command)?);
    };
    let mut pages = Vec::new();
    collect(command, &mut Vec::new(), &mut pages);
    let mut files = Vec::new();
    for (name, command) in pages {
        let file = directory.join(format!("{name}.1"));
        files::write(&file, &page(&name, command)?)?;
        files.push(file.display().to_string());
    }
    let pages = Pages {
        schema: "btfhub.man/1",
        files,
    };
    output.result(&pages, || {
        format!(
            "{} in {}",
            count(pages.files.len(), "page", "pages"),
            directory.display()
        )
    })
}

/// Removes the `help` subcommands: the pages replace them.
fn without_help(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

/// One page, in roff.
fn page(name: &str, command: clap::Command) -> Result<Vec<u8>, Failure> {
    let end = (command.get_after_long_help())
        .or(command.get_after_help())
        .map(ToString::to_string);
    let has_commands = command.has_subcommands();
    let man = clap_mangen::Man::new(command)
        .title(name)
        .manual("Cargo BTFhub")
        .source(concat!("btfhub-build ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    let mut render = || -> std::io::Result<()> {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if has_commands {
            man.render_subcommands_section(&mut page)?;
        }
        Ok(())
    };
    render().context(|| format!("cannot render {name}.1"))?;
    let page = String::from_utf8_lossy(&page);
    // Each section repeats the definition of its apostrophe; one is enough.
    let mut defined = BTreeSet::new();
    let mut whole = String::new();
    for line in page.lines() {
        if !line.contains(".ds Aq") || defined.insert(line) {
            whole.push_str(line);
            whole.push('\n');
        }
    }
    whole.push_str(&sections(&end.unwrap_or_default()));
    Ok(whole.into_bytes())
}

/// The text after the options in a help text, as sections that keep their line breaks.
fn sections(text: &str) -> String {
    let mut roff = String::new();
    for paragraph in text.split("\n\n").filter(|text| !text.is_empty()) {
        let (title, body) = match paragraph.split_once(":\n") {
            Some((title, body)) => (title, body),
            None => ("Notes", paragraph),
        };
        let body = body.replace('\\', "\\e").replace('-', "\\-");
        roff.push_str(&format!(".SH {}\n.nf\n{body}\n.fi\n", title.to_uppercase()));
    }
    roff
}

/// The command and all below it, each under the name of its page: `cargo-btfhub-atlas-build`.
fn collect(
    command: clap::Command,
    above: &mut Vec<String>,
    pages: &mut Vec<(String, clap::Command)>,
) {
    above.push(command.get_name().to_owned());
    let name = above.join("-");
    for child in command.get_subcommands() {
        collect(child.clone(), above, pages);
    }
    above.pop();
    let typed = name.replacen("cargo-", "cargo ", 1).replace('-', " ");
    pages.push((name.clone(), command.name(name).bin_name(typed)));
}
