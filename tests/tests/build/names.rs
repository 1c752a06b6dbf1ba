//! What a build script prints for cargo: whatever objects, types and entries are named, each
//! directive is one line, and all of them are ours.

use std::fs;

use btfhub_tests::app::{self, App};
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::elf_builder::{self, Relo};
use btfhub_tests::pack;

#[test]
fn a_directive_is_one_line() {
    let app = App::new();
    let odd = "\x1b[31mx\ncargo::warning=forged\ncargo::rustc-env=FORGED=1\r";
    // Something that no kernel has, in an object and a directory with such names.
    let mut local = BtfBuilder::new();
    let int = local.int("int", 4, 1);
    let task = local.structure(odd, 4, &[member("pid", int, 0)]);
    let relo = Relo {
        program: 0,
        type_id: task,
        access: "0:0".into(),
        kind: 0,
    };
    let sections = [format!("fentry/{odd}")];
    let sections: Vec<&str> = sections.iter().map(String::as_str).collect();
    let object = elf_builder::object_of_sections(&local, &[relo], &sections, false);
    let name = odd.replace('/', "");
    app.project.file(format!("objects/{name}.bpf.o"), object);
    let archive = app.path(format!("archive{name}"));
    for release in ["5.10.0-1-amd64".to_owned(), format!("5.10.0-{name}")] {
        let kernel = format!("debian/11/x86_64/{release}");
        pack::entry(&archive, &kernel, &app::kernel(8));
    }
    app.project.file(
        "build.rs",
        "fn main() -> Result<(), btfhub_build::Error> {\n\
         let archive = std::fs::read_dir(\".\").unwrap().map(|item| item.unwrap().path())\n\
         .find(|path| path.to_string_lossy().contains(\"forged\")).unwrap();\n\
         btfhub_build::Builder::new().archive(archive).objects_in(\"objects\")\n\
         .lint(btfhub_build::Lint::OddEntries, btfhub_build::Level::Warn).build(\"probe\") }\n",
    );
    let warnings = app.warnings(&[], &[]);
    assert!(warnings.contains("not a kernel's name"), "{warnings}");
    let bundles = app.bundles();
    let out = bundles[0].parent().and_then(|out| out.parent());
    let printed = fs::read_to_string(out.expect("a directory").join("output")).unwrap();
    for line in printed.lines() {
        let ours = ["cargo::rerun-if-", "cargo::warning=btfhub: "];
        assert!(
            ours.iter().any(|ours| line.starts_with(ours)),
            "{printed:?}"
        );
        assert!(!line.contains(char::is_control), "{printed:?}");
    }
    assert!(
        printed.contains("forged"),
        "the names are in it: {printed:?}"
    );
    // Every file that the lines name exists.
    let _ = app.script_ran(&[]);
    assert!(!app.script_ran(&[]), "{printed:?}");
}
