//! `fetch`: the needed part of an archive at one commit, through git's partial clone and
//! sparse checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use btfhub_build::archive::Entry;
use serde::Serialize;

use crate::args;
use crate::failure::{Context, Exit, Failure};
use crate::git::Git;
use crate::kernels::Wanted;
use crate::output::{Output, count};

/// Files asked for at once: what an interruption loses at most.
const FILES_PER_REQUEST: usize = 64;
/// Marks a repository as one that `fetch` may change.
const MADE_HERE: &str = "btfhub.fetch";
/// Marks one whose files are being written.
const UNFINISHED: &str = "btfhub.unfinished";

#[derive(Serialize)]
struct Fetched {
    schema: &'static str,
    pin: String,
    url: String,
    out: String,
    kernels: usize,
    bytes: u64,
    requested: usize,
}

/// A file or link of the commit that is wanted here.
struct Blob {
    object: String,
    path: String,
    is_link: bool,
}

pub(crate) fn run(args: &args::Fetch, output: Output) -> Result<(), Failure> {
    let pin = commit_id(&args.pin)?;
    let wanted = Wanted::new(&args.filter)?;
    let (is_new, is_new_directory) = (!args.out.join(".git").exists(), !args.out.exists());
    let git = open(&args.out, &args.url, output)?;
    if let Err(failure) = fetch_commit(&git, &pin, &args.url, output) {
        // Nothing was got that the next call could go on with.
        if is_new {
            let _ = std::fs::remove_dir_all(args.out.join(".git"));
        }
        if is_new_directory {
            let _ = std::fs::remove_dir(&args.out);
        }
        return Err(failure);
    }
    let tree = git.run(&["ls-tree", "-r", "-z", "--full-tree", &pin])?;
    let (blobs, others) = choose(&tree, &wanted);
    let kernels = blobs.iter().filter(|blob| !blob.is_link).count();
    if kernels == 0 {
        return Err(Failure::new(format!(
            "no kernel of {} at {pin} fits --include, --exclude and --arch",
            args.url
        ))
        .with_exit(Exit::NotFound));
    }
    let requested = fetch_blobs(&git, &pin, &blobs, output)?;
    check_out(&git, &pin, &blobs, others)?;
    let bytes = verify(&git, &pin, &args.out, &blobs)?;
    let fetched = Fetched {
        schema: "btfhub.fetch/1",
        pin,
        url: args.url.clone(),
        out: args.out.display().to_string(),
        kernels,
        bytes,
        requested,
    };
    output.result(&fetched, || {
        format!(
            "{}, {bytes} bytes, at {} in {} ({} requested now)\n",
            count(kernels, "kernel", "kernels"),
            fetched.pin,
            fetched.out,
            count(requested, "file", "files"),
        )
    })
}

/// A pin is a full commit id: anything shorter or any name could mean another commit
/// tomorrow.
fn commit_id(pin: &str) -> Result<String, Failure> {
    let is_id = matches!(pin.len(), 40 | 64) && pin.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return Ok(pin.to_ascii_lowercase());
    }
    Err(Failure::usage(format!(
        "--pin {pin}: not a full commit id (40 hexadecimal digits); `git ls-remote URL` shows \
         what a branch or tag stands at"
    )))
}

