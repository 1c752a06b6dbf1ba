//! libbpf's relocation core on a big-endian machine: built for s390x from the sources in
//! libbpf-sys, and run by qemu. libbpf's left shifts depend on the machine that it runs on.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::libbpf::{Answer, Verdict};
use super::modes::Walk;
use super::records::LocalObject;
use crate::shared::{has_tool, preparing, scratch};

const CC: &str = "s390x-linux-gnu-gcc";
const QEMU: &str = "qemu-s390x";
/// The sources of `btf__new`, `bpf_core_add_cands` and `bpf_core_calc_relo_insn`.
const SOURCES: [&str; 7] = [
    "relo_core.c",
    "btf.c",
    "btf_iter.c",
    "hashmap.c",
    "libbpf.c",
    "libbpf_utils.c",
    "strset.c",
];

/// libbpf, ready to run.
#[derive(Debug)]
pub struct Machine {
    program: PathBuf,
    dir: PathBuf,
}

impl Machine {
    /// Builds it, once per target directory; `None` without compiler or qemu.
    ///
    /// # Panics
    /// If they are needed but absent, or the build fails.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !has_tool(CC) || !has_tool(QEMU) {
            return None;
        }
        let dir = scratch("s390x");
        let program = dir.join("walk");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oracle/walk.c");
        let _preparing = preparing();
        let built = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
        if built(&program) < built(&source) {
            build(&dir, &source, &program);
        }
        Some(Self { program, dir })
    }

    /// Walks all of an object's records: `whole` and `fresh` of the result;
    /// `by_section` is left as `whole`.
    ///
    /// # Panics
    /// If libbpf can't read the object's BTF or the kernel's.
    #[must_use]
    pub fn walk(&self, object: &LocalObject, kernel: &[u8]) -> Walk {
        let unique = format!("{}.{:?}", std::process::id(), std::thread::current().id());
        let file = |what: &str, content: &[u8]| {
            let path = self.dir.join(format!("{what}.{unique}"));
            std::fs::write(&path, content).expect("a file for qemu");
            path
        };
        let (local, target) = (file("local", &object.btf), file("target", kernel));
        let mut child = Command::new(QEMU)
            .args([&self.program, &local, &target])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu runs");
        let records: String = object
            .records
            .iter()
            .map(|r| format!("{} {} {}\n", r.type_id, r.access_off, r.kind))
            .collect();
        let mut stdin = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(records.as_bytes()));
        let output = child.wait_with_output().expect("qemu ends");
        writer.join().expect("no panic").expect("records are read");
        assert!(
            output.status.success(),
            "{}: {}",
            object.name,
            output.status
        );
        for path in [local, target] {
            let _ = std::fs::remove_file(path);
        }
        let text = String::from_utf8(output.stdout).expect("numbers");
        let answers: Vec<Answer> = text.lines().map(answer).collect();
        let every_other = |first: usize| answers.iter().copied().skip(first).step_by(2).collect();
        let (fresh, whole): (Vec<Answer>, Vec<Answer>) = (every_other(0), every_other(1));
        assert_eq!(
            whole.len(),
            object.records.len(),
            "an answer for each record"
        );
        Walk {
            by_section: whole.clone(),
            whole,
            fresh,
            profiles: Default::default(),
        }
    }
}

/// One line of `walk.c`.
fn answer(line: &str) -> Answer {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    let word = |at: usize| u32::try_from(number(at)).expect("a small number");
    match words[0].parse::<i32>().expect("an errno") {
        0 => Ok(Verdict {
            orig_val: number(1),
            new_val: number(2),
            poison: number(3) != 0,
            validate: number(4) != 0,
            fail_memsz_adjust: number(5) != 0,
            orig_sz: word(6),
            new_sz: word(7),
        }),
        errno => Err(errno),
    }
}

fn build(dir: &Path, source: &Path, program: &Path) {
    let libbpf = libbpf_sources();
    // Headers that are the same on every machine, from packages for this one.
    let headers = dir.join("include");
    std::fs::create_dir_all(&headers).expect("a directory");
    for name in ["libelf.h", "gelf.h", "zlib.h", "zconf.h"] {
        let places = ["/usr/include", "/usr/include/x86_64-linux-gnu"];
        let found = places.iter().map(|place| Path::new(place).join(name));
        let found = found.into_iter().find(|path| path.exists());
        let found = found.unwrap_or_else(|| panic!("{name}: install libelf-dev and zlib1g-dev"));
        std::fs::copy(found, headers.join(name)).expect("a copy");
    }
    let unfinished = dir.join(format!("walk.{}", std::process::id()));
    let src = libbpf.join("src");
    // Drops everything unused, so that no libelf is needed.
    let status = Command::new(CC)
        .args([
            "-O1",
            "-w",
            "-static",
            "-ffunction-sections",
            "-fdata-sections",
        ])
        .args([
            "-Wl,--gc-sections",
            "-D_LARGEFILE64_SOURCE",
            "-D_FILE_OFFSET_BITS=64",
        ])
        .arg("-I")
        .arg(&src)
        .arg("-I")
        .arg(libbpf.join("include"))
        .arg("-I")
        .arg(libbpf.join("include/uapi"))
        .arg("-I")
        .arg(&headers)
        .arg(source)
        .args(SOURCES.map(|name| src.join(name)))
        .arg("-o")
        .arg(&unfinished)
        .status()
        .expect("the compiler runs");
    assert!(status.success(), "{CC}");
    std::fs::rename(&unfinished, program).expect("the program in its place");
}

/// The path of libbpf's sources in the pinned crate.
fn libbpf_sources() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "libbpf-sys")
        .and_then(|package| package["manifest_path"].as_str())
        .map(|manifest| Path::new(manifest).with_file_name("libbpf"))
        .expect("libbpf-sys is a dependency")
}
