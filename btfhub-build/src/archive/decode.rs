//! From the bytes of a `.btf.tar.xz` to raw BTF.
//!
//! The member is decompressed directly into words, so that BTF is indexed without another copy.
//! Little Rust code may run per byte here: build scripts are compiled unoptimised.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Read};

use btfhub_runtime::Printable;
use tar::EntryType;

use super::xz;

/// The default limit of everything that one entry decompresses to: far above
/// the largest real one (27 MB, a kernel whose BTF is not deduplicated).
pub const DEFAULT_LIMIT: u64 = 256 << 20;

/// How the name of the member with a kernel's symbols ends.
pub(crate) const SYMBOLS: &str = ".symbols";

/// The longest name of a member that is looked at: no path is longer on Linux (`PATH_MAX`).
const LONGEST_MEMBER: usize = 4096;

/// How many members of a tar that holds too many are named.
const NAMED_MEMBERS: usize = 4;

/// The BTF of one entry.
#[derive(Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// The bytes of the member as words, in the byte order of the file; the
    /// last word is padded with zeros.
    pub words: Vec<u32>,
    /// How many bytes the member has.
    pub len: usize,
    /// The member's name; empty if the file is BTF itself.
    pub member: String,
    /// The split BTFs of its modules, sorted by name.
    pub modules: Vec<DecodedModule>,
    /// The kernel's symbols (see [`Symbols`](crate::symbols::Symbols)), unread.
    pub symbols: Option<Vec<u8>>,
}

/// A module's BTF in an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodedModule {
    /// As in `lsmod` and `/sys/kernel/btf`, without `-`.
    pub name: String,
    /// The bytes of the member.
    pub btf: Vec<u8>,
}

impl Decoded {
    /// The bytes of the member.
    pub fn bytes(&self) -> &[u8] {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        bytes.get(..self.len).unwrap_or(bytes)
    }
}

/// Why an entry cannot be decoded.
#[derive(Debug)]
pub struct DecodeError(Cause);

#[derive(Debug)]
enum Cause {
    LfsPointer,
    NotXz,
    NotBtf,
    OutOfMemory,
    Xz(io::Error),
    Tar(io::Error),
    TooBig(u64),
    Refused {
        member: String,
        what: &'static str,
    },
    NoMember,
    /// How many, and the names of the first few, as they are shown.
    Several(usize, Vec<String>),
    Twice(String),
}

impl DecodeError {
    /// Whether this machine had too little memory. The entry may then be fine.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.0, Cause::OutOfMemory)
    }

    fn xz(error: io::Error) -> Self {
        Self(if xz::is_out_of_memory(&error) {
            Cause::OutOfMemory
        } else {
            Cause::Xz(error)
        })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::LfsPointer => {
                f.write_str("Git LFS pointer instead of the file; `git lfs pull` fetches it")
            }
            Cause::NotXz => f.write_str("not an xz file"),
            Cause::NotBtf => f.write_str("not BTF"),
            Cause::OutOfMemory => f.write_str("not enough memory to decompress it"),
            Cause::Xz(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("truncated: the xz stream ends too early")
            }
            Cause::Xz(_) => f.write_str("damaged xz stream"),
            Cause::Tar(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("truncated: the tar inside ends in the middle of a member")
            }
            Cause::Tar(_) => f.write_str("the xz holds no readable tar"),
            Cause::TooBig(limit) => {
                write!(f, "decompresses to more than the limit of {limit} bytes")
            }
            Cause::Refused { member, what } => {
                write!(
                    f,
                    "the tar holds {what}, `{}`, where one regular file belongs",
                    Printable(member)
                )
            }
            Cause::NoMember => f.write_str("the tar holds no file"),
            Cause::Several(files, named) => {
                write!(
                    f,
                    "the tar holds {files} files and none of them is the only `vmlinux` or \
                     `<release>.btf`: {}",
                    named.join(", ")
                )?;
                f.write_str(if *files > named.len() { ", …" } else { "" })
            }
            Cause::Twice(module) => {
                write!(f, "the tar holds module {} twice", Printable(module))
            }
        }
    }
}

impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            // The tar reader's own words quote bytes of the file.
            Cause::Xz(error) if error.kind() != io::ErrorKind::UnexpectedEof => Some(error),
            _ => None,
        }
    }
}

