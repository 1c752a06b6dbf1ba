//! The file of a shard. It is passed between the jobs of one build and is not for
//! storage: only the release that wrote it reads it.
//!
//! Numbers are u64, little-endian; a *text* is its length and UTF-8.
//!
//! ```text
//! [u8;8]   magic `BTFHUB\x1aS`, which no reader of bundles accepts
//! text     who wrote it: btfhub-build, its version, the engine
//! number   which shard, of how many
//! number   how many kernels the whole list has
//! [u8;32]  digest of that list
//! number   how many archives; for each a text: its pin, or empty
//! number   how many kernels are here; for each
//!            the entry as in the list: arch, release, distro, version,
//!            path (texts), archive, bytes of the file (numbers)
//!            text: why it cannot be used; if that is empty:
//!            [u8;32]  digest of the file
//! the rest a bundle of these kernels, marked as partial, without pins
//! [u8;32]  digest of everything before
//! ```

use std::path::Path;

use btfhub_runtime::bundle::write::SHARD_MAGIC;
use btfhub_runtime::{Arch, KernelId, Printable};

use super::Shard;
use crate::archive::{Digest, Entry};
use crate::error::{Error, ErrorKind};
use crate::input;
use crate::output;

const DIGEST_LEN: usize = 32;

/// The writer of shards; only its own shards are read. Another release may tailor differently
/// or write different bundles.
pub(super) const WRITER: &str = concat!(
    "btfhub-build ",
    env!("CARGO_PKG_VERSION"),
    ", engine ",
    env!("BTFHUB_ENGINE")
);

/// A part of the kernels, done.
#[derive(Clone, Debug)]
pub struct ShardFile {
    /// How messages name it: the file's path.
    pub(super) name: String,
    pub(super) writer: String,
    pub(super) shard: Shard,
    pub(super) list: List,
    /// The pin of each archive, if it has one.
    pub(super) pins: Vec<Option<String>>,
    pub(super) rows: Vec<Row>,
    /// For the rows that can be used.
    pub(super) bundle: Vec<u8>,
}

/// The list of all kernels, divided or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) count: usize,
    pub(crate) digest: Digest,
}

/// A kernel of the list, and its result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) archive: usize,
    pub(crate) entry: Entry,
    /// Bytes of the entry's file.
    pub(crate) size: u64,
    /// The file's digest, or why the entry cannot be used.
    pub(crate) came: Result<Digest, String>,
}

impl List {
    /// A list of entries, each with the number of its archive and its size.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = (usize, &'a Entry, u64)>) -> Self {
        let (mut count, mut all) = (0, Vec::new());
        for (archive, entry, size) in entries {
            count += 1;
            put_entry(&mut all, archive, entry, size);
        }
        Self {
            count,
            digest: Digest::of(&all),
        }
    }
}

impl ShardFile {
    pub(crate) fn new(
        shard: Shard,
        list: List,
        pins: Vec<Option<String>>,
        rows: Vec<Row>,
        bundle: Vec<u8>,
    ) -> Self {
        Self {
            name: format!("shard {shard}"),
            writer: WRITER.to_owned(),
            shard,
            list,
            pins,
            rows,
            bundle,
        }
    }

    /// Which part it is.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// How many kernels are in it.
    pub fn kernel_count(&self) -> usize {
        self.rows.iter().filter(|row| row.came.is_ok()).count()
    }

    /// How many kernels there are in all shards, usable or not.
    pub fn kernels_in_all(&self) -> usize {
        self.list.count
    }

