//! The documentation is right: its commands run, its links lead somewhere, its error messages
//! exist in the code. (Its Rust is compiled as doctests of this package.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_build::Lint;
use btfhub_tests::cli::{Dir, binary};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Name and text of every page.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![project().join("SECURITY.md"), project().join("README.md")];
    for item in std::fs::read_dir(project().join("docs")).expect("docs") {
        paths.push(item.expect("a directory entry").path());
    }
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a page");
            (path.display().to_string(), text)
        })
        .collect()
}

/// The shell blocks to run, with the exit status that they must have.
fn blocks(text: &str) -> Vec<(i32, String)> {
    let mut blocks = Vec::new();
    for (at, _) in text.match_indices("<!-- run") {
        let rest = &text[at + "<!-- run".len()..];
        let (mark, rest) = rest.split_once("-->").expect("a closed comment");
        let status = mark.trim_start_matches(':').trim();
        let status = if status.is_empty() {
            0
        } else {
            status.parse().expect("a status")
        };
        let code = rest
            .trim_start()
            .strip_prefix("```sh\n")
            .expect("a shell block");
        let (code, _) = code.split_once("```").expect("a closed block");
        blocks.push((status, code.to_owned()));
    }
    blocks
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for item in std::fs::read_dir(from).expect("a directory") {
        let item = item.expect("a directory entry");
        let (from, to) = (item.path(), to.join(item.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

#[test]
fn commands_run_in_a_clean_directory() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ours = binary().parent().expect("a directory").to_owned();
    let path = std::env::join_paths([ours].into_iter().chain(std::env::split_paths(&path)));
    let path = path.expect("a PATH");
    let mut run = 0;
    for (page, text) in pages() {
        let blocks = blocks(&text);
        if blocks.is_empty() {
            continue;
        }
        let dir = Dir::new();
        copy(
            &project().join("examples/archive"),
            &dir.path("btfhub-archive"),
        );
        std::fs::copy(
            project().join("tests/bpf/kernel.bpf.o"),
            dir.path("probe.bpf.o"),
        )
        .unwrap();
        for (status, code) in blocks {
            let mut shell = Command::new("bash");
            shell
                .args(["-eu", "-c", &code])
                .env("PATH", &path)
                .env_remove("BTFHUB_ARCHIVE");
            let result = dir.run(&mut shell);
            assert_eq!(
                result.status,
                Some(status),
                "{page}:\n{code}\n{}{}",
                result.stdout,
                result.stderr
            );
            run += 1;
        }
    }
    assert!(run >= 8, "{run} blocks");
}

/// The commands of a workflow, in order, and whether each runs after a failure too.
fn steps(workflow: &str) -> Vec<(bool, String)> {
    let mut steps = Vec::new();
    for step in workflow.split("\n      - ").skip(1) {
        let Some((head, code)) = step.split_once("run: ") else {
            continue;
        };
        let code = match code.strip_prefix("|\n") {
            None => code.to_owned(),
            Some(lines) => lines
                .lines()
                .map(|line| format!("{}\n", line.trim_start()))
                .collect(),
        };
        steps.push((head.contains("if: always()"), code));
    }
    steps
}

/// As GitHub runs it: each step by `bash -e` in the checkout of the merge, with stand-ins for `gh`,
/// `make` and the network.
#[test]
fn the_workflow_comments_and_fails_when_support_is_lost() {
    let text = std::fs::read_to_string(project().join("docs/ci.md")).expect("the page");
    let (_, workflow) = text
        .split_once("<!-- workflow -->\n```yaml\n")
        .expect("a workflow");
    let (workflow, _) = workflow.split_once("```").expect("its end");
    let steps = steps(workflow);
    assert!(steps.len() >= 5, "{steps:?}");

    let dir = Dir::new();
    let place = |name: &str| dir.path(name).display().to_string();
    let bpf = project().join("tests/bpf");
    copy(&project().join("examples/archive"), &dir.path("archive"));
    // Instead of a compiler: the source names an object that is already compiled.
    dir.write(
        "bin/make",
        format!(
            "#!/bin/sh\ncp {}/$(cat source).bpf.o probe.bpf.o\n",
            bpf.display()
        ),
    );
    dir.write(
        "bin/gh",
        format!(
            "#!/bin/sh\necho \"$@\" > {0}\ncat changes.md > {1}\n",
            place("said"),
            place("comment")
        ),
    );
    // A test can't do `cargo install` and `cargo btfhub fetch`.
    dir.write("bin/cargo", format!(
        "#!/bin/sh\ncase \"$1 $2\" in\n'install cargo-btfhub') ;;\n'btfhub fetch') ln -sfn {} btfhub-archive ;;\n*) exec {} \"$@\" ;;\nesac\n",
        place("archive"), binary().display(),
    ));
    let script = "chmod +x bin/*; mkdir repository; cd repository; git init -q; \
                  git config user.name t; git config user.email t@example.invalid; \
                  echo BASE > source; git add source; git commit -qm base; \
                  echo CHANGE > source; git commit -qam change --allow-empty";
    let run = |change: &str| {
        let script = script.replace("BASE", "dropped").replace("CHANGE", change);
        let _ = dir
            .run(Command::new("bash").args(["-ec", &format!("rm -rf repository; {script}")]))
            .ok();
        let path = std::env::var("PATH").expect("a PATH");
        let mut failed = false;
        for (always, code) in &steps {
            if failed && !always {
                continue;
            }
            let mut shell = Command::new("bash");
            shell
                .args(["-e", "-c", code])
                .env("PATH", format!("{}:{path}", place("bin")))
                .env("BTFHUB_PIN", "0123456789abcdef0123456789abcdef01234567")
                .env("OBJECT", "probe.bpf.o")
                .env("PULL_REQUEST", "7");
            let result = dir.run_in("repository", &mut shell);
            failed |= result.status != Some(0);
        }
        let comment = std::fs::read_to_string(dir.path("comment")).expect("a comment");
        (failed, comment)
    };
    let (failed, comment) = run("dropped");
    assert!(!failed, "{comment}");
    assert!(
        comment.contains("Nothing changed since the baseline"),
        "{comment}"
    );
    // Different programs: those of the base are gone.
    let (failed, comment) = run("kernel");
    assert!(failed, "{comment}");
    assert!(comment.contains("Programs gone"), "{comment}");
    let said = std::fs::read_to_string(dir.path("said")).expect("what gh was told");
    assert!(
        said.starts_with("pr comment 7 --body-file changes.md"),
        "{said}"
    );
}

/// The table of supported kernels matches the archives.
#[test]
fn the_table_of_distributions_is_the_archives() {
    let Some(shared) = btfhub_tests::shared::shared() else {
        return;
    };
    let dir = Dir::new();
    let object = project().join("examples/execwatch/src/execwatch.bpf.o");
    let mut command = dir.command();
    command
        .args(["report", "--format", "support", "--archive"])
        .arg(shared.join("archive"))
        .arg("--archive")
        .arg(shared.join("archive-old"))
        .arg("--object")
        .arg(object)
        .arg("--check")
        .arg(project().join("docs/distributions.md"));
    let _ = dir.run(&mut command).ok();
}

/// A page's terminal transcripts: commands, each with its output.
fn transcripts(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (at, _) in text.match_indices("<!-- transcript -->") {
        let (_, block) = text[at..].split_once("```text\n").expect("a text block");
        let (block, _) = block.split_once("```").expect("a closed block");
        for shown in block.split("$ ").skip(1) {
            let (command, printed) = shown.split_once('\n').expect("a command's line");
            all.push((command.to_owned(), printed.trim_end().to_owned()));
        }
    }
    all
}

/// Whether a text is as shown; a line `…` stands for the rest.
fn is_shown(shown: &str, printed: &str) -> bool {
    match shown.strip_suffix("\n…") {
        Some(shown) => printed.starts_with(&format!("{shown}\n")),
        None => printed.trim_end() == shown,
    }
}

#[test]
fn what_is_shown_is_what_is_printed() {
    let mut run = 0;
    for (page, text) in pages() {
        let transcripts = transcripts(&text);
        if transcripts.is_empty() {
            continue;
        }
        let dir = Dir::new();
        copy(&project().join("examples/archive"), &dir.path("archive"));
        let object = project().join("examples/execwatch/src/execwatch.bpf.o");
        std::fs::copy(object, dir.path("execwatch.bpf.o")).unwrap();
        for (command, shown) in transcripts {
            let words = command.strip_prefix("cargo btfhub ").expect("our command");
            let printed = dir.btfhub(words.split(' ')).stdout;
            assert!(is_shown(&shown, &printed), "{page}: {command}\n{printed}");
            run += 1;
        }
    }
    assert!(run >= 10, "{run} commands");
}

#[test]
fn schemas_of_the_command_line_are_documented() {
    let schemas = |text: &str| -> BTreeSet<String> {
        let found = text.match_indices("btfhub.").filter_map(|(at, _)| {
            let rest = &text[at..];
            let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
            let (name, rest) = rest["btfhub.".len()..].split_once('/')?;
            let version = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            let is_schema = !version.is_empty() && !name.is_empty() && name.chars().all(is_part);
            is_schema.then(|| format!("btfhub.{name}/{version}"))
        });
        found.collect()
    };
    let documented = pages().iter().flat_map(|(_, text)| schemas(text)).collect();
    assert_eq!(schemas(&sources()), documented);
}

#[test]
fn every_lint_has_its_row() {
    let page = std::fs::read_to_string(project().join("docs/build-script.md")).expect("a page");
    let of_page = (page.lines()).filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let defaults: BTreeMap<&str, &str> = of_page.collect();
    for lint in Lint::ALL {
        let row = defaults.get(lint.name()).copied().unwrap_or_default();
        let default = format!("{:?}", lint.default_level(None)).to_lowercase();
        assert!(row.starts_with(&default), "{lint}: {row}");
    }
}

#[test]
fn links_lead_somewhere() {
    for (page, text) in pages() {
        let dir = Path::new(&page).parent().expect("a directory");
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let (target, _) = rest.split_once(')').expect("a closed link");
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.starts_with("http") {
                continue;
            }
            let file = if file.is_empty() {
                PathBuf::from(&page)
            } else {
                dir.join(file)
            };
            assert!(file.exists(), "{page}: {target} is not there");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).expect("a page");
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let slug = |line: &str| {
                    let line = line.trim_start_matches('#').trim().to_lowercase();
                    line.replace(' ', "-").replace(['?', ',', '`', '.'], "")
                };
                assert!(
                    headings.any(|line| slug(line) == anchor),
                    "{page}: {target}"
                );
            }
        }
    }
}

