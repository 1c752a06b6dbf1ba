//! The HTML report in a real browser: opened, filtered, clicked, read.
//!
//! `BTFHUB_SCREENSHOTS=DIR` saves screenshots, at 10 to 5,000 kernels.

use std::path::{Path, PathBuf};
use std::process::Command;

use btfhub_tests::browser::Browser;
use btfhub_tests::btf_builder::{BtfBuilder, member};
use btfhub_tests::cli::Dir;
use btfhub_tests::elf_builder::{Relo, object};
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::pack;
use btfhub_tests::shared::has_tool;
use serde_json::{Value, json};

/// An archive with `kernels` made-up kernels of four kinds, and its report.
fn page(dir: &Dir, kernels: usize) -> PathBuf {
    let variants = ["after", "after", "before", "pointer", "lean"].map(|name| {
        let elf = std::fs::read(own_dir().join(format!("guard.{name}.btf.o"))).expect("an object");
        LocalObject::parse(name, &elf).expect("an object").btf
    });
    let distros = [
        "debian/11",
        "debian/12",
        "ubuntu/20.04",
        "centos/8",
        "amzn/2",
    ];
    for number in 0..kernels {
        let distro = distros[number % distros.len()];
        let series = number / distros.len() % 4;
        let arch = if number % 3 == 0 { "arm64" } else { "x86_64" };
        let kernel = format!("{distro}/{arch}/5.{}.0-{number}-generic", 4 + series);
        let btf = &variants[(number / 7 + series) % variants.len()];
        pack::entry(&dir.path("archive"), &kernel, btf);
    }
    let object = own_dir().join("guard.bpf.o");
    let _ = dir
        .btfhub([
            "report",
            "--archive",
            "archive",
            "--object",
            object.to_str().expect("UTF-8"),
            "--format",
            "html",
            "--out",
            "report.html",
        ])
        .ok();
    dir.path("report.html")
}

/// A page with its data changed.
fn with_data(page: &Path, change: impl FnOnce(&mut Value)) {
    let html = std::fs::read_to_string(page).expect("the page");
    let open = "<script id=\"data\" type=\"application/json\">";
    let start = html.find(open).expect("the data") + open.len();
    let end = start + html[start..].find("</script>").expect("its end");
    let mut data: Value = serde_json::from_str(&html[start..end]).expect("JSON");
    change(&mut data);
    let data = data.to_string().replace('<', "\\u003c");
    std::fs::write(page, format!("{}{data}{}", &html[..start], &html[end..])).expect("written");
}

/// The same page with its relocations repeated, so that there are `rows`.
fn with_rows(page: &Path, rows: usize) {
    with_data(page, |data| {
        let relocations = data["relocations"].as_array().expect("a list").clone();
        let repeated = (0..rows).map(|row| {
            let mut relocation = relocations[row % relocations.len()].clone();
            let term = relocation["term"].as_str().expect("text");
            relocation["term"] = json!(format!("{term}_{row}"));
            relocation
        });
        data["relocations"] = repeated.collect();
        for column in data["columns"].as_array_mut().expect("a list") {
            let verdicts = column.as_array().expect("a list").clone();
            *column = (0..rows)
                .map(|row| verdicts[row % verdicts.len()].clone())
                .collect();
        }
    });
}

/// Made-up programs: in each object one that runs, one that is unknown, one that likely fails and
/// one that fails, the last two on every other kernel.
fn with_programs(page: &Path, programs: usize) {
    with_data(page, |data| {
        let program = |at: usize| json!({"object": format!("o{}.bpf.o", at / 4), "name": format!("program_{at}"), "section": "kprobe/vfs_read"});
        data["programs"] = (0..programs).map(program).collect();
        let verdict = |verdict, certainty: Option<&str>, text: &str| {
            let reason = json!({"rule": "made-up", "text": text});
            json!({"verdict": verdict, "certainty": certainty, "reasons": [reason]})
        };
        data["program_verdicts"] = json!([
            verdict("runs", None, "the target is there"),
            verdict("unknown", None, "user space sets the target"),
            verdict("fails", Some("likely"), "vfs_read is not listed"),
            verdict("fails", Some("proven"), "the kernel has no ring buffer"),
        ]);
        data["objects"] = json!([]);
        data["object_columns"] = json!([[]]);
        data["object_verdicts"] = json!([]);
        data["program_columns"] = json!([
            (0..programs).map(|at| at % 2).collect::<Vec<_>>(),
            (0..programs).map(|at| at % 4).collect::<Vec<_>>(),
        ]);
        let kernels = data["kernels"].as_array_mut().expect("a list");
        for (number, kernel) in kernels.iter_mut().enumerate() {
            kernel["program_column"] = json!(number % 2);
            kernel["object_column"] = json!(0);
        }
        data["headline"] = json!("`program_3` fails on every other kernel.");
    });
}

