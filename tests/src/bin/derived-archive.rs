//! An archive of thousands of derived kernels, each reduced to what a large object needs, to view
//! and measure the compatibility report with.
//!
//! ```text
//! BTFHUB_SHARED=DIR cargo run -p btfhub-tests --bin derived-archive -- OUT [KERNELS]
//! cargo btfhub report --archive OUT/archive --object OUT/large.bpf.o --format html --out r.html
//! ```

use std::path::Path;
use std::sync::Arc;

use btfhub_build::btf::Btf;
use btfhub_build::object::Object;
use btfhub_build::relo::Relocations;
use btfhub_build::tailor::tailor;
use btfhub_tests::derive::{Names, Series};
use btfhub_tests::kernels::entries;
use btfhub_tests::{large, pack, shared};

/// Kernels of one series.
const STEPS: usize = 125;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, rest @ ..] = arguments.as_slice() else {
        panic!("derived-archive OUT [KERNELS]");
    };
    let out = Path::new(out);
    let wanted: usize = (rest.first()).map_or(5000, |kernels| kernels.parse().expect("a number"));
    let archive = shared::shared().expect("BTFHUB_SHARED").join("archive");
    let mut bases = entries(&archive);
    bases.retain(|entry| entry.name.contains("/x86_64/"));

    // From a kernel in the middle: older ones lack some of its fields, newer ones others.
    let middle = bases.iter().find(|base| base.name.contains("/6.1.0-"));
    let btf = Btf::parse(&middle.expect("a kernel 6.1").btf()).expect("a BTF");
    let object = large::object(&btf).expect("clang");
    pack::write(out, "large.bpf.o", &object.elf);
    let object = Object::parse("large.bpf.o", &object.elf).expect("an object");
    let relocations = Relocations::from_objects([&object]);
    println!("{} distinct relocations", relocations.list().len());

    let mut written = 0;
    for number in 0.. {
        let base = &bases[number * 7 % bases.len()];
        let mut series = Series::new(base.btf(), number as u64);
        let mut current: Option<Arc<[u8]>> = None;
        for name in Names::new(number).take(STEPS) {
            if written == wanted {
                return;
            }
            let btf = current.get_or_insert_with(|| {
                let full = Btf::parse(series.btf()).expect("a BTF");
                tailor(&relocations, &full).expect("a tailored BTF").btf
            });
            let kernel = format!("{}/{}/x86_64/{}", name.distro, name.version, name.release);
            pack::entry(&out.join("archive"), &kernel, btf);
            written += 1;
            let moved = series.advance();
            let is_asked = |moved: &String| {
                (relocations.list().iter()).any(|asked| asked.root.name == moved.as_bytes())
            };
            if moved.iter().any(is_asked) {
                current = None;
            }
        }
    }
}
