//! The HTML report in a real browser: opened, filtered, clicked, read.
//!
//! `BTFHUB_SCREENSHOTS=DIR` keeps pictures of it at 10, 60 and 5,000 kernels.

use std::path::{Path, PathBuf};

use btfhub_tests::browser::Browser;
use btfhub_tests::cli::Dir;
use btfhub_tests::objects::own_dir;
use btfhub_tests::oracle::records::LocalObject;
use btfhub_tests::pack;
use serde_json::{Value, json};

/// An archive of `kernels` made-up kernels of four kinds, and the report on it.
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

/// The same page with its relocations repeated, so that there are `rows`.
fn with_rows(page: &Path, rows: usize) {
    let html = std::fs::read_to_string(page).expect("the page");
    let open = "<script id=\"data\" type=\"application/json\">";
    let start = html.find(open).expect("the data") + open.len();
    let end = start + html[start..].find("</script>").expect("its end");
    let mut data: Value = serde_json::from_str(&html[start..end]).expect("JSON");
    let relocations = data["relocations"].as_array().expect("a list").clone();
    let repeated = (0..rows).map(|row| {
        let mut relocation = relocations[row % relocations.len()].clone();
        relocation["term"] = json!(format!(
            "{}_{row}",
            relocation["term"].as_str().expect("text")
        ));
        relocation
    });
    data["relocations"] = repeated.collect();
    for column in data["columns"].as_array_mut().expect("a list") {
        let verdicts = column.as_array().expect("a list").clone();
        *column = (0..rows)
            .map(|row| verdicts[row % verdicts.len()].clone())
            .collect();
    }
    let data = data.to_string().replace('<', "\\u003c");
    std::fs::write(page, format!("{}{data}{}", &html[..start], &html[end..])).expect("written");
}

fn keep(browser: &Browser, name: &str) {
    if let Some(dir) = std::env::var_os("BTFHUB_SCREENSHOTS") {
        browser.screenshot(&PathBuf::from(dir).join(name));
    }
}

/// The middle of a cell in the window, from what the map says of itself.
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
    let (rows, columns) = shown(&browser);
    assert_eq!(columns, 10, "few kernels are all shown");
    keep(&browser, "report-10.png");
    // What is worst is said before anything is clicked, and leads to its row.
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

    browser.keys("#find-relocation", "task.__state");
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

    // Without the second filter, a kernel that lacks it.
    let _ = browser.run(
        "const box = document.getElementById('find-kernel');
         box.value = '';
         box.dispatchEvent(new Event('input'));",
    );
    assert_eq!(shown(&browser), (filtered, columns));
    let place = browser.run(
        "const row = view.rows.findIndex((row) => report.relocations[row].term === 'task.__state');
         const absent = (column) => cell(column, view.rows[row])
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

    // The strip above the column: all that fails on that kernel.
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
    // And only kernels like it.
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
    browser.keys("body", "/");
    browser.keys("#find-relocation", "task\u{e00c}");
    browser.keys("#map", &format!("{down}{down}{right}"));
    let selected = browser.run("return [view.selected.row, view.selected.column];");
    assert_eq!(selected, json!([1, 1]));
    let spoken = browser.run("return document.getElementById('spoken').textContent;");
    let spoken = spoken.as_str().expect("text");
    let term = browser.run("return report.relocations[view.rows[1]].term;");
    assert!(spoken.starts_with(term.as_str().expect("text")), "{spoken}");
    // To the first group of several kernels, which Enter closes and opens.
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
    assert!(
        shown(&browser).1 < before,
        "Enter closes the group of kernels"
    );
    browser.keys("#map", "\u{e007}");
    assert_eq!(shown(&browser).1, before, "and opens it again");
    // Above the first row is the kernel as a whole; Escape goes back to the overview.
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
fn readable_at_5000_kernels_and_500_relocations() {
    let Some(browser) = Browser::open(1600, 1000) else {
        return;
    };
    let dir = Dir::new();
    let page = page(&dir, 5000);
    with_rows(&page, 500);
    browser.go(&page);
    let (rows, columns) = shown(&browser);
    assert_eq!(rows, 500);
    assert_eq!(columns, 40, "kernels of one series stand in one column");
    keep(&browser, "report-5000.png");
    browser.click("#expand");
    assert_eq!(shown(&browser), (500, 5000));
    keep(&browser, "report-5000-expanded.png");
    browser.keys("#find-kernel", "centos arm64");
    let (_, some) = shown(&browser);
    assert!(some > 0 && some < 1000, "{some}");
    let (x, y) = cell(&browser, 3, 5);
    browser.click_at(x, y);
    assert!(browser.text("#details").contains("centos/8/arm64/5."));
    assert_eq!(browser.errors(), [""; 0]);
}