fn keep(browser: &Browser, name: &str) {
    if let Some(dir) = std::env::var_os("BTFHUB_SCREENSHOTS") {
        browser.screenshot(&PathBuf::from(dir).join(name));
    }
}

/// Selects an option of a list.
fn choose(browser: &Browser, list: &str, option: &str) {
    let _ = browser.run(&format!(
        "const list = document.getElementById('{list}');
         list.value = '{option}';
         list.dispatchEvent(new Event('input'));"
    ));
}

/// The middle of a cell in the window, from the map's own data.
fn cell(browser: &Browser, row: i64, column: i64) -> (i64, i64) {
    let place = browser.run(
        "const map = document.getElementById('map'), box = map.getBoundingClientRect();
         const of = (name) => Number(map.dataset[name]);
         return {x: box.left + of('labelWidth'), y: box.top + of('headHeight'),
                 cell: of('cellWidth'), row: of('rowHeight')};",
    );
    let number = |name: &str| place[name].as_f64().expect(name);
    let x = number("x") + number("cell") * (column as f64 + 0.5);
    let y = number("y") + number("row") * (row as f64 + 0.5);
    (x as i64, y as i64)
}

fn shown(browser: &Browser) -> (u64, u64) {
    let shown = browser.run(
        "const map = document.getElementById('map').dataset;
         return [Number(map.rows), Number(map.columns)];",
    );
    (
        shown[0].as_u64().expect("rows"),
        shown[1].as_u64().expect("columns"),
    )
}

