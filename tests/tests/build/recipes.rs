//! Recipes on the pages, followed.

use std::fs;

use btfhub_tests::app;
use btfhub_tests::cli::Dir;
use btfhub_tests::pack;
use btfhub_tests::project::{Project, Said, with_paths, workspace};

/// The code block below the comment `<!-- name -->` of a page.
fn block(page: &str, name: &str) -> String {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let (_, after) = text.split_once(&format!("<!-- {name} -->\n```")).unwrap();
    let (_language, after) = after.split_once('\n').unwrap();
    after.split_once("```\n").unwrap().0.to_owned()
}

const CRATES: &str = "[dependencies]\nbtfhub-runtime.path = RUNTIME\n\
                      [build-dependencies]\nbtfhub-build.path = BUILD\n";

/// An object of each of two crates, and one bundle for both.
#[test]
fn one_crate_embeds_for_several() {
    const PAGE: &str = "docs/troubleshooting.md";
    let project = Project::new(&CRATES.replace(
        "[build-",
        "agent-net = { package = \"NET\", path = \"net\" }\n\
         agent-exec = { package = \"EXEC\", path = \"exec\" }\n[build-",
    ));
    // In a shared target directory, packages must not have the names of other tests' packages.
    let named = |name: &str| format!("{}-{name}", project.name());
    let manifest = fs::read_to_string(project.path().join("Cargo.toml")).unwrap();
    let manifest = (manifest.replace("NET", &named("net"))).replace("EXEC", &named("exec"));
    project
        .file("Cargo.toml", manifest)
        .file("build.rs", block(PAGE, "build.rs"))
        .file(
            "src/main.rs",
            "static BTF: btfhub_runtime::Bundle = btfhub_runtime::include_bundle!(\"agent\");\n\
             fn main() {\n\
             BTF.check_object(agent_net::OBJECT).unwrap();\n\
             BTF.check_object(agent_exec::OBJECT).unwrap();\n\
             for object in BTF.provenance().unwrap().objects { println!(\"{}\", object.name); }\n\
             }\n",
        );
    for (name, members) in [("net", &["pid"][..]), ("exec", &["pid", "tgid"])] {
        let of_crate = |text: String| text.replace("net", name);
        let script = of_crate(block(PAGE, "net/build.rs"));
        let compiled = script.replace(
            "// … clang or libbpf-cargo writes `object` …",
            "std::fs::copy(\"probe.o\", &object).unwrap();",
        );
        assert_ne!(script, compiled, "the page's script compiles an object");
        let manifest = of_crate(block(PAGE, "net/Cargo.toml"));
        project
            .file(
                format!("{name}/Cargo.toml"),
                manifest.replace(&format!("\"agent-{name}\""), &format!("{:?}", named(name))),
            )
            .file(format!("{name}/build.rs"), compiled)
            .file(
                format!("{name}/src/lib.rs"),
                format!(
                    "pub static OBJECT: &[u8] = \
                     include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.bpf.o\"));\n"
                ),
            )
            .file(format!("{name}/probe.o"), app::object(members));
    }
    let archive = project.path().join("archive");
    pack::entry(&archive, "debian/12/x86_64/6.1.0-1-amd64", &app::kernel(16));
    let mut command = project.command(&["run"]);
    let said = Said::of(&command.env("BTFHUB_ARCHIVE", &archive).output().unwrap()).ok();
    assert_eq!(said.stdout, "exec.bpf.o\nnet.bpf.o\n");
}

/// A relative `BTFHUB_ARCHIVE` starts from the package in a build, and from the working directory
/// on the command line; cargo's configuration makes it start from the workspace.
#[test]
fn one_archive_beside_all_members() {
    let project = Project::new("[dependencies]\nmember.path = \"member\"\n");
    let name = format!("{}-member", project.name());
    let manifest = fs::read_to_string(project.path().join("Cargo.toml")).unwrap();
    let dependency = format!("member = {{ package = {name:?}, path = \"member\" }}");
    let member = format!(
        "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n{}",
        with_paths(CRATES)
    );
    project
        .file(
            "Cargo.toml",
            manifest.replace("member.path = \"member\"", &dependency),
        )
        .file(
            "src/main.rs",
            "fn main() { println!(\"{}\", member::BTF.kernels().count()) }",
        )
        .file("member/Cargo.toml", member)
        .file(
            "member/build.rs",
            "fn main() -> Result<(), btfhub_build::Error> {\n\
             btfhub_build::Builder::new().object(\"probe.o\").build(\"probe\") }",
        )
        .file(
            "member/src/lib.rs",
            "pub static BTF: btfhub_runtime::Bundle = btfhub_runtime::include_bundle!(\"probe\");",
        )
        .file("member/probe.o", app::object(&["pid"]));
    let kernel = "debian/12/x86_64/6.1.0-1-amd64";
    let archive = project.path().join("btfhub-archive");
    pack::entry(&archive, kernel, &app::kernel(16));

    let mut relative = project.command(&["build"]);
    relative.env("BTFHUB_ARCHIVE", "btfhub-archive");
    let said = Said::of(&relative.output().unwrap()).failed();
    let package = project.path().join("member");
    let from = format!("at btfhub-archive, seen from {}", package.display());
    assert!(said.stderr.contains(&from), "{}", said.stderr);
    relative.env("BTFHUB_ARCHIVE", "../btfhub-archive");
    let _built = Said::of(&relative.output().unwrap()).ok();

    let dir = Dir::new();
    let mut listed = dir.command();
    let listed = (listed
        .args(["list", "--kernels"])
        .current_dir(project.path()))
    .env("BTFHUB_ARCHIVE", "btfhub-archive")
    .output();
    assert_eq!(Said::of(&listed.unwrap()).ok().stdout.trim(), kernel);

    let config = block("docs/build-script.md", ".cargo/config.toml");
    project.file(".cargo/config.toml", config);
    assert_eq!(project.cargo(&["run"]).ok().stdout, "1\n");
}