/// The repository at `out`, made or gone on with.
fn open(out: &Path, url: &str, output: Output) -> Result<Git, Failure> {
    let git = Git::new(out);
    if !out.join(".git").exists() {
        let in_use = std::fs::read_dir(out).is_ok_and(|mut files| files.next().is_some());
        if in_use {
            return Err(not_ours(out));
        }
        std::fs::create_dir_all(out).context(|| format!("cannot make {}", out.display()))?;
    }
    git.settle(|| {
        output.note(&format!(
            "waiting for the git that still works in {}",
            out.display()
        ));
    });
    // Also what makes a repository whole whose making was interrupted.
    git.run(&["init", "--quiet"])?;
    if !git.succeeds(&["config", "--get", MADE_HERE])? {
        let is_used = git.succeeds(&["rev-parse", "--verify", "--quiet", "HEAD"])?
            || git.succeeds(&["config", "--get-regexp", "^remote[.]"])?;
        if is_used {
            return Err(not_ours(out));
        }
        git.run(&["config", MADE_HERE, "true"])?;
    }
    for (name, value) in [
        ("remote.origin.url", url),
        // What a lazy fetch needs, should one be wanted later.
        ("remote.origin.promisor", "true"),
        ("remote.origin.partialclonefilter", "blob:none"),
        // The archive's files are compressed already; line endings are nobody's business here.
        ("core.autocrlf", "false"),
        // A connection that stands still for a minute ends, and the next call goes on.
        ("http.lowSpeedLimit", "1000"),
        ("http.lowSpeedTime", "60"),
    ] {
        git.run(&["config", name, value])?;
    }
    Ok(git)
}

fn not_ours(out: &Path) -> Failure {
    Failure::usage(format!(
        "--out {}: holds files, but is no checkout that `fetch` made; name a new directory",
        out.display()
    ))
}

