//! `add`: adds a kernel of your own to an archive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfhub_build::archive::{self, Entry};
use btfhub_build::btf::{Btf, Endian, Kind, Type};
use btfhub_build::input;
use btfhub_build::symbols::Symbols;
use btfhub_runtime::{Arch, Host};
use serde::Serialize;

use crate::args;
use crate::failure::{Context, Failure};
use crate::files;
use crate::image::{self, KernelImage, Module, Modules};
use crate::output::{Lines, Output, count, line};

/// The BTF of the running kernel.
const OWN_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The symbols of the running kernel.
const OWN_SYMBOLS: &str = "/proc/kallsyms";

/// Several times the longest list of symbols.
const SYMBOLS_LIMIT: u64 = 256 << 20;

/// The longest release that a kernel can have (`__NEW_UTS_LEN`).
const LONGEST_RELEASE: usize = 64;

#[derive(Serialize)]
struct Added {
    schema: &'static str,
    kernel: String,
    path: String,
    found: String,
    types: u32,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<usize>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Added,
    Replaced,
    Unchanged,
}

pub(crate) fn run(args: &args::Add, output: Output) -> Result<(), Failure> {
    for (option, value) in [("--distro", &args.distro), ("--version", &args.version)] {
        component(option, value)?;
    }
    let image = KernelImage::read(&args.file)?;
    let btf = Btf::parse(&image.btf).context(|| format!("{}", args.file.display()))?;
    if !image::is_kernel(&btf) {
        return Err(Failure::new(format!(
            "{}: not a kernel's BTF: it defines no struct task_struct ({}; {})",
            args.file.display(),
            image.found,
            count(btf.ids().count(), "type", "types"),
        )));
    }
    let release = release(args, &image, output)?;
    component("--release", &release)?;
    if release.len() > LONGEST_RELEASE {
        return Err(Failure::usage(format!(
            "--release {release:?}: longer than the {LONGEST_RELEASE} bytes that `uname -r` can \
             have"
        )));
    }
    let arch = arch(args, &image, &release, &btf)?;
    component("--arch", &arch)?;

    let path = entry_path(args, &arch, &release);
    let file = args.archive.join(&path);
    let Some(entry) = Entry::at(&args.archive, &path) else {
        return Err(Failure::usage(format!(
            "{}: not the path of an entry",
            path.display()
        )));
    };
    stays_inside(&args.archive, &file)?;
    let types = btf.type_count();
    let symbols = symbols(args, &btf, &release)?;
    let modules = match &args.modules {
        Some(directory) => modules(directory, btf, &release, output)?,
        None => Vec::new(),
    };
    let state = state(&file, &image.btf, &modules, symbols.as_ref(), args.replace)?;
    if state != State::Unchanged {
        files::write(
            &file,
            &pack(&release, &image.btf, &modules, symbols.as_ref())?,
        )?;
    }
    let added = Added {
        schema: "btfhub.add/1",
        kernel: entry.kernel().to_string(),
        path: file.display().to_string(),
        found: image.found,
        types,
        bytes: image.btf.len(),
        modules: args.modules.as_ref().map(|_| modules.len()),
        symbols: symbols.as_ref().map(|symbols| symbols.iter().count()),
        state,
    };
    output.result(&added, || {
        let verb = match state {
            State::Added => "added",
            State::Replaced => "replaced",
            State::Unchanged => "already there:",
        };
        let mut text = Lines::from(format!("{verb} {}", added.kernel));
        line!(
            text,
            "  {} types, {} bytes from {} ({})",
            added.types,
            added.bytes,
            args.file.display(),
            added.found
        );
        if let Some(modules) = added.modules {
            line!(text, "  {}", count(modules, "module", "modules"));
        }
        if let Some(symbols) = added.symbols {
            line!(text, "  symbols: {symbols} in addition to those in the BTF");
        }
        line!(text, "  {}", added.path);
        text
    })
}

