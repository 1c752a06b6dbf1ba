//! How commands are called: which arguments need an option and which don't, and what newcomers
//! are told who confuse the two.

use btfhub_tests::cli_test;
use btfhub_tests::{app, pack};

cli_test!(options_and_files_stand_in_any_order, |dir| {
    let kernel = "debian/11/x86_64/5.10.0-9-amd64";
    pack::entry(&dir.path("archive"), kernel, &app::kernel(8));
    dir.write("probe.o", app::object(&["pid"]));
    let run = |line: &str| dir.btfhub(line.split(' ')).ok();
    run("bundle --archive archive --object probe.o --out b");
    let last = run("verify --archive archive --object probe.o b");
    assert_eq!(run("verify b --object probe.o --archive archive"), last);
    run("atlas build --archive archive --out a");
    run("atlas extract --out x a debian/11/x86_64/5.10.0-9-amd64");
    // Every command accepts both names of an architecture.
    let described = run("select b --release 5.10.0-9-amd64 --machine x86_64");
    assert_eq!(
        run("select b --release 5.10.0-9-amd64 --arch x86_64"),
        described
    );
    let listed = run("list --archive archive --arch x86_64");
    assert_eq!(run("list --archive archive --machine x86_64"), listed);
});

cli_test!(a_newcomer_is_told_how, |dir| {
    dir.write("archive/file", "");
    for (line, tip) in [
        ("list archive", "needs its own option: --archive archive\n"),
        (
            "check --archive archive archive",
            "needs its own option: --archive archive\n",
        ),
        (
            "report --object a.o b.o",
            "needs its own option: --object b.o\n",
        ),
        (
            "bundle a.o --archive archive",
            "needs its own option: --object a.o\n",
        ),
        (
            "lock what",
            "with --archive DIR, each eBPF object with --object FILE\n",
        ),
        (
            "atlas inspect --atlas a",
            "name the file without an option\n",
        ),
        (
            "atlas extract --atlas a kernel",
            "name the file without an option\n",
        ),
        ("verify --bundle b", "name the file without an option\n"),
        (
            "bundle --objects a.o",
            "a similar argument exists: '--object'\n",
        ),
    ] {
        let complaint = dir.btfhub(line.split(' ')).fails(2);
        assert!(complaint.contains(tip), "{line}: {complaint}");
        assert_eq!(complaint.matches("tip: ").count(), 1, "{line}: {complaint}");
    }
});