fn fetch_commit(git: &Git, pin: &str, url: &str, output: Output) -> Result<(), Failure> {
    let commit = format!("{pin}^{{commit}}");
    if git.succeeds(&["cat-file", "-e", &commit])? {
        return Ok(());
    }
    output.note(&format!("asking {url} for commit {pin}"));
    let fetch = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--filter=blob:none",
    ];
    let alone = [&fetch[..], &["--depth=1", "origin", pin]].concat();
    let refused = match git.run(&alone) {
        Ok(_) => return Ok(()),
        Err(refused) => refused,
    };
    // Some servers hand out branches and tags only.
    let everything = [
        &fetch[..],
        &[
            "origin",
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/*:refs/tags/*",
        ],
    ]
    .concat();
    git.run(&everything).map_err(|mut failure| {
        failure.chain.insert(0, format!("cannot fetch from {url}"));
        failure.help = Some("is --url right, and can this machine reach it?".to_owned());
        failure
    })?;
    if git.succeeds(&["cat-file", "-e", &commit])? {
        return Ok(());
    }
    let mut failure = Failure::new(format!("{url} has no commit {pin}")).with_exit(Exit::NotFound);
    failure.chain.extend(refused.chain);
    Err(failure)
}

/// The wanted files of the commit, and whether there are others.
///
/// Links are codename directories (`ubuntu/bionic` → `18.04`) and cost nothing.
fn choose(tree: &[u8], wanted: &Wanted) -> (Vec<Blob>, bool) {
    let mut others = false;
    let blobs = (tree.split(|&byte| byte == 0))
        .filter_map(|record| {
            // "<mode> blob <object>\t<path>"
            let record = std::str::from_utf8(record).ok()?;
            let (head, path) = record.split_once('\t')?;
            let mut head = head.split(' ');
            let (mode, kind, object) = (head.next()?, head.next()?, head.next()?);
            let is_link = mode == "120000";
            let is_wanted = kind == "blob"
                && (is_link
                    || Entry::at("", path).is_some_and(|entry| wanted.takes(&entry.kernel())));
            others |= !is_wanted;
            is_wanted.then(|| Blob {
                object: object.to_owned(),
                path: path.to_owned(),
                is_link,
            })
        })
        .collect();
    (blobs, others)
}

/// Fetches the wanted blobs that are not here yet, a few at a time, and says how many.
fn fetch_blobs(git: &Git, pin: &str, blobs: &[Blob], output: Output) -> Result<usize, Failure> {
    let listed = git.run(&["rev-list", "--objects", "--missing=print", "--no-walk", pin])?;
    let missing: BTreeSet<&str> = (listed.split(|&byte| byte == b'\n'))
        .filter_map(|line| std::str::from_utf8(line).ok()?.strip_prefix('?'))
        .collect();
    let needed: BTreeSet<&str> = (blobs.iter())
        .map(|blob| blob.object.as_str())
        .filter(|object| missing.contains(object))
        .collect();
    let needed: Vec<&str> = needed.into_iter().collect();
    let progress = output.progress("fetching");
    let mut done = 0;
    for part in needed.chunks(FILES_PER_REQUEST) {
        progress.set(done, needed.len());
        let input = part.iter().fold(String::new(), |mut input, object| {
            let _ = writeln!(input, "{object}");
            input
        });
        let request = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--filter=blob:none",
            "--stdin",
            "origin",
        ];
        git.run_with_input(&request, input.as_bytes()).context(|| {
            format!(
                "stopped after {done} of {} files; call again to go on",
                needed.len()
            )
        })?;
        done += part.len();
    }
    Ok(needed.len())
}

fn check_out(git: &Git, pin: &str, blobs: &[Blob], others: bool) -> Result<(), Failure> {
    // What a run that was killed had written may be half a file, and is none that git knows.
    let is_unfinished = git.succeeds(&["config", "--get", UNFINISHED])?;
    git.run(&["config", UNFINISHED, "true"])?;
    if others {
        // Whole directories by one pattern each would be shorter, but would bring in
        // what the next state of the directory adds.
        let patterns = blobs.iter().fold(String::new(), |mut patterns, blob| {
            let _ = writeln!(patterns, "/{}", escape(&blob.path));
            patterns
        });
        git.run_with_input(
            &["sparse-checkout", "set", "--no-cone", "--stdin"],
            patterns.as_bytes(),
        )?;
    } else {
        git.run(&["sparse-checkout", "disable"])?;
    }
    let force: &[&str] = if is_unfinished { &["--force"] } else { &[] };
    git.run(&[&["checkout", "--quiet", "--detach"], force, &[pin]].concat())?;
    // `checkout` takes a deleted file for the user's wish.
    let deleted = git.run(&["ls-files", "--deleted", "-z"])?;
    git.run_with_input(&["checkout-index", "-z", "--stdin"], &deleted)?;
    git.run(&["config", "--unset", UNFINISHED])?;
    Ok(())
}

/// Takes the meaning of gitignore's special characters from a path.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for char in path.chars() {
        if matches!(char, '*' | '?' | '[' | '\\' | ' ') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// Checks that the checkout is at the pin and holds each wanted file unmodified; returns
/// their bytes.
fn verify(git: &Git, pin: &str, out: &Path, blobs: &[Blob]) -> Result<u64, Failure> {
    let head = git.run(&["rev-parse", "--verify", "HEAD"])?;
    let head = String::from_utf8_lossy(&head);
    if head.trim() != pin {
        return Err(Failure::new(format!(
            "{} is at {}, not at {pin}",
            out.display(),
            head.trim()
        )));
    }
    let changed = git.run(&["status", "--porcelain", "--untracked-files=no"])?;
    if let Some(first) = String::from_utf8_lossy(&changed).lines().next() {
        return Err(Failure::new(format!(
            "{}: files differ from the commit, first: {first}; delete them and call again",
            out.display()
        )));
    }
    let mut sizes = BTreeMap::new();
    for blob in blobs.iter().filter(|blob| !blob.is_link) {
        let file = out.join(&blob.path);
        let metadata = std::fs::symlink_metadata(&file)
            .context(|| format!("{} is missing", file.display()))?;
        sizes.insert(&blob.path, metadata.len());
    }
    Ok(sizes.values().sum())
}

#[cfg(test)]
mod tests {
    use super::{commit_id, escape};

    #[test]
    fn only_full_commit_ids_pin() {
        assert!(commit_id("93cdeb8").is_err());
        assert!(commit_id("main").is_err());
        let id = "93CDEB8a93cdeb8a93cdeb8a93cdeb8a93cdeb8a";
        assert_eq!(commit_id(id).map_err(|_| ()), Ok(id.to_lowercase()));
    }

    #[test]
    fn patterns_are_literal() {
        assert_eq!(escape("a/b [1]*?.btf"), r"a/b\ \[1]\*\?.btf");
    }
}
