//! `completions` and `man`: what packagers install beside the binary.

use clap::CommandFactory;

use crate::args::{Cli, Completions, Man};
use crate::failure::{Context, Failure};
use crate::output::{Output, count, stdout, write_file};

pub(crate) fn completions(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    // Shells complete the program by the name that is typed first on the line.
    clap_complete::generate(args.shell, &mut Cli::command(), "cargo-btfhub", &mut script);
    stdout(&script)
}

pub(crate) fn man(args: &Man, output: Output) -> Result<(), Failure> {
    let command = Cli::command().bin_name("cargo-btfhub");
    let Some(directory) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return stdout(&page);
    };
    let mut pages = vec![("cargo-btfhub.1".to_owned(), command.clone())];
    for child in command.get_subcommands() {
        let name = format!("cargo-btfhub-{}", child.get_name());
        let child = (child.clone())
            .name(name.clone())
            .bin_name(format!("cargo btfhub {}", child.get_name()));
        pages.push((format!("{name}.1"), child));
    }
    let written = pages.len();
    for (file, command) in pages {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .context(|| format!("cannot render {file}"))?;
        write_file(&directory.join(file), &page)?;
    }
    output.note(&format!(
        "{} in {}",
        count(written, "page", "pages"),
        directory.display()
    ));
    Ok(())
}
