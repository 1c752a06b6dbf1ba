//! Does a test notice when a rule of the engine is broken?
//!
//! `cargo test -p btfhub-tests --test repository mutants -- --ignored --nocapture`
//!
//! `mutants.txt` lists changes that each break one rule. Each is made in a copy of the sources,
//! where the core tests must then fail, unless the entry says why they can't. A change that no
//! longer fits the source is an error, so that the table follows the code.
//! `BTFHUB_MUTANTS=words,others` runs those whose title has one of the words.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use btfhub_tests::shared::scratch;

const TABLE: &str = include_str!("mutants.txt");
const PACKAGE: &str = "btfhub-build/src";
/// Fastest first.
const TESTS: [&str; 4] = ["format::", "handmade::", "properties::", "contract::"];

struct Mutant {
    title: String,
    file: String,
    from: String,
    to: String,
    survives: Option<String>,
}

/// `# title`, `@ file`, lines with `-` and `+` as in a patch but found anywhere in the file,
/// `! reason` if no test can notice.
fn table() -> Vec<Mutant> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for line in TABLE.lines() {
        let Some((mark, rest)) = line.split_at_checked(1) else {
            continue;
        };
        let text = rest.strip_prefix(' ').unwrap_or(rest);
        if mark == "#" {
            mutants.push(Mutant {
                title: text.to_owned(),
                file: String::new(),
                from: String::new(),
                to: String::new(),
                survives: None,
            });
        }
        let Some(last) = mutants.last_mut() else {
            continue;
        };
        let add = |part: &mut String| {
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(text);
        };
        match mark {
            "@" => text.clone_into(&mut last.file),
            "-" => add(&mut last.from),
            "+" => add(&mut last.to),
            "!" => last.survives = Some(text.to_owned()),
            _ => {}
        }
    }
    mutants
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A source with the change made.
fn mutated(mutant: &Mutant) -> Result<String, String> {
    let path = root().join(PACKAGE).join(&mutant.file);
    let source = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", mutant.file))?;
    match source.matches(&mutant.from).count() {
        1 => Ok(source.replacen(&mutant.from, &mutant.to, 1)),
        n => Err(format!(
            "{}: found {n} times in {}",
            mutant.title, mutant.file
        )),
    }
}

#[test]
fn table_fits_the_sources() {
    let wrong: Vec<String> = table().iter().filter_map(|m| mutated(m).err()).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
#[ignore = "takes half a minute a mutant"]
fn every_mutant_dies() {
    let tree = scratch("mutants/tree");
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git lists the sources");
    for name in String::from_utf8_lossy(&listed.stdout).split('\0') {
        let (from, to) = (root().join(name), tree.join(name));
        if name.is_empty() || !from.is_file() {
            continue;
        }
        // An unchanged file keeps its time, so that cargo does not recompile it.
        let content = std::fs::read(&from).expect("a source");
        if std::fs::read(&to).ok().as_ref() != Some(&content) {
            std::fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
            std::fs::write(&to, content).expect("a copy");
        }
    }
    assert_eq!(killer(&tree), None, "the tests fail without any mutant");

    let only = std::env::var("BTFHUB_MUTANTS").unwrap_or_default();
    let (mut dead, mut survived, mut explained) = (0, Vec::new(), Vec::new());
    for mutant in table() {
        if !only.split(',').any(|words| mutant.title.contains(words)) {
            continue;
        }
        let path = tree.join(PACKAGE).join(&mutant.file);
        let whole = std::fs::read_to_string(&path).expect("a source");
        std::fs::write(&path, mutated(&mutant).expect("it fits")).expect("a mutant");
        let killer = killer(&tree);
        std::fs::write(&path, whole).expect("the source again");
        println!("{:<24} {}", killer.unwrap_or("SURVIVED"), mutant.title);
        match (killer, mutant.survives) {
            (Some(_), _) => dead += 1,
            (None, Some(reason)) => explained.push(format!("{}: {reason}", mutant.title)),
            (None, None) => survived.push(mutant.title),
        }
    }
    println!("{dead} died, {} survived for a reason:", explained.len());
    for line in &explained {
        println!("  {line}");
    }
    assert_eq!(survived, Vec::<String>::new(), "survived");
}

/// The first test that fails; `compiler` if nothing compiles.
fn killer(tree: &Path) -> Option<&'static str> {
    let cargo = |arguments: &[&str]| {
        Command::new(env!("CARGO"))
            .args(["test", "--offline", "-p", "btfhub-tests"])
            .args(arguments)
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", scratch("mutants/target"))
            .env("BTFHUB_CASES", "1000")
            .env_remove("BTFHUB_REQUIRE")
            .env_remove("BTFHUB_SHARED")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("cargo runs")
            .success()
    };
    if !cargo(&["--test", "relocation", "--no-run"]) {
        return Some("compiler");
    }
    TESTS
        .into_iter()
        .find(|tests| !cargo(&["--test", "relocation", tests]))
}