#[test]
fn filtered_clicked_and_read() {
    let Some(browser) = Browser::open(1400, 900) else {
        return;
    };
    let dir = Dir::new();
    browser.go(&page(&dir, 10));
    assert_eq!(browser.errors(), [""; 0]);
    let tiles = browser.text("#tiles");
    assert!(
        tiles.contains("10 kernels") && tiles.contains("relocations"),
        "{tiles}"
    );
    let programs = shown(&browser).0;
    assert_eq!(programs, browser.run("return report.programs.length;"));
    let details = browser.text("#details");
    assert!(
        details.contains("task.__state finds nothing here"),
        "{details}"
    );
    browser.click("#level-relocations");
    let (rows, columns) = shown(&browser);
    assert_eq!(columns, 10, "few kernels are all shown");
    keep(&browser, "report-10.png");
    // The worst is shown before anything is clicked, and leads to its row.
    let overview = browser.text("#details");
    assert!(overview.contains("What to look at"), "{overview}");
    assert!(
        overview.contains("task has no member __state"),
        "{overview}"
    );
    browser.click("#details button.finding");
    let details = browser.text("#details");
    assert!(details.contains("all kernels shown"), "{details}");
    browser.click("#back");
    assert_eq!(browser.text("#details"), overview);

    browser.keys("#find-row", "task.__state");
    let (filtered, _) = shown(&browser);
    assert!(filtered > 0 && filtered < rows, "{filtered} of {rows}");
    browser.keys("#find-kernel", "debian 5.4");
    assert!(shown(&browser).1 < columns);

    let (x, y) = cell(&browser, 0, 0);
    browser.click_at(x, y);
    let details = browser.text("#details");
    assert!(details.contains("task.__state"), "{details}");
    assert!(
        details.contains("raw_tp/guarded") && details.contains("guard.bpf.c:"),
        "{details}"
    );

    // Without the second filter, a kernel that lacks the field.
    let _ = browser.run(
        "const box = document.getElementById('find-kernel');
         box.value = '';
         box.dispatchEvent(new Event('input'));",
    );
    assert_eq!(shown(&browser), (filtered, columns));
    let place = browser.run(
        "const row = view.rows.findIndex((row) => row.label === 'task.__state');
         const absent = ({ kernels }) => verdictsOf(LEVELS.relocations, view.rows[row].index, kernels)
            .some(([verdict]) => report.verdicts[verdict].status === 'absent');
         return [row, view.columns.findIndex(absent)];",
    );
    let number = |at: usize| place[at].as_i64().expect("a number");
    let (x, y) = cell(&browser, number(0), number(1));
    browser.click_at(x, y);
    let details = browser.text("#details");
    assert!(details.contains("absent · program fails"), "{details}");
    assert!(details.contains("task has no member __state"), "{details}");
    assert!(details.contains("What to do"), "{details}");
    assert!(
        details.contains("bpf_core_field_exists(task.__state) answers no"),
        "{details}"
    );
    keep(&browser, "report-10-cell.png");

    // The strip above the column: everything that fails on that kernel.
    let column = number(1);
    let (x, y) = cell(&browser, -1, column);
    browser.click_at(x, y + 4);
    let details = browser.text("#details");
    let kernel = browser.run(&format!("return columnName(view.columns[{column}]);"));
    assert!(
        details.contains(kernel.as_str().expect("text")),
        "{details}"
    );
    assert!(details.contains("keep something from loading"), "{details}");
    // And only such kernels.
    browser.click("#failing");
    let failing = browser
        .run("return report.kernels.filter((kernel) => kernel.verdict === \"fails\").length;");
    assert_eq!(json!(shown(&browser).1), failing);
    assert!(
        failing
            .as_u64()
            .is_some_and(|failing| failing > 0 && failing < 10)
    );
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn by_keyboard_alone() {
    let Some(browser) = Browser::open(1400, 900) else {
        return;
    };
    let dir = Dir::new();
    browser.go(&page(&dir, 60));
    keep(&browser, "report-60.png");
    let right = '\u{e014}';
    let down = '\u{e015}';
    // A slash goes to the filter, Escape back to the map.
    let focus = || browser.run("return document.activeElement.id;");
    browser.keys("body", "/");
    assert_eq!(focus(), "find-row");
    browser.keys("#find-row", "guard\u{e00c}");
    assert_eq!(focus(), "map");
    browser.keys("#map", &format!("{down}{down}{right}"));
    let selected = browser.run("return [view.selected.row, view.selected.column];");
    assert_eq!(selected, json!([1, 1]));
    let spoken = browser.run("return document.getElementById('spoken').textContent;");
    let spoken = spoken.as_str().expect("text");
    let term = browser.run("return rowName(view.rows[1]);");
    assert!(spoken.starts_with(term.as_str().expect("text")), "{spoken}");
    // To the first series with several kernels.
    let steps = browser.run(
        "const several = ({ group }) => group.kernels.length > 1;
         return view.columns.findIndex(several) - view.selected.column;",
    );
    let steps = steps.as_i64().expect("a number");
    let key = if steps < 0 { '\u{e012}' } else { right };
    for _ in 0..steps.abs() {
        browser.keys("#map", &key.to_string());
    }
    let before = shown(&browser).1;
    browser.keys("#map", "\u{e007}");
    assert_ne!(
        shown(&browser).1,
        before,
        "Enter opens the series, or closes it"
    );
    browser.keys("#map", "\u{e007}");
    assert_eq!(shown(&browser).1, before, "and back");
    // Above the first row is the whole kernel; Escape goes back to the overview.
    let up = "\u{e013}".repeat(3);
    browser.keys("#map", &up);
    let selected = browser.run("return view.selected.row;");
    assert!(selected.is_null(), "{selected}");
    browser.keys("#map", "\u{e00c}");
    assert!(browser.text("#details").contains("What to look at"));
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn light_and_dark_and_nothing_from_elsewhere() {
    let Some(browser) = Browser::open(1200, 800) else {
        return;
    };
    let dir = Dir::new();
    let page = page(&dir, 10);
    browser.go(&page);
    let background = || browser.run("return getComputedStyle(document.body).backgroundColor;");
    let first = background();
    browser.click("#theme");
    assert_ne!(background(), first);
    keep(&browser, "report-10-other-theme.png");
    let fetched = browser.run("return performance.getEntriesByType('resource').length;");
    assert_eq!(fetched, json!(0), "the page asks for nothing");
    let html = std::fs::read_to_string(page).expect("the page");
    assert!(!html.contains("http://") && !html.contains("https://"));
}

#[test]
fn readable_at_5000_kernels_and_500_rows() {
    let Some(browser) = Browser::open(1600, 1000) else {
        return;
    };
    let dir = Dir::new();
    let page = page(&dir, 5000);
    with_rows(&page, 500);
    with_programs(&page, 500);
    browser.go(&page);
    let ready = browser.run("return performance.getEntriesByType('navigation')[0].domInteractive;");
    println!("interactive after {ready} ms");
    assert_eq!(
        shown(&browser),
        (125, 40),
        "programs stand below their objects, kernels of one series in one column"
    );
    keep(&browser, "report-5000.png");
    choose(&browser, "grain", "kernels");
    assert_eq!(shown(&browser), (125, 5000));
    keep(&browser, "report-5000-kernels.png");
    browser.keys("#find-kernel", "centos arm64");
    let (_, some) = shown(&browser);
    assert!(some > 0 && some < 1000, "{some}");
    browser.click("#level-relocations");
    assert_eq!(shown(&browser), (500, some));
    let (x, y) = cell(&browser, 3, 5);
    browser.click_at(x, y);
    assert!(browser.text("#details").contains("centos/8/arm64/5."));
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn programs_first_and_relocations_behind_them() {
    let Some(browser) = Browser::open(1400, 900) else {
        return;
    };
    let dir = Dir::new();
    let page = page(&dir, 10);
    with_programs(&page, 8);
    // The first program has the relocation.
    with_data(&page, |data| {
        let asking = data["functions"][0].clone();
        data["programs"][3] = asking;
    });
    browser.go(&page);
    assert_eq!(
        browser.text("#headline"),
        "program_3 fails on every other kernel."
    );
    let tiles = browser.text("#tiles");
    assert!(
        tiles.contains("5 leave some unknown") && tiles.contains("5 fail some"),
        "{tiles}"
    );
    assert_eq!(shown(&browser).0, 11, "three objects and eight programs");
    keep(&browser, "report-programs.png");
    // Kinds differ in texture, not only in colour.
    let alike = browser.run(
        "return Object.values(LEVELS).map(({ kinds }) =>
             kinds.length - new Set(kinds.map(({ name }) => TEXTURES[name])).size);",
    );
    assert_eq!(alike, json!([0, 0]));
    let at = browser.run("return view.rows.findIndex(({ index }) => index === 3);");
    let (x, y) = cell(&browser, at.as_i64().expect("a row"), 1);
    browser.click_at(x, y);
    let details = browser.text("#details");
    assert!(
        details.contains("the kernel has no ring buffer"),
        "{details}"
    );
    browser.click("#relocations");
    let of = browser.run(
        "return [view.rows.length, report.relocations.length, view.rows.every(({ index }) =>
             report.relocations[index].sites.some((site) => site.function === 0))];",
    );
    assert!(of[0].as_u64() < of[1].as_u64() && of[2] == true, "{of}");
    browser.click("#level-programs");
    // An object closes into its own row.
    browser.keys("#map", "\u{e010}\u{e007}");
    browser.keys("#map", "\u{e00c}");
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn every_label_whole_and_both_halves_seen_in_a_narrow_window() {
    let Some(browser) = Browser::open(600, 900) else {
        return;
    };
    let dir = Dir::new();
    let page = page(&dir, 65);
    with_programs(&page, 40);
    browser.go(&page);
    keep(&browser, "report-600px.png");
    let seen = browser.run(
        "const box = (id) => document.getElementById(id).getBoundingClientRect();
         return [box('map').height, box('details').top, box('details').height, innerHeight,
                 document.documentElement.scrollWidth <= innerWidth];",
    );
    let number = |at: usize| seen[at].as_f64().expect("a number");
    assert!(number(0) > 250.0 && number(2) > 150.0, "{seen}");
    assert!(number(1) + number(2) <= number(3) + 1.0, "{seen}");
    assert_eq!(seen[4], true, "nothing beyond the window's edge");
    // Every column shows distribution, version and architecture: in a band, or in its label.
    let labels = browser.run(
        "return view.columns.every((column, at) => BANDS.every((field, level) => {
             const part = view.bands[level].find(({ first, end }) => first <= at && at < end);
             return part.isShown || column.label.includes(column.group.first[field]);
         })) && layout.cell >= LEAST_CELL;",
    );
    assert_eq!(labels, true);
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn prints_a_document_of_a_few_pages() {
    let Some(browser) = Browser::open(1200, 800) else {
        return;
    };
    if !has_tool("pdftotext") {
        return;
    }
    let dir = Dir::new();
    browser.go(&page(&dir, 500));
    std::fs::write(dir.path("report.pdf"), browser.print()).expect("written");
    let text = dir
        .run(Command::new("pdftotext").args(["-layout", "report.pdf", "-"]))
        .ok();
    let pages = text.matches('\u{c}').count();
    assert!((1..=6).contains(&pages), "{pages} pages");
    assert!(
        text.contains("Kernel compatibility of guard.bpf.o"),
        "{text}"
    );
    let reason = "task.__state finds nothing here, and nothing guards it";
    assert!(text.contains(reason), "{text}");
    assert!(
        !text.contains("Filters") && !text.contains("What to look at"),
        "{text}"
    );
}