/// The modules below a directory; each is checked against the kernel.
fn modules(
    directory: &Path,
    kernel: Btf,
    release: &str,
    output: Output,
) -> Result<Vec<Module>, Failure> {
    let kernel = Arc::new(kernel);
    let found = Modules::read(directory, &kernel, release)?;
    let split = (found.with_btf.iter()).map(|module| (module.name.as_str(), &*module.btf));
    let kernel = Arc::try_unwrap(kernel).unwrap_or_else(|shared| (*shared).clone());
    Btf::join(kernel, split, |_| false).context(|| format!("{}", directory.display()))?;
    if found.without_btf > 0 {
        output.note(&format!(
            "note: {} without BTF: nothing is known about their types",
            count(found.without_btf, "module", "modules")
        ));
    }
    Ok(found.with_btf)
}

/// The symbols of the kernel; they must fit its BTF.
fn symbols(args: &args::Add, kernel: &Btf, release: &str) -> Result<Option<Symbols>, Failure> {
    let (Some(kallsyms), Some(traceable)) = (&args.symbols, &args.traceable) else {
        return Ok(None);
    };
    let is_own = std::fs::canonicalize(kallsyms).is_ok_and(|path| path == Path::new(OWN_SYMBOLS));
    let host = if is_own { Some(Host::detect()?) } else { None };
    if let Some(own) = host.filter(|host| host.release() != release) {
        return Err(Failure::usage(format!(
            "{OWN_SYMBOLS} is from {}, the running kernel, but the entry is for {release}",
            own.release()
        )));
    }
    let text = |path: &Path| -> Result<String, Failure> {
        let bytes = files::read(path, SYMBOLS_LIMIT)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let made = Symbols::make(&text(kallsyms)?, &text(traceable)?, kernel);
    made.context(|| format!("{}", kallsyms.display())).map(Some)
}

/// One directory or file name of the archive's layout.
fn component(option: &str, value: &str) -> Result<(), Failure> {
    let is_name = !value.is_empty()
        && !value.starts_with('.')
        && !value.contains(|c: char| c == '/' || c.is_control() || c.is_whitespace());
    if is_name {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{option} {value:?}: cannot be a directory or file name of the archive"
    )))
}

/// The release: the given one, or the one that the image states (for its own BTF, this
/// machine's), or the one in the file's name.
fn release(args: &args::Add, image: &KernelImage, output: Output) -> Result<String, Failure> {
    let named = release_of_path(&args.file);
    let own = match &image.release {
        Some(release) => Some(release.clone()),
        None => release_of_sysfs(&args.file)?,
    };
    match (&args.release, own, named) {
        (Some(given), own, _) => {
            if let Some(own) = own.filter(|own| own != given) {
                output.note(&format!(
                    "note: the kernel calls itself {own}; hosts that run it ask for that release, \
                     not for {given}"
                ));
            }
            Ok(given.clone())
        }
        (None, Some(own), named) => {
            if let Some(named) = named.filter(|named| *named != own) {
                output.note(&format!(
                    "note: the kernel calls itself {own}, although its file's name says {named}"
                ));
            }
            Ok(own)
        }
        (None, None, Some(named)) => Ok(named),
        (None, None, None) => Err(Failure::usage(format!(
            "{}: neither its contents nor its name say which kernel this is; give --release \
             (what `uname -r` prints on it)",
            args.file.display()
        ))),
    }
}

/// The file's name, or that of a link's target, or a kernel's directory that it is in
/// (`/lib/modules/<release>/build/vmlinux`).
fn release_of_path(file: &Path) -> Option<String> {
    let linked = std::fs::canonicalize(file).ok();
    let paths = || [Some(file), linked.as_deref()].into_iter().flatten();
    (paths().find_map(|path| image::release_of_name(path.file_name()?))).or_else(|| {
        let mut directories = paths().flat_map(|path| path.ancestors().skip(1));
        directories.find_map(|directory| {
            let is_modules = directory.parent()?.file_name()? == "modules";
            is_modules.then(|| image::release_of_name(directory.file_name()?))?
        })
    })
}

/// The release of the running kernel, if the file is its BTF.
fn release_of_sysfs(file: &Path) -> Result<Option<String>, Failure> {
    let is_sysfs = std::fs::canonicalize(file).is_ok_and(|path| path == Path::new(OWN_BTF));
    Ok(if is_sysfs {
        Some(Host::detect()?.release().to_owned())
    } else {
        None
    })
}

