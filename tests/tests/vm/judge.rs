//! A kernel's results are still those in its stored table.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use btfhub_tests::judge::{GUESTS, Table, ask, by_program, objects};
use btfhub_tests::project::workspace;
use btfhub_tests::rule_programs;

/// Tools with programs of many kinds, some of which fail.
const TOOLS: [&str; 6] = [
    "biolatency",
    "biosnoop",
    "cachestat",
    "execsnoop",
    "opensnoop",
    "tcpsynbl",
];

#[test]
fn a_kernel_says_what_its_table_says() {
    let guest = &GUESTS[1];
    let Some(mut objects) = objects(guest.arch) else {
        return;
    };
    objects.retain(|object| {
        let tool = object.name.strip_prefix("libbpf-tools/");
        tool.is_none_or(|tool| TOOLS.iter().any(|name| tool.starts_with(name)))
    });
    let from = Instant::now();
    let Some((table, _)) = ask(guest, &objects) else {
        return;
    };
    println!(
        "{} programs asked in {} s",
        table.lines.len(),
        from.elapsed().as_secs()
    );
    let stored = Table::stored(guest);
    assert_eq!(table.package, stored.package);
    let known = by_program(&stored);
    assert!(table.lines.len() > 80, "{}", table.lines.len());
    for line in &table.lines {
        let of_table = known.get(&(line.object.as_str(), line.program.as_str()));
        assert_eq!(of_table, Some(&line), "{}", line.object);
    }
}

// The second column of tests/fixtures/rules.txt.
#[test]
fn rules_say_what_a_kernel_does() {
    let guest = &GUESTS[1];
    let Some(objects) = rule_programs::objects() else {
        return;
    };
    let Some((table, _)) = ask(guest, &objects) else {
        return;
    };
    let page = fs::read_to_string(workspace().join("tests/fixtures/rules.txt")).expect("a table");
    let expected: BTreeMap<String, &str> = (page.lines())
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Some((format!("rules/{}", cells.first()?), *cells.get(2)?))
        })
        .collect();
    assert_eq!(table.lines.len(), objects.len());
    for line in &table.lines {
        let ran = line.load == Some(0) && matches!(line.attach, None | Some(0));
        let said = expected[&line.object];
        let agrees = said.starts_with("unknown") || said.starts_with("runs") == ran;
        assert!(
            agrees,
            "{}: {said}, but {:?} {:?} {}",
            line.object, line.load, line.attach, line.log
        );
    }
}
