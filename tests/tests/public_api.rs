//! The public API, as a list of declarations that a change must change as well:
//! `tests/api/<crate>.txt`, made by `BTFHUB_BLESS=1 cargo test -p btfhub-tests
//! --test public_api`. What a line that goes or changes means for users, semver
//! says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 3] = ["btfhub-build", "btfhub-macros", "btfhub-runtime"];

#[test]
fn the_public_api_is_as_written_down() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = btfhub_tests::shared::scratch("public-api");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(&project)
        .args(["doc", "--quiet", "--no-deps", "--target-dir"])
        .arg(&target)
        .args(CRATES.iter().flat_map(|name| ["-p", name]))
        .status()
        .expect("cargo");
    assert!(built.success(), "the documentation does not build");
    for name in CRATES {
        let dir = target.join("doc").join(name.replace('-', "_"));
        let found = declarations(&dir).join("\n") + "\n";
        let file = project.join(format!("tests/api/{name}.txt"));
        if std::env::var_os("BTFHUB_BLESS").is_some_and(|value| value == "1") {
            std::fs::create_dir_all(file.parent().expect("a directory")).expect("tests/api");
            std::fs::write(&file, &found).expect("a written list");
        }
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        let (known, found): (BTreeSet<&str>, BTreeSet<&str>) =
            (known.lines().collect(), found.lines().collect());
        let gone: Vec<_> = known.difference(&found).collect();
        let new: Vec<_> = found.difference(&known).collect();
        assert!(
            gone.is_empty() && new.is_empty(),
            "the public API of {name} changed; if it should, say so in CHANGELOG.md and bless \
             (see this test's first lines)\ngone: {gone:#?}\nnew: {new:#?}"
        );
    }
}

/// One line per item, field list, method and implemented trait, by page.
fn declarations(dir: &Path) -> Vec<String> {
    let mut pages: Vec<PathBuf> = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for item in std::fs::read_dir(dir).expect("documentation") {
            let path = item.expect("a directory entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "html")
            {
                pages.push(path);
            }
        }
    }
    let mut lines = BTreeSet::new();
    for path in pages {
        let html = std::fs::read_to_string(&path).expect("a page");
        let page = path.strip_prefix(dir).expect("below the directory");
        let page = page.display().to_string().replace(".html", "");
        // What every type has is no choice of ours.
        let end = html
            .find("id=\"synthetic-implementations\"")
            .or_else(|| html.find("id=\"blanket-implementations\""))
            .unwrap_or(html.len());
        let own = &html[..end];
        for (begin, close) in [
            ("<pre class=\"rust item-decl\">", "</pre>"),
            ("class=\"code-header\">", "</h"),
            ("<section id=\"variant.", "</section>"),
        ] {
            for (at, _) in own.match_indices(begin) {
                let rest = &own[at + begin.len()..];
                let rest = &rest[..rest.find(close).unwrap_or(0)];
                let rest = rest
                    .split_once("\" class=\"variant\">")
                    .map_or(rest, |(_, rest)| rest);
                let text = plain(rest);
                if !text.is_empty() {
                    lines.insert(format!("{page}: {text}"));
                }
            }
        }
    }
    lines.into_iter().collect()
}

/// Text without tags and with single blanks.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut tag = false;
    for character in html.chars() {
        match character {
            '<' => tag = true,
            '>' => tag = false,
            _ if !tag => text.push(character),
            _ => {}
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
