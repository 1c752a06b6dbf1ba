//! What the crates cost their users: in the program, and in compilation.

use std::fs;
use std::process::Command;

use btfhub_tests::cost::run;
use btfhub_tests::project::Project;

/// A program, without and with selection and rebuilding.
const WITHOUT: &str = "fn main() { println!(\"{}\", std::env::args().count()); }\n";
const WITH: &str = "\
use btfhub_runtime::{Bundle, for_this_host};
static BTF: Bundle = Bundle::EMPTY;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let selection = for_this_host(&BTF)?;
    println!(\"{selection:#} {} {:?}\", selection.bytes()?.len(), selection.to_file()?.path());
    Ok(())
}
";

pub(crate) fn measure() {
    let profile = "[profile.release]\nstrip = true\n";
    let plain = Project::new(profile).with_own_target();
    plain.file("src/main.rs", WITHOUT);
    let runtime = format!("[dependencies]\nbtfhub-runtime.path = RUNTIME\n{profile}");
    let with = Project::new(&runtime).with_own_target();
    with.file("src/main.rs", WITH);
    let bytes = |project: &Project| {
        let _built = project.cargo(&["build", "--release"]).ok();
        let program = project.path().join("target/release").join(project.name());
        fs::metadata(program).expect("a program").len()
    };
    let (plain, with) = (bytes(&plain), bytes(&with));
    println!(
        "a program, stripped: {plain} bytes; with btfhub-runtime {with}: {} KB more",
        with.saturating_sub(plain) / 1000
    );

    let build = "[build-dependencies]\nbtfhub-build.path = BUILD\n";
    for (name, manifest) in [
        ("btfhub-runtime", runtime.as_str()),
        ("btfhub-build", build),
    ] {
        for profile in ["dev", "release"] {
            let project = Project::new(manifest).with_own_target();
            project
                .file("src/main.rs", WITHOUT)
                .file("build.rs", "fn main() {}\n");
            let mut cargo: Command = project.command(&["build", "--timings", "--profile", profile]);
            let cost = run(&mut cargo);
            println!(
                "\n{name}, clean build, {profile}: {:.1} s, {:.1} of CPU",
                cost.wall, cost.cpu
            );
            for (unit, seconds) in units(&project) {
                println!("  {seconds:>6.2} s  {unit}");
            }
        }
    }
}

/// Each unit in cargo's report, slowest first.
fn units(project: &Project) -> Vec<(String, f64)> {
    let report = project
        .path()
        .join("target/cargo-timings/cargo-timing.html");
    let report = fs::read_to_string(report).expect("cargo's report");
    let from = report.find("UNIT_DATA = ").expect("the units") + "UNIT_DATA = ".len();
    let data = serde_json::Deserializer::from_str(&report[from..]);
    let units: serde_json::Value = data.into_iter().next().expect("units").expect("JSON");
    let mut list: Vec<(String, f64)> = (units.as_array().expect("a list").iter())
        .filter(|unit| unit["name"] != project.name())
        .map(|unit| {
            let text = |key: &str| unit[key].as_str().unwrap_or_default().trim().to_owned();
            let name = format!("{} {} {}", text("name"), text("version"), text("target"));
            (
                name.trim_end().to_owned(),
                unit["duration"].as_f64().unwrap_or_default(),
            )
        })
        .collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1));
    list
}
