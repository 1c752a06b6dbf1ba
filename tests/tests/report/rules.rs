//! Small programs, one for each rule, against what booted kernels do with them.
//! `tests/fixtures/rules.txt` is written by hand; tests/tests/vm/judge.rs holds one of its columns
//! to a booted kernel.

use std::fs;

use btfhub_tests::judge::GUESTS;
use btfhub_tests::project::workspace;
use btfhub_tests::rule_programs::objects;

use super::verdicts::report;

#[test]
fn each_rule_says_what_booted_kernels_do() {
    let Some(objects) = objects() else { return };
    let path = workspace().join("tests/fixtures/rules.txt");
    let expected = fs::read_to_string(path).expect("a table");
    let mut found: Vec<Vec<String>> = (objects.iter())
        .map(|object| vec![object.name.replacen("rules/", "", 1)])
        .collect();
    for guest in GUESTS.iter().filter(|guest| guest.arch == "x86_64") {
        let report = report(guest, &objects, None);
        let verdicts = report.program_verdicts_of(&report.kernels[0]);
        for (row, verdict) in found.iter_mut().zip(verdicts) {
            let rule = verdict.reasons.first().map_or("", |reason| reason.rule);
            row.push(format!("{} {rule}", verdict.outcome).replace(" checked", ""));
        }
    }
    let said: Vec<String> = found.iter().map(|row| row.join(" | ")).collect();
    let stored = expected
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let stored: Vec<String> = stored.map(words).collect();
    // After the titles of the columns.
    assert_eq!(Some(said.as_slice()), stored.get(1..));
}
