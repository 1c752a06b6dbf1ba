//! Faults around a build: truncated files, full disks, system call errors, missing
//! permissions, kill -9. There is never a wrong bundle or a half-written file, and the next
//! build succeeds.
//!
//! A build under fault runs this same binary in a process of its own.

use std::fs;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use btfhub_build::atlas::Atlas;
use btfhub_build::{Builder, OnBadEntry};
use btfhub_runtime::Bundle;
use btfhub_runtime::bundle::ClassId;
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::{hostile, hostile_atlas, pack, shared};

const KERNELS: u32 = 150;

/// An archive of made-up kernels, an object, and the path of the bundle.
struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..KERNELS {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            types.structure(&format!("filler{number}"), 4, &[member("x", int, 0)]);
            let at = 4 * (number % 7);
            types.structure("task", 64, &[member("pid", int, at), member("id", int, 32)]);
            let kernel = format!("debian/11/x86_64/5.10.0-{number}-amd64");
            pack::entry(&dir.path().join("archive"), &kernel, &types.finish());
        }
        let mut local = BtfBuilder::new();
        let int = local.int("int", 4, 1);
        let task = local.structure("task", 8, &[member("pid", int, 4)]);
        let relo = Relo {
            program: 0,
            type_id: task,
            access: "0:0".into(),
            kind: 0,
        };
        let elf = elf_builder::object(&local, &[relo], false);
        pack::write(dir.path(), "probe.bpf.o", &elf);
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .archive(self.path("archive"))
            .object(self.path("probe.bpf.o"))
            .jobs(NonZeroUsize::MIN)
    }

    /// The bundle, from only archive and object.
    fn right(&self) -> Vec<u8> {
        self.builder().generate().unwrap().bundle().to_vec()
    }

    /// A process that builds into `out` with the cache in `cache`, started through `wrapper`.
    fn process(&self, wrapper: &[&str], cache: &Path, out: &Path) -> Command {
        let mut words = wrapper.iter();
        let binary = std::env::current_exe().expect("this binary");
        let mut command = match words.next() {
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(&binary);
                command
            }
            None => Command::new(&binary),
        };
        command
            .args([
                "--exact",
                "faults::a_build",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("BTFHUB_FAULT_PROJECT", self.dir.path())
            .env("BTFHUB_FAULT_CACHE", cache)
            .env("BTFHUB_FAULT_OUT", out)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The process that the other tests start; as a test it does nothing.
#[test]
fn a_build() {
    let Some(project) = std::env::var_os("BTFHUB_FAULT_PROJECT").map(PathBuf::from) else {
        return;
    };
    let variable = |name| PathBuf::from(std::env::var_os(name).expect(name));
    let built = Builder::new()
        .archive(project.join("archive"))
        .object(project.join("probe.bpf.o"))
        .cache_dir(variable("BTFHUB_FAULT_CACHE"))
        // As lenient as possible, if a test asks for it.
        .on_bad_entry(match std::env::var_os("BTFHUB_FAULT_SKIP") {
            Some(_) => OnBadEntry::Skip,
            None => OnBadEntry::Fail,
        })
        .generate()
        .and_then(|generated| generated.write_to(variable("BTFHUB_FAULT_OUT")));
    if let Err(error) = built {
        println!("refused: {error:?}");
        std::process::exit(3);
    }
}

/// The result of a build under fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The right bundle.
    Right,
    /// An error, and no bundle.
    Refused,
    /// Killed, and no bundle or the right one.
    Killed,
}

/// Whatever happened, the file is whole and right, or it does not exist and the process said so.
fn judge(output: &Output, out: &Path, right: &[u8], what: &str) -> End {
    let there = fs::read(out).ok();
    if let Some(there) = &there {
        assert!(
            there == right,
            "{what}: a wrong bundle of {} bytes",
            there.len()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{what}: {errors}");
    match output.status.code() {
        Some(0) => {
            assert!(
                there.is_some(),
                "{what}: success without a bundle\n{text}{errors}"
            );
            End::Right
        }
        Some(3) => {
            assert!(text.contains("refused: "), "{what}: {text}");
            assert!(there.is_none(), "{what}: an error and a bundle");
            End::Refused
        }
        _ => {
            let by_signal = output.status.signal().is_some();
            assert!(
                by_signal || output.status.code() == Some(137),
                "{what}: {output:?}"
            );
            End::Killed
        }
    }
}

#[test]
fn a_bundle_with_any_byte_changed_is_refused() {
    let bundle = hostile::small_bundle();
    let good = Bundle::parse(&bundle).unwrap();
    let classes: Vec<Vec<u8>> = (0..good.class_count().unwrap())
        .map(|class| good.btf(ClassId(class)).unwrap())
        .collect();
    let mut silent = 0;
    for at in 0..bundle.len() {
        for change in [0xff, 0x01, 0x80, 0x10] {
            let mut damaged = bundle.clone();
            damaged[at] ^= change;
            assert!(Bundle::parse(&damaged).is_err(), "byte {at} ^ {change:#x}");
            // An embedded bundle was verified when it was compiled, so its digest is not checked
            // again; the checksums are.
            let embedded = std::panic::catch_unwind(|| Bundle::from_embedded(&damaged));
            let Ok(embedded) = embedded else { continue };
            for (class, right) in (0..).zip(&classes) {
                if let Ok(btf) = embedded.btf(ClassId(class)) {
                    assert!(
                        btf == *right,
                        "byte {at} ^ {change:#x}: class {class} differs"
                    );
                    silent += 1;
                }
            }
            for entry in embedded.kernels().map_while(Result::ok) {
                let kernel = entry.kernel();
                let mut same = good.lookup(kernel.arch, kernel.release);
                assert!(
                    same.any(
                        |e| e.is_ok_and(|e| e.kernel() == kernel && e.class() == entry.class())
                    ),
                    "byte {at} ^ {change:#x}: {kernel} was not there"
                );
            }
        }
    }
    assert!(
        silent > 0,
        "damage elsewhere keeps no class from being read"
    );
    for len in 0..bundle.len() {
        assert!(Bundle::parse(&bundle[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn an_atlas_with_any_byte_changed_is_refused() {
    let kernels: Vec<Vec<u8>> = (0..3)
        .map(|number| {
            let mut types = BtfBuilder::new();
            let int = types.int("int", 4, 1);
            types.structure("task", 64, &[member("pid", int, 4 * number)]);
            types.finish()
        })
        .collect();
    let file = hostile_atlas::small_atlas(kernels.iter().map(Vec::as_slice));
    let read = |file: Vec<u8>| Atlas::parse(file).and_then(|atlas| atlas.check());
    assert_eq!(read(file.clone()), Ok(()));
    for at in 0..file.len() {
        for change in [0xff, 0x01, 0x80, 0x10] {
            let mut damaged = file.clone();
            damaged[at] ^= change;
            assert!(read(damaged).is_err(), "byte {at} ^ {change:#x}");
        }
    }
    for len in 0..file.len() {
        assert!(read(file[..len].to_vec()).is_err(), "{len} bytes");
    }
    assert!(read([file.as_slice(), b"\0"].concat()).is_err());
}

#[test]
fn an_object_cut_anywhere_is_refused_by_name() {
    let project = Project::new();
    let path = project.path("probe.bpf.o");
    let elf = fs::read(&path).unwrap();
    for len in 0..elf.len() {
        let cut = btfhub_build::object::Object::parse("probe.bpf.o", &elf[..len]);
        if let Err(error) = cut {
            assert!(error.to_string().starts_with("probe.bpf.o: "), "{error}");
        } else {
            panic!("{len} of {} bytes were taken for an object", elf.len());
        }
    }
    fs::write(&path, &elf[..elf.len() / 2]).unwrap();
    let error = project.builder().generate().unwrap_err();
    assert!(format!("{error:?}").contains("probe.bpf.o"), "{error:?}");
}

#[test]
fn an_entry_cut_anywhere_is_named_or_left_out() {
    let project = Project::new();
    let kept = "debian/11/x86_64/5.10.0-1-amd64";
    let path = project.path("archive").join(format!("{kept}.btf.tar.xz"));
    let whole = fs::read(&path).unwrap();
    for len in 1..whole.len() {
        assert!(
            btfhub_build::archive::decode(&whole[..len], 1 << 20).is_err(),
            "{len} of {} bytes were taken for an entry",
            whole.len()
        );
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let error = project.builder().generate().unwrap_err();
    assert!(format!("{error:?}").contains(kept), "{error:?}");
    let skipping = project.builder().on_bad_entry(OnBadEntry::Skip);
    let generated = skipping.generate().unwrap();
    assert_eq!(generated.bad_entries().len(), 1);
    assert_eq!(generated.kernels().len(), KERNELS as usize - 1);
    assert!(
        generated
            .kernels()
            .iter()
            .all(|kernel| kernel.id().to_string() != kept)
    );
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for item in fs::read_dir(dir).into_iter().flatten().flatten() {
            if item.file_type().is_ok_and(|t| t.is_dir()) {
                dirs.push(item.path());
            } else {
                found.push(item.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_damaged_cache_is_as_good_as_none() {
    let project = Project::new();
    let right = project.right();
    let cache = project.path("cache");
    let build = || project.builder().cache_dir(&cache).generate().unwrap();
    assert_eq!(build().bundle(), right);
    assert_eq!(build().decoded_entries(), 0, "the cache is used");
    let originals: Vec<(PathBuf, Vec<u8>)> = files(&cache)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(!originals.is_empty());
    let mut tried = 0;
    for (path, whole) in &originals {
        let step = (whole.len() / 40).max(1);
        let cuts = (0..whole.len())
            .step_by(step)
            .map(|len| whole[..len].to_vec());
        let flips = (0..whole.len()).step_by(step).map(|at| {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            damaged
        });
        let is_atlas = path.extension().is_some_and(|suffix| suffix == "atlas");
        // Each of these makes the build decode all kernels again.
        let each = if is_atlas { 8 } else { 1 };
        for damaged in cuts.chain(flips).step_by(each) {
            fs::write(path, damaged).unwrap();
            if is_atlas {
                // An atlas is read only if there are no results.
                fs::remove_dir_all(cache.join("tailored")).unwrap();
            }
            assert_eq!(build().bundle(), right, "{}", path.display());
            tried += 1;
        }
    }
    assert_eq!(build().decoded_entries(), 0, "it healed");
    println!("{tried} damaged caches");

    // Something else in place of files.
    for (path, _) in &originals {
        let _ = fs::remove_file(path);
        fs::create_dir_all(path.join("directory")).unwrap();
        assert_eq!(build().bundle(), right, "{}", path.display());
        fs::remove_dir_all(path).unwrap();
    }
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, b"a file").unwrap();
    assert_eq!(build().bundle(), right);
}

#[test]
fn killed_at_any_moment() {
    let project = Project::new();
    let right = project.right();
    let (cache, out) = (project.path("cache"), project.path("out/probe.btfhub"));
    let began = Instant::now();
    let output = project
        .process(&[], &project.path("measured"), &out)
        .output()
        .unwrap();
    let whole = began.elapsed();
    assert_eq!(judge(&output, &out, &right, "undisturbed"), End::Right);

    let rounds: u32 = std::env::var("BTFHUB_KILLS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(100);
    let mut ends = Vec::new();
    for round in 0..rounds {
        fs::remove_file(&out).ok();
        if round % 10 == 0 {
            fs::remove_dir_all(&cache).ok();
        }
        let mut child = project.process(&[], &cache, &out).spawn().unwrap();
        std::thread::sleep(whole * round / rounds + Duration::from_micros(u64::from(round) * 37));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        ends.push(judge(&output, &out, &right, &format!("kill {round}")));
        // And now undisturbed, with whatever the killed one left in the cache.
        if round % 5 == 0 {
            let healed = project.builder().cache_dir(&cache).generate().unwrap();
            assert_eq!(healed.bundle(), right, "after kill {round}");
        }
    }
    let killed = ends.iter().filter(|&&end| end == End::Killed).count();
    assert!(killed > 0, "{ends:?}");
    println!("{killed} of {rounds} builds killed, none left a wrong bundle");
}

/// A limit on file sizes simulates a full disk: writing fails in the middle, at every place in turn.
#[test]
fn the_disk_is_full() {
    let project = Project::new();
    let right = project.right();
    let (cache, out) = (project.path("cache"), project.path("out/probe.btfhub"));
    let mut ends = Vec::new();
    for blocks in (0..40).chain([60, 80, 100_000]) {
        fs::remove_file(&out).ok();
        fs::remove_dir_all(&cache).ok();
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut process = project.process(&["sh", "-c", &limit, "sh"], &cache, &out);
        // The tests' own output is written to pipes, which have no such limit.
        let output = process.output().unwrap();
        ends.push(judge(&output, &out, &right, &format!("{blocks} blocks")));
        let left = files(&project.path("out"));
        assert!(
            left.iter().all(|path| *path == out),
            "{blocks} blocks: {left:?}"
        );
        let healed = project.builder().cache_dir(&cache).generate().unwrap();
        assert_eq!(healed.bundle(), right, "after {blocks} blocks");
    }
    assert_eq!(ends.first(), Some(&End::Refused), "{ends:?}");
    assert_eq!(ends.last(), Some(&End::Right), "{ends:?}");
}

/// A real full file system, where this process may mount one.
#[test]
fn a_full_tmpfs() {
    let project = Project::new();
    let right = project.right();
    let mount = project.path("full");
    fs::create_dir(&mount).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=\"$1\" tmpfs {0} && shift && \"$@\"; code=$?; \
         [ $code = 3 ] && ls -A {0}/out; \
         [ -f {0}/out/probe.btfhub ] && cp {0}/out/probe.btfhub {1}; exit $code",
        mount.display(),
        project.path("copied").display()
    );
    let probe = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs"])
        .arg(&mount)
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return shared::skip("this process may not mount file systems (`unshare -rm`)");
    }
    let mut ends = Vec::new();
    for size in ["4k", "8k", "12k", "16k", "24k", "32k", "64k", "1m"] {
        fs::remove_file(project.path("copied")).ok();
        let wrapper = ["unshare", "-rm", "sh", "-c", &script, "sh", size];
        let (cache, out) = (mount.join("cache"), mount.join("out/probe.btfhub"));
        let output = project.process(&wrapper, &cache, &out).output().unwrap();
        ends.push(judge(&output, &project.path("copied"), &right, size));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains(".tmp\n"), "{size}: left behind: {text}");
    }
    assert!(
        ends.contains(&End::Right) && ends.contains(&End::Refused),
        "{ends:?}"
    );
}

/// Each system call in turn returns an error.
#[test]
fn system_calls_fail() {
    if !shared::has_tool("strace") {
        return;
    }
    let project = Project::new();
    let right = project.right();
    let (cache, out) = (project.path("cache"), project.path("out/probe.btfhub"));
    let mut ends = Vec::new();
    for (call, error) in [
        ("write", "EIO"),
        ("write", "ENOSPC"),
        ("rename", "EIO"),
        ("read", "EIO"),
        ("openat", "EMFILE"),
        ("openat", "EACCES"),
        ("mkdir", "EROFS"),
        ("statx", "EIO"),
    ] {
        for when in ["1+7", "2+11", "40", "60", "80", "100+3"] {
            fs::remove_file(&out).ok();
            fs::remove_dir_all(&cache).ok();
            let inject = format!("inject={call}:error={error}:when={when}");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
            let output = project.process(&strace, &cache, &out).output().unwrap();
            let what = format!("{call} {error} {when}");
            // Faults may hit the test harness itself before or after the build.
            let there = fs::read(&out).ok();
            assert!(
                there.is_none_or(|there| there == right),
                "{what}: a wrong bundle"
            );
            ends.push(output.status.code());
            let healed = project.builder().cache_dir(&cache).generate().unwrap();
            assert_eq!(healed.bundle(), right, "after {what}");
        }
    }
    assert!(ends.iter().any(|code| *code != Some(0)), "{ends:?}");
    println!(
        "{} runs, of which {} failed",
        ends.len(),
        ends.iter().filter(|c| **c != Some(0)).count()
    );
}

/// A fault of the machine is never an entry's fault: it also fails a build that leaves out damaged
/// entries.
#[test]
fn a_fault_of_the_machine_leaves_nothing_out() {
    if !shared::has_tool("strace") {
        return;
    }
    let project = Project::new();
    let (cache, out) = (project.path("cache"), project.path("out/probe.btfhub"));
    let entry = files(&project.path("archive")).remove(3);
    let refused = |process: &mut Command, what: &str| {
        let output = process.env("BTFHUB_FAULT_SKIP", "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{what}: {text}");
        assert!(!out.exists(), "{what}");
        text.into_owned()
    };
    // A directory that can't be read may hold any kernel.
    let directory = entry.parent().unwrap();
    for (path, call) in [(&*entry, "openat"), (&entry, "read"), (directory, "openat")] {
        for error in ["EIO", "EMFILE", "ENOMEM", "EACCES", "ESTALE", "ENOSPC"] {
            let inject = format!("inject={call}:error={error}");
            let only = path.to_str().unwrap();
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", only, "-e"];
            let strace = [&strace[..], &[&inject]].concat();
            let mut process = project.process(&strace, &cache, &out);
            let text = refused(&mut process, &format!("{call} {error}"));
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(text.contains(name), "{call} {error}: {text}");
        }
    }
    // More memory than there is, and less than an entry may take.
    let whole = fs::read(&entry).unwrap();
    let tar = lzma(&whole);
    fs::write(&entry, &tar).unwrap();
    let limit = "ulimit -v 180000; exec \"$@\"";
    let mut process = project.process(&["sh", "-c", limit, "sh"], &cache, &out);
    let text = refused(&mut process, "little memory");
    assert!(text.contains("not enough memory"), "{text}");
    let generous = project.builder().generate().unwrap();
    assert_eq!(generous.kernels().len(), KERNELS as usize);
    // What is damaged is still left out.
    fs::write(&entry, &whole[..whole.len() / 2]).unwrap();
    let skipping = project.builder().on_bad_entry(OnBadEntry::Skip);
    let skipped = skipping.generate().unwrap();
    assert_eq!(skipped.kernels().len(), KERNELS as usize - 1);
}

/// The entry compressed with a dictionary that takes 192 MiB to decompress.
fn lzma(entry: &[u8]) -> Vec<u8> {
    use xz2::stream::{Check, Filters, LzmaOptions, Stream};
    let mut tar = Vec::new();
    let mut decoder = xz2::read::XzDecoder::new(entry);
    decoder.read_to_end(&mut tar).unwrap();
    let mut options = LzmaOptions::new_preset(0).unwrap();
    options.dict_size(192 << 20);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc64).unwrap();
    let mut encoder = xz2::read::XzEncoder::new_stream(&tar[..], stream);
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

/// Directories without write permission.
#[test]
fn no_permission() {
    let project = Project::new();
    let right = project.right();
    let user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" || !shared::has_tool("setpriv") {
        return shared::skip("only root may become somebody without permissions");
    }
    // That user must be able to run the binary.
    let dir = project.dir.path();
    Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(dir)
        .status()
        .unwrap();
    let binary = dir.join("builds");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    fs::create_dir(dir.join("open")).unwrap();
    Command::new("chmod")
        .arg("a+rwx")
        .arg(dir.join("open"))
        .status()
        .unwrap();
    let run = |cache: &Path, out: &Path| {
        let output = Command::new(user[0])
            .args(&user[1..])
            .arg(&binary)
            .args(["--exact", "faults::a_build", "--nocapture"])
            .env("BTFHUB_FAULT_PROJECT", dir)
            .env("BTFHUB_FAULT_CACHE", cache)
            .env("BTFHUB_FAULT_OUT", out)
            .output()
            .unwrap();
        judge(
            &output,
            out,
            &right,
            &format!("{} {}", cache.display(), out.display()),
        )
    };
    let open = dir.join("open");
    assert_eq!(
        run(&dir.join("cache"), &open.join("a.btfhub")),
        End::Right,
        "a cache out of reach"
    );
    assert_eq!(
        run(&open.join("cache"), &dir.join("b.btfhub")),
        End::Refused,
        "no place for the bundle"
    );
    assert_eq!(run(&open.join("cache"), &open.join("b.btfhub")), End::Right);
    // The error names an entry without read permission.
    let entry = files(&dir.join("archive")).remove(3);
    Command::new("chmod")
        .arg("000")
        .arg(&entry)
        .status()
        .unwrap();
    assert_eq!(
        run(&open.join("other"), &open.join("c.btfhub")),
        End::Refused,
        "an entry out of reach"
    );
}

/// Several builds at once with one cache and one path for the bundle.
#[test]
fn builds_at_once() {
    let project = Project::new();
    let right = project.right();
    let (cache, out) = (project.path("cache"), project.path("out/probe.btfhub"));
    let children: Vec<_> = (0..6)
        .map(|_| project.process(&[], &cache, &out).spawn().unwrap())
        .collect();
    for mut child in children {
        let mut text = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }
    assert_eq!(fs::read(&out).unwrap(), right);
    let left = files(&project.path("out"));
    assert_eq!(left, [out]);
    let again = project.builder().cache_dir(&cache).generate().unwrap();
    assert_eq!((again.bundle(), again.decoded_entries()), (&right[..], 0));
}