/// Extracts the kernel's BTF from the bytes of a `.btf.tar.xz`; a file that is BTF itself is
/// used unchanged.
///
/// The tar must hold one regular file, with any name. If it holds several, the one named
/// `vmlinux` or `<release>.btf` is the kernel's, `<release>.symbols` has its symbols, and the
/// others are split BTFs of modules, named after them. Directories and the `._` files of macOS are
/// skipped. Nothing is unpacked to disk.
///
/// # Errors
/// When the xz or the tar is damaged, decompresses to more than `limit`
/// bytes in all, or holds a link, a device, a sparse file, an absolute path, a
/// path with `..` or of more than 4,096 bytes, no file, or several without a single `vmlinux` or
/// `<release>.btf`, or a module twice.
pub fn decode(compressed: &[u8], limit: u64) -> Result<Decoded, DecodeError> {
    if is_btf(compressed) {
        return plain(compressed, limit);
    }
    if !compressed.starts_with(b"\xfd7zXZ\0") {
        let lfs = is_lfs_pointer(compressed);
        return Err(DecodeError(if lfs {
            Cause::LfsPointer
        } else {
            Cause::NotXz
        }));
    }
    let reader = xz::reader(compressed).map_err(DecodeError::xz)?;
    let mut stream = Bounded {
        reader,
        left: limit,
        failure: None,
    };
    let found = members(&mut stream, limit);
    // The tar reader's own error for a failed read helps nobody.
    match stream.failure.take() {
        Some(Failure::TooBig) => Err(DecodeError(Cause::TooBig(limit))),
        Some(Failure::Read(error)) => Err(DecodeError::xz(error)),
        None => found.map_err(DecodeError),
    }
}

/// Whether a file starts as BTF of either byte order does.
fn is_btf(start: &[u8]) -> bool {
    start.starts_with(&[0x9f, 0xeb]) || start.starts_with(&[0xeb, 0x9f])
}

/// Like [`decode`], for a file that must be BTF itself.
pub(super) fn plain(btf: &[u8], limit: u64) -> Result<Decoded, DecodeError> {
    if !is_btf(btf) {
        let lfs = is_lfs_pointer(btf);
        return Err(DecodeError(if lfs {
            Cause::LfsPointer
        } else {
            Cause::NotBtf
        }));
    }
    let len = btf.len();
    if len as u64 > limit {
        return Err(DecodeError(Cause::TooBig(limit)));
    }
    let mut words = vec![0u32; len.div_ceil(4)];
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    if let Some(bytes) = bytes.get_mut(..len) {
        bytes.copy_from_slice(btf);
    }
    Ok(Decoded {
        words,
        len,
        member: String::new(),
        modules: Vec::new(),
        symbols: None,
    })
}

/// Whether a file starts as Git LFS pointers do.
pub(super) fn is_lfs_pointer(start: &[u8]) -> bool {
    start.starts_with(b"version https://git-lfs.")
}