fn arch(
    args: &args::Add,
    image: &KernelImage,
    release: &str,
    btf: &Btf,
) -> Result<String, Failure> {
    // The types are more reliable than a name that somebody typed.
    let found = (image.arch.as_deref()).or_else(|| arch_of_types(btf));
    let given = (args.arch.as_deref()).map(|arch| Arch::new(arch).as_str().to_owned());
    let arch = match (given, found) {
        (Some(given), Some(found)) if given != found => {
            return Err(Failure::usage(format!(
                "{}: --arch says {given}, but the kernel is for {found}",
                args.file.display()
            )));
        }
        (Some(given), _) => given,
        (None, found) => (found.or_else(|| arch_of_release(release)))
            .map(str::to_owned)
            .ok_or_else(|| {
                Failure::usage(format!(
                    "{}: cannot tell which architecture this kernel is for; give --arch",
                    args.file.display()
                ))
            })?,
    };
    match endian_of(&arch) {
        Some(endian) if endian != btf.endian() => Err(Failure::usage(format!(
            "{}: the BTF is {}, but {arch} is {}",
            args.file.display(),
            words(btf.endian()),
            words(endian)
        ))),
        _ => Ok(arch),
    }
}

/// The byte order of an architecture's kernels, if there is only one.
fn endian_of(arch: &str) -> Option<Endian> {
    match arch {
        "x86_64" | "i386" | "arm64" | "arm" | "riscv64" | "loongarch64" | "ppc64el" => {
            Some(Endian::Little)
        }
        "s390x" | "ppc64" => Some(Endian::Big),
        _ => None,
    }
}

fn words(endian: Endian) -> &'static str {
    match endian {
        Endian::Little => "little-endian",
        Endian::Big => "big-endian",
    }
}

/// The suffix that distributions add to releases.
fn arch_of_release(release: &str) -> Option<&'static str> {
    const SUFFIXES: [(&str, &str); 12] = [
        ("x86_64", "x86_64"),
        ("amd64", "x86_64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("s390x", "s390x"),
        ("ppc64le", "ppc64el"),
        ("powerpc64le", "ppc64el"),
        ("riscv64", "riscv64"),
        ("i686", "i386"),
        ("686", "i386"),
        ("686-pae", "i386"),
        ("loong64", "loongarch64"),
    ];
    (SUFFIXES.iter())
        .find(|(suffix, _)| {
            (release.strip_suffix(suffix)).is_some_and(|rest| rest.ends_with(['.', '-']))
        })
        .map(|(_, arch)| *arch)
}

/// The architecture, by the names of the registers in `struct pt_regs`.
fn arch_of_types(btf: &Btf) -> Option<&'static str> {
    let pt_regs = btf.ids().filter_map(|id| btf.ty(id)).find(|ty| {
        ty.kind() == Kind::Struct && btf.string(ty.name()) == b"pt_regs" && ty.vlen() > 0
    })?;
    let mut names = BTreeSet::new();
    member_names(btf, pt_regs, 3, &mut names);
    let has = |name: &str| names.contains(name.as_bytes());
    let little = btf.endian() == Endian::Little;
    Some(if has("orig_ax") {
        if has("r15") { "x86_64" } else { "i386" }
    } else if has("orig_x0") || has("pstate") {
        "arm64"
    } else if has("orig_gpr2") {
        "s390x"
    } else if has("orig_gpr3") {
        if little { "ppc64el" } else { "ppc64" }
    } else if has("epc") && has("gp") {
        "riscv64"
    } else if has("csr_era") {
        "loongarch64"
    } else if has("uregs") {
        "arm"
    } else {
        return None;
    })
}

/// The names of the members, including those of anonymous members, `depth` levels down.
fn member_names<'a>(btf: &'a Btf, ty: Type<'a>, depth: u32, names: &mut BTreeSet<&'a [u8]>) {
    for member in ty.members() {
        let name = btf.string(member.name);
        if !name.is_empty() {
            names.insert(name);
        } else if let Some((_, inner)) = btf.skip_modifiers(member.ty).filter(|_| depth > 0) {
            member_names(btf, inner, depth - 1, names);
        }
    }
}

