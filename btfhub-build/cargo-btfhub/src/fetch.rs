//! `fetch`: the needed part of an archive at one commit, through git's partial clone and
//! sparse checkout.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use btfhub_build::archive::{Archive, Pin, PinnedFile};
use serde::Serialize;

use crate::args;
use crate::checkout::check_out;
use crate::failure::failure;
use crate::failure::{Context, Exit, Failure};
use crate::git::{Git, is_id};
use crate::kernels::Wanted;
use crate::output::{Output, count};

/// Files requested at once; an interruption loses at most these.
const FILES_PER_REQUEST: usize = 64;

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

pub(crate) fn run(args: &args::Fetch, output: Output) -> Result<(), Failure> {
    let pin = commit_id(&args.pin)?;
    let wanted = Wanted::new(&args.filter)?;
    let (is_new, is_new_directory) = (!args.out.join(".git").exists(), !args.out.exists());
    let git = open(&args.out, &pin, &args.url, output)?;
    if let Err(failure) = fetch_commit(&git, &pin, &args.url, output) {
        // The next call has nothing to continue with.
        if is_new {
            let _ = std::fs::remove_dir_all(args.out.join(".git"));
        }
        if is_new_directory {
            let _ = std::fs::remove_dir(&args.out);
        }
        return Err(failure);
    }
    let pinned = Pin::Commit(pin.clone());
    let files = pinned.files(&args.out).map_err(failure)?;
    let (blobs, others) = choose(files, &wanted);
    let kernels = blobs.iter().filter(|blob| !blob.is_link).count();
    if kernels == 0 {
        return Err(Failure::new(format!(
            "no kernel of {} at {pin} fits --include, --exclude and --arch",
            args.url
        ))
        .with_exit(Exit::NotFound));
    }
    let requested = fetch_blobs(&git, &pin, &blobs, output)?;
    check_out(&git, &args.out, &pin, &blobs, others)?;
    let bytes = verify(&pinned, &args.out, &wanted)?;
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
            "{}, {bytes} bytes, at {} in {} ({} requested now)",
            count(kernels, "kernel", "kernels"),
            fetched.pin,
            fetched.out,
            count(requested, "file", "files"),
        )
    })
}

/// A pin is a full commit id: anything shorter, or a name, could mean a different commit
/// tomorrow.
fn commit_id(pin: &str) -> Result<String, Failure> {
    if is_id(pin) {
        return Ok(pin.to_ascii_lowercase());
    }
    Err(Failure::usage(format!(
        "--pin {pin}: not a full commit id (40 hexadecimal digits); `git ls-remote URL` shows \
         what a branch or tag points at"
    )))
}

/// The repository at `out`, new or existing.
fn open(out: &Path, pin: &str, url: &str, output: Output) -> Result<Git, Failure> {
    let git = Git::new(out, pin);
    if git.is_of_others() {
        return Err(Failure::usage(format!(
            "--out {}: belongs to another user, who could make git run something; name a new \
             directory",
            out.display()
        )));
    }
    if !git.is_ours() {
        return Err(not_ours(out));
    }
    git.settle(|| {
        output.note(&format!(
            "waiting for a git process that is still running in {}",
            out.display()
        ));
    });
    git.renew(url)?;
    Ok(git)
}

fn not_ours(out: &Path) -> Failure {
    Failure::usage(format!(
        "--out {}: holds files, but is not a checkout that `fetch` made; name a new directory",
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
    // Some servers serve only branches and tags.
    let everything = [
        &fetch[..],
        &[
            "origin",
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/*:refs/tags/*",
        ],
    ]
    .concat();
    git.run(&everything).map_err(|failure| {
        let mut failure = failure.during(&format!("cannot fetch from {url}"));
        failure.help = Some("is --url right, and can this machine reach it?".to_owned());
        failure
    })?;
    if git.succeeds(&["cat-file", "-e", &commit])? {
        return Ok(());
    }
    let what = format!("{url} has no commit {pin}");
    Err(refused.during(&what).with_exit(Exit::NotFound))
}

/// The wanted files of the commit, and whether there are others.
///
/// Links are codename directories (`ubuntu/bionic` → `18.04`) and cost nothing.
fn choose(files: Vec<PinnedFile>, wanted: &Wanted) -> (Vec<PinnedFile>, bool) {
    let all = files.len();
    let is_wanted = |file: &PinnedFile| {
        file.is_link || (file.entry.as_ref()).is_some_and(|entry| wanted.takes(&entry.kernel()))
    };
    let chosen: Vec<PinnedFile> = files.into_iter().filter(is_wanted).collect();
    let others = chosen.len() < all;
    (chosen, others)
}

/// Fetches the wanted blobs that are missing, a few at a time, and returns how many.
fn fetch_blobs(
    git: &Git,
    pin: &str,
    blobs: &[PinnedFile],
    output: Output,
) -> Result<usize, Failure> {
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
                "stopped after {done} of {} files; run it again to continue",
                needed.len()
            )
        })?;
        done += part.len();
    }
    Ok(needed.len())
}

/// Checks that the checkout holds each wanted file with the bytes of the pin; returns how many
/// bytes.
fn verify(pin: &Pin, out: &Path, wanted: &Wanted) -> Result<u64, Failure> {
    let archive = Archive::scan(out).map_err(failure)?;
    let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    (pin.verify(&archive, jobs, |entry| wanted.takes(&entry.kernel()))).map_err(failure)
}

#[cfg(test)]
mod tests {
    use super::commit_id;

    #[test]
    fn only_full_commit_ids_pin() {
        assert!(commit_id("93cdeb8").is_err());
        assert!(commit_id("main").is_err());
        let id = "93CDEB8a93cdeb8a93cdeb8a93cdeb8a93cdeb8a";
        assert_eq!(commit_id(id).map_err(|_| ()), Ok(id.to_lowercase()));
    }
}