/// An archive with two kernels, one of which has the module with `struct vport`, and the report on
/// an object that reads it.
fn page_of_a_module(dir: &Dir, with_module: bool) -> PathBuf {
    let mut kernel = BtfBuilder::new();
    let long = kernel.int("long unsigned int", 8, 0);
    let at = |name, at| member(name, long, at);
    kernel.structure("pt_regs", 16, &[at("r15", 0), at("orig_ax", 8)]);
    kernel.structure("task_struct", 8, &[at("stack", 0)]);
    dir.write("vmlinux", kernel.finish());
    let mut module = BtfBuilder::split(&kernel);
    let port = module.int("port_t", 4, 0);
    module.structure("vport", 8, &[member("port", port, 4)]);
    dir.write("modules/open_vswitch", module.finish());
    let mut local = BtfBuilder::new();
    let port = local.int("port_t", 4, 0);
    let vport = local.structure("vport", 4, &[member("port", port, 0)]);
    let read = Relo {
        program: 0,
        type_id: vport,
        access: "0:0".to_owned(),
        kind: 0,
    };
    dir.write("reader.bpf.o", object(&local, &[read], false));
    for (release, more) in [("6.1.0-1", &["--modules", "modules"][..]), ("6.1.0-2", &[])] {
        let words = "add --archive archive --distro d --version 1 --arch x86_64 vmlinux --release";
        let more = if with_module { more } else { &[] };
        let words = words.split(' ').chain([release]);
        let _ = dir.btfhub(words.chain(more.iter().copied())).ok();
    }
    let words = "report --archive archive --object reader.bpf.o --out report.html";
    let _ = dir.btfhub(words.split(' ')).ok();
    dir.path("report.html")
}