/// The entry's path below the archive's root. A fork of the archive that spells the directory
/// `aarch64` keeps its spelling.
fn entry_path(args: &args::Add, arch: &str, release: &str) -> PathBuf {
    let version = Path::new(&args.distro).join(&args.version);
    let directory = std::fs::read_dir(args.archive.join(&version))
        .into_iter()
        .flatten()
        .filter_map(|child| child.ok()?.file_name().into_string().ok())
        .filter(|child| Arch::new(child).as_str() == arch)
        .min_by_key(|child| (child != arch, child.clone()))
        .unwrap_or_else(|| arch.to_owned());
    version
        .join(directory)
        .join(format!("{release}.btf.tar.xz"))
}

/// Refuses a place that a link in the archive puts outside of it.
fn stays_inside(archive: &Path, file: &Path) -> Result<(), Failure> {
    let mut below = file
        .ancestors()
        .take_while(|path| path.starts_with(archive));
    let Some(there) = below.find(|path| path.symlink_metadata().is_ok()) else {
        return Ok(());
    };
    let cannot = || format!("{}", there.display());
    let inside = archive.canonicalize().context(cannot)?;
    if there.canonicalize().context(cannot)?.starts_with(inside) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: a link leads out of the archive, and nothing is written there",
        file.display()
    )))
}

fn state(
    file: &Path,
    btf: &[u8],
    modules: &[Module],
    symbols: Option<&Symbols>,
    replace: bool,
) -> Result<State, Failure> {
    if !file.exists() {
        return Ok(State::Added);
    }
    let packed = input::read(file, archive::ENTRY_FILE_LIMIT)
        .context(|| format!("cannot read {}", file.display()))?;
    let same = archive::decode(&packed, archive::DEFAULT_LIMIT).is_ok_and(|decoded| {
        let theirs = decoded
            .modules
            .iter()
            .map(|module| (&module.name, &module.btf));
        decoded.bytes() == btf
            && decoded.symbols.as_deref() == symbols.map(Symbols::as_bytes)
            && theirs.eq(modules.iter().map(|module| (&module.name, &module.btf)))
    });
    if same {
        Ok(State::Unchanged)
    } else if replace {
        Ok(State::Replaced)
    } else {
        Err(Failure::new(format!(
            "{}: already exists with different contents; --replace overwrites it",
            file.display()
        )))
    }
}

/// A tar.xz with the BTF of the kernel and its modules, and its symbols; the same bytes on every
/// machine.
fn pack(
    release: &str,
    btf: &[u8],
    modules: &[Module],
    symbols: Option<&Symbols>,
) -> Result<Vec<u8>, Failure> {
    let xz = xz2::write::XzEncoder::new(Vec::new(), 6);
    let mut tar = tar::Builder::new(xz);
    let modules = (modules.iter()).map(|module| (format!("{}.btf", module.name), &*module.btf));
    let symbols = symbols.map(|symbols| (format!("{release}.symbols"), symbols.as_bytes()));
    let kernel = (format!("{release}.btf"), btf);
    for (name, content) in std::iter::once(kernel).chain(modules).chain(symbols) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, name, content)?;
    }
    Ok(tar.into_inner()?.finish()?)
}

#[cfg(test)]
mod tests {
    use super::arch_of_release;

    #[test]
    fn release_suffixes() {
        for (release, arch) in [
            ("4.18.0-348.7.1.el8_5.x86_64", Some("x86_64")),
            ("5.10.0-0.deb10.17-rt-arm64", Some("arm64")),
            ("5.4.17-2011.0.7.el8uek.aarch64", Some("arm64")),
            ("6.1.0-50-686", Some("i386")),
            ("6.12.94+deb13-powerpc64le", Some("ppc64el")),
            ("5.4.0-84-generic", None),
            ("x86_64", None),
        ] {
            assert_eq!(arch_of_release(release), arch, "{release}");
        }
    }
}
