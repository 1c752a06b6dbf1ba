//! Completion in shells, of `cargo-btfhub` and `cargo btfhub`.

use std::process::Command;

use btfhub_tests::cli::Dir;
use btfhub_tests::cli_test;
use btfhub_tests::project::Said;
use btfhub_tests::shared::{has_tool, skip};

/// Beginnings of lines, and the last word of each as it is completed.
const LINES: [(&str, &str); 4] = [
    ("cargo btfhub bun", "bundle"),
    ("cargo-btfhub bun", "bundle"),
    ("cargo btfhub atlas ins", "inspect"),
    ("cargo btfhub report --format h", "html"),
];

fn script(dir: &Dir, shell: &str, file: &str) {
    dir.write(file, dir.btfhub(["completions", shell]).ok());
}

cli_test!(bash, |dir| {
    script(&dir, "bash", "complete.bash");
    // A stand-in for bash-completion, which has a script for cargo and loads it over ours.
    const CARGO: &str = "_cargo() { COMPREPLY=(build bench); }\n\
                         __load_completion() { complete -F _cargo cargo; }\n";
    let ask = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (program, last, before) = (words[0], words[words.len() - 1], words[words.len() - 2]);
        let code = format!(
            "{CARGO}source complete.bash; COMP_WORDS=({}); COMP_CWORD={}\n\
             completes=$(complete -p {program} | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
             $completes {program} '{last}' '{before}'; echo ${{COMPREPLY[*]}}; complete -p cargo",
            words.join(" "),
            words.len() - 1,
        );
        dir.run(Command::new("bash").args(["--norc", "-c", &code]))
            .ok()
    };
    for (line, word) in LINES {
        let said = ask(line);
        assert_eq!(said.lines().next(), Some(word), "{line}: {said}");
    }
    let cargo = ask("cargo b");
    assert_eq!(cargo.lines().next(), Some("build bench btfhub"), "{cargo}");
    assert!(cargo.contains("-F _cargo_btfhub_of_cargo"), "{cargo}");
});

cli_test!(fish, |dir| {
    if !has_tool("fish") {
        return;
    }
    script(&dir, "fish", "complete.fish");
    let ask = |line: &str| {
        let code = format!("source complete.fish; complete -C {line:?}");
        let mut fish = Command::new("fish");
        // It writes to its user's home.
        fish.env("HOME", dir.path("")).args(["-c", &code]);
        dir.run(&mut fish).ok()
    };
    for (line, word) in LINES {
        let said = ask(line);
        assert_eq!(
            said.split(['\t', '\n']).next(),
            Some(word),
            "{line}: {said}"
        );
    }
    assert!(ask("cargo btf").starts_with("btfhub\t"));
    assert!(ask("cargo buil").contains("build\t"), "cargo's own");
});

/// A zsh that is typed into; waits for its output.
const TYPED: &str = r#"
zmodload zsh/zpty
zpty z "TERM=dumb zsh -f -i"
zpty -w z "fpath=($1 $2 \$fpath); autoload -U compinit; compinit -u -D; bindkey -e; echo READ''Y"
zpty -r z seen '*READY*'
zpty -w -n z "$3"$'\t'
zpty -r z seen "*${3% *} $4*" && print -r -- complete
zpty -d z
"#;

cli_test!(zsh, |dir| {
    if !has_tool("zsh") {
        return;
    }
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = Said::of(&sysroot.expect("rustc")).ok().stdout;
    let cargo = format!("{}/share/zsh/site-functions", sysroot.trim());
    if !std::path::Path::new(&cargo).join("_cargo").exists() {
        return skip("this Rust lacks cargo's completion for zsh");
    }
    script(&dir, "zsh", "own/_cargo-btfhub");
    dir.write("typed", TYPED);
    for (line, word) in LINES {
        let mut zsh = Command::new("timeout");
        zsh.args(["60", "zsh", "-f", "typed"]);
        zsh.arg(dir.path("own")).args([&cargo, line, word]);
        let said = dir.run(&mut zsh);
        assert_eq!(said.stdout, "complete\n", "{line}: {said:?}");
    }
});