    /// The entries of this part that were left out because they cannot be
    /// used, and why.
    pub fn bad_entries(&self) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter_map(|row| row.came.as_ref().err())
            .map(String::as_str)
    }

    /// The bundle of its kernels.
    pub(crate) fn bundle(&self) -> &[u8] {
        &self.bundle
    }

    /// The file's content.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = SHARD_MAGIC.to_vec();
        put_text(&mut out, &self.writer);
        put(&mut out, u64::from(self.shard.number));
        put(&mut out, u64::from(self.shard.of));
        put(&mut out, self.list.count as u64);
        out.extend(self.list.digest.as_bytes());
        put(&mut out, self.pins.len() as u64);
        for pin in &self.pins {
            put_text(&mut out, pin.as_deref().unwrap_or_default());
        }
        put(&mut out, self.rows.len() as u64);
        for row in &self.rows {
            put_entry(&mut out, row.archive, &row.entry, row.size);
            match &row.came {
                Ok(digest) => {
                    put_text(&mut out, "");
                    out.extend(digest.as_bytes());
                }
                Err(why) => put_text(&mut out, why),
            }
        }
        out.extend(&self.bundle);
        let digest = Digest::of(&out);
        out.extend(digest.as_bytes());
        out
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        output::write(path.as_ref(), &self.to_bytes())
    }

    /// Reads a file that [`write_to`](Self::write_to) wrote.
    ///
    /// # Errors
    /// If it cannot be read, is not a shard, is damaged, or was written by a different release.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let data = input::read(path, input::ATLAS_LIMIT).map_err(|error| {
            let message = format!("cannot read {}", path.display());
            Error::new(ErrorKind::Io, message).because(error)
        })?;
        Self::parse(&path.display().to_string(), &data)
    }

    /// The shard in `data`; messages call it `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(name: &str, data: &[u8]) -> Result<Self, Error> {
        let wrong = |what: &str| Error::new(ErrorKind::Shard, format!("{name} {what}"));
        let again = "make this shard again";
        let Some(rest) = data.strip_prefix(&SHARD_MAGIC) else {
            return Err(wrong("is not a shard of a bundle")
                .help("`cargo btfhub bundle --shard K/N` writes shards"));
        };
        let (content, digest) = data
            .split_last_chunk::<DIGEST_LEN>()
            .ok_or_else(|| wrong("is cut off").help(again))?;
        if Digest::of(content).as_bytes() != digest {
            return Err(wrong("is damaged: its digest does not match").help(again));
        }
        let rest = rest.get(..rest.len().saturating_sub(DIGEST_LEN));
        let mut reader = Reader(rest.unwrap_or_default());
        let writer = reader.text().unwrap_or_default();
        if writer != WRITER {
            return Err(wrong(&format!(
                "was written by {}, but this is {WRITER}",
                Printable(writer)
            ))
            .help("make all shards, and join them, with one release of cargo-btfhub"));
        }
        reader
            .shard(name)
            .ok_or_else(|| wrong("breaks a rule of the shard format").help(again))
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend(text.as_bytes());
}

/// What the list says about a kernel.
fn put_entry(out: &mut Vec<u8>, archive: usize, entry: &Entry, size: u64) {
    let kernel = entry.kernel();
    let path = entry.path().to_string_lossy();
    for text in [
        kernel.arch.as_str(),
        kernel.release,
        kernel.distro,
        kernel.version,
        &path,
    ] {
        put_text(out, text);
    }
    put(out, archive as u64);
    put(out, size);
}

/// Reads what was written; `None` if it ends too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn place(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.place()?;
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(head).ok()
    }

    fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest::from_bytes)
    }

    /// What follows the writer.
    fn shard(mut self, name: &str) -> Option<ShardFile> {
        let number = u32::try_from(self.number()?).ok()?;
        let shard = Shard::new(number, u32::try_from(self.number()?).ok()?)?;
        let list = List {
            count: self.place()?,
            digest: self.digest()?,
        };
        let mut pins = Vec::new();
        for _ in 0..self.number()? {
            let pin = self.text()?;
            pins.push((!pin.is_empty()).then(|| pin.to_owned()));
        }
        let mut rows = Vec::new();
        for _ in 0..self.number()? {
            rows.push(self.row()?);
        }
        Some(ShardFile {
            name: name.to_owned(),
            writer: WRITER.to_owned(),
            shard,
            list,
            pins,
            rows,
            bundle: self.0.to_vec(),
        })
    }

    fn row(&mut self) -> Option<Row> {
        let kernel = KernelId {
            arch: Arch::new(self.text()?),
            release: self.text()?,
            distro: self.text()?,
            version: self.text()?,
        };
        let entry = Entry::of_kernel(kernel, self.text()?);
        let (archive, size) = (self.place()?, self.number()?);
        let why = self.text()?;
        let came = if why.is_empty() {
            Ok(self.digest()?)
        } else {
            Err(why.to_owned())
        };
        Some(Row {
            archive,
            entry,
            size,
            came,
        })
    }
}