fn members(stream: &mut Bounded<impl Read>, limit: u64) -> Result<Decoded, Cause> {
    let mut tar = tar::Archive::new(&mut *stream);
    let mut files: Vec<File> = Vec::new();
    for member in tar.entries().map_err(Cause::Tar)? {
        let mut member = member.map_err(Cause::Tar)?;
        let path = member.path_bytes();
        let is_long = path.len() > LONGEST_MEMBER;
        let name = path.get(..LONGEST_MEMBER).unwrap_or(&path);
        let name = String::from_utf8_lossy(name).into_owned();
        if is_long {
            let what = "a name of more than 4,096 bytes";
            return Err(Cause::Refused { member: name, what });
        }
        if let Some(what) = refused(&mut member, &name)? {
            return Err(Cause::Refused { member: name, what });
        }
        let file_name = name.rsplit('/').next().unwrap_or(&name);
        if member.header().entry_type() != EntryType::Regular || file_name.starts_with("._") {
            continue;
        }
        let size = member.size();
        let len = usize::try_from(size).ok().filter(|_| size <= limit);
        let len = len.ok_or(Cause::TooBig(limit))?;
        let mut words = vec![0u32; len.div_ceil(4)];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        if let Some(bytes) = bytes.get_mut(..len) {
            member.read_exact(bytes).map_err(Cause::Tar)?;
        }
        files.push(File { name, words, len });
    }
    // The integrity check is at the very end of the stream.
    let mut rest = [0u8; 4096];
    while stream.read(&mut rest).map_err(Cause::Tar)? > 0 {}
    let symbols = files.iter().position(|file| file.name.ends_with(SYMBOLS));
    let symbols = symbols.map(|at| files.swap_remove(at).into_bytes());
    let kernel = kernel_of(&files)?;
    let File { name, words, len } = files.swap_remove(kernel);
    let mut modules: Vec<DecodedModule> = files.into_iter().map(File::into_module).collect();
    if let Some(odd) = modules
        .iter()
        .find(|module| !Printable(&module.name).is_plain())
    {
        return Err(Cause::Refused {
            member: odd.name.clone(),
            what: "a name with control characters",
        });
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    let mut pairs = modules.iter().zip(modules.iter().skip(1));
    if let Some((first, _)) = pairs.find(|(a, b)| a.name == b.name) {
        return Err(Cause::Twice(first.name.clone()));
    }
    Ok(Decoded {
        words,
        len,
        member: name,
        modules,
        symbols,
    })
}

/// A regular member.
struct File {
    name: String,
    words: Vec<u32>,
    len: usize,
}

impl File {
    fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    fn into_module(self) -> DecodedModule {
        let name = self.file_name();
        let name = name.strip_suffix(".btf").unwrap_or(name).replace('-', "_");
        let btf = self.into_bytes();
        DecodedModule { name, btf }
    }

    fn into_bytes(self) -> Vec<u8> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        bytes.get(..self.len).unwrap_or(bytes).to_vec()
    }
}

/// The kernel's member: the only one, or else the only `vmlinux`, or else the only
/// `<release>.btf`. A release contains a dot; a module's name never does.
fn kernel_of(files: &[File]) -> Result<usize, Cause> {
    let only = |is_kernel: &dyn Fn(&str) -> bool| {
        let mut found = (0..)
            .zip(files)
            .filter(|(_, file)| is_kernel(file.file_name()));
        let first = found.next()?.0;
        found.next().is_none().then_some(first)
    };
    let is_vmlinux = |name: &str| matches!(name, "vmlinux" | "vmlinux.btf");
    let is_release = |name: &str| {
        let release = name.strip_suffix(".btf");
        release.is_some_and(|release| release.contains('.'))
    };
    if files.is_empty() {
        return Err(Cause::NoMember);
    }
    let has_vmlinux = files.iter().any(|file| is_vmlinux(file.file_name()));
    let found = match files {
        [_] => Some(0),
        _ if has_vmlinux => only(&is_vmlinux),
        _ => only(&is_release),
    };
    found.ok_or_else(|| {
        let named = files.iter().take(NAMED_MEMBERS);
        let named = named.map(|file| Printable(&file.name).to_string());
        Cause::Several(files.len(), named.collect())
    })
}

/// The kind of a member, if it does not belong in an entry.
fn refused(
    member: &mut tar::Entry<'_, impl Read>,
    name: &str,
) -> Result<Option<&'static str>, Cause> {
    Ok(match member.header().entry_type() {
        EntryType::Regular if name.starts_with('/') => Some("an absolute path"),
        EntryType::Regular if name.split('/').any(|part| part == "..") => Some("a path with `..`"),
        EntryType::Regular => match member.pax_extensions().map_err(Cause::Tar)? {
            Some(mut extensions) => extensions
                .any(|extension| {
                    extension.is_ok_and(|found| found.key_bytes().starts_with(b"GNU.sparse."))
                })
                .then_some("a sparse file"),
            None => None,
        },
        EntryType::Directory | EntryType::XGlobalHeader => None,
        EntryType::Link | EntryType::Symlink => Some("a link"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Some("a device"),
        EntryType::GNUSparse => Some("a sparse file"),
        _ => Some("an unknown kind of member"),
    })
}

/// A reader that ends with an error at a limit, and remembers its failure.
struct Bounded<R> {
    reader: R,
    left: u64,
    failure: Option<Failure>,
}

enum Failure {
    TooBig,
    Read(io::Error),
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(count) => match self.left.checked_sub(count as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(count)
                }
                None => {
                    self.failure = Some(Failure::TooBig);
                    Err(io::ErrorKind::FileTooLarge.into())
                }
            },
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(Failure::Read(error));
                Err(kind.into())
            }
        }
    }
}