#[test]
fn a_type_of_a_module_in_a_narrow_window_by_keyboard() {
    let Some(browser) = Browser::open(600, 900) else {
        return;
    };
    for (with_module, expected) in [
        (true, "vport is in module open_vswitch, if that is loaded."),
        (
            false,
            "vport is in no kernel's BTF; usually a type of module openvswitch.",
        ),
    ] {
        let dir = Dir::new();
        browser.go(&page_of_a_module(&dir, with_module));
        browser.keys("#map", "\u{e015}");
        browser.keys("#relocations", "\u{e007}");
        // A cell, and the row as a whole.
        browser.keys("#map", "\u{e015}");
        for key in ["\u{e014}", "\u{e012}\u{e012}"] {
            browser.keys("#map", key);
            let details = browser.text("#details");
            assert!(details.contains(expected), "{details}");
        }
        let seen = browser.run(
            "const part = [...document.querySelectorAll('#details p')]
                 .find(({ textContent }) => textContent.startsWith('vport is in'));
             const box = part.getBoundingClientRect();
             return box.top > 0 && box.bottom < innerHeight && box.right < innerWidth;",
        );
        assert_eq!(seen, true);
        keep(&browser, &format!("report-module-{with_module}.png"));
        assert_eq!(browser.errors(), [""; 0]);
    }
}
