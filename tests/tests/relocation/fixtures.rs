//! The committed objects match their sources.

use btfhub_tests::fixtures::units;
use btfhub_tests::objects::own_dir;
use btfhub_tests::shared::{has_tool, scratch};

/// `BTFHUB_BLESS=1` rewrites the objects instead.
#[test]
fn objects_are_what_the_sources_give() {
    if !has_tool("clang-19") || !has_tool("llvm-strip-19") {
        return;
    }
    let dir = scratch("fixtures");
    let mut differing = Vec::new();
    for unit in units() {
        let fresh = std::fs::read(unit.compile("bpf", &dir)).expect("a compiled object");
        let kept = own_dir().join(&unit.object);
        if std::env::var_os("BTFHUB_BLESS").is_some() {
            std::fs::write(&kept, &fresh).expect("tests/bpf is writable");
        } else if std::fs::read(&kept).ok() != Some(fresh) {
            differing.push(unit.object);
        }
    }
    assert!(
        differing.is_empty(),
        "not what the sources give (BTFHUB_BLESS=1 compiles them anew): {differing:?}"
    );
}

#[test]
fn every_object_has_a_source() {
    let units = units();
    for item in std::fs::read_dir(own_dir()).expect("tests/bpf") {
        let name = item.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".o") {
            assert!(units.iter().any(|u| u.object == name), "{name}: no source");
        }
    }
}