/// All sources, without the line breaks inside string literals.
fn sources() -> String {
    let mut all = String::new();
    let mut dirs: Vec<PathBuf> = [
        "btfhub-build/src",
        "btfhub-build/cargo-btfhub/src",
        "btfhub-runtime/src",
        "btfhub-macros/src",
    ]
    .iter()
    .map(|dir| project().join(dir))
    .collect();
    while let Some(dir) = dirs.pop() {
        for item in std::fs::read_dir(dir).expect("sources") {
            let path = item.expect("a directory entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let text = std::fs::read_to_string(path).expect("a source");
                let mut lines = text.lines();
                for line in &mut lines {
                    let joined = line.strip_suffix('\\');
                    all.push_str(joined.map_or(line, str::trim_end).trim_start());
                    all.push(if joined.is_some() { ' ' } else { '\n' });
                }
            }
        }
    }
    all.replace("\\\"", "\"")
}

#[test]
fn messages_are_those_of_the_code() {
    let sources = sources();
    let page = std::fs::read_to_string(project().join("docs/troubleshooting.md")).unwrap();
    let (ours, _) = page
        .split_once("## From the loader")
        .expect("the loaders' messages last");
    let mut messages = 0;
    for line in ours.lines().filter(|line| line.starts_with("| `")) {
        let cell = line.split('|').nth(1).expect("a cell");
        for part in cell
            .split('`')
            .skip(1)
            .step_by(2)
            .flat_map(|code| code.split('…'))
        {
            let part = part.trim();
            assert!(sources.contains(part), "no source says {part:?}");
            messages += usize::from(!part.is_empty());
        }
    }
    assert!(messages > 30, "{messages} messages");
}
