//! `[package.metadata.btfhub]` of the current package, which supplies missing options.

use std::path::{Path, PathBuf};

use btfhub_build::archive::Pin;
use btfhub_build::{Builder, Modules, OnBadEntry, verdict};
use cargo_metadata::MetadataCommand;

use crate::args::atlas::AtlasCommand;
use crate::args::{ArchiveArgs, Certainty, Command, FilterArgs, KnownArgs, ObjectArgs, SourceArgs};
use crate::failure::failure;
use crate::failure::{Context, Failure};

/// The arguments of a command that a manifest can supply.
struct Open<'a> {
    archive: &'a mut ArchiveArgs,
    objects: Option<&'a mut ObjectArgs>,
    filter: Option<&'a mut FilterArgs>,
    source: Option<&'a mut SourceArgs>,
    pin: Option<&'a mut Option<String>>,
    known: Option<&'a mut KnownArgs>,
    failing: Option<&'a mut Option<Certainty>>,
}

/// Fills in missing arguments from the same table as a build script. Also returns the settings
/// of the Cargo.toml, if it was read.
pub(crate) fn complete(
    command: &mut Command,
    manifest: Option<&Path>,
) -> Result<Option<Builder>, Failure> {
    let configured = from_manifest(command, manifest)?;
    if source_of(command).is_some_and(|source| !source.atlases.is_empty()) {
        return Ok(configured);
    }
    let lacking = archive_of(command).filter(|archive| archive.archives.is_empty());
    if let (Some(archive), Some(named)) = (lacking, std::env::var_os("BTFHUB_ARCHIVE")) {
        archive.archives = std::env::split_paths(&named)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
    }
    Ok(configured)
}

fn archive_of(command: &mut Command) -> Option<&mut ArchiveArgs> {
    match command {
        Command::Atlas(args) => match &mut args.command {
            AtlasCommand::Build(args) => Some(&mut args.archive),
            AtlasCommand::Verify(args) => Some(&mut args.archive),
            _ => None,
        },
        other => Some(open(other)?.archive),
    }
}

fn source_of(command: &mut Command) -> Option<&SourceArgs> {
    open(command)?.source.map(|source| &*source)
}

fn from_manifest(
    command: &mut Command,
    manifest: Option<&Path>,
) -> Result<Option<Builder>, Failure> {
    let Some(open) = open(command) else {
        return Ok(None);
    };
    let atlases = open
        .source
        .as_ref()
        .map_or(0, |source| source.atlases.len());
    let is_complete = (!open.archive.archives.is_empty() || atlases > 0)
        && (open.objects.as_ref()).is_none_or(|objects| !objects.objects.is_empty());
    if is_complete && manifest.is_none() {
        return Ok(None);
    }
    let Some(manifest) = configured(manifest)? else {
        return Ok(None);
    };
    let builder = Builder::from_manifest_path(&manifest).map_err(failure)?;
    if let Some(filter) = open.filter {
        filters(&builder, filter);
    }
    archives(&builder, open.archive, open.source, open.pin);
    let mut are_its_objects = false;
    if let Some(objects) = open.objects {
        are_its_objects = objects.objects.is_empty();
        self::objects(&builder, objects)?;
    }
    if let Some(failing) = open.failing.filter(|failing| failing.is_none()) {
        *failing = builder.failing_programs_kept().map(|least| match least {
            verdict::Certainty::Proven => Certainty::Proven,
            verdict::Certainty::Likely => Certainty::Likely,
        });
    }
    if let Some(known) = open.known {
        self::known(&builder, known, are_its_objects);
    }
    Ok(Some(builder))
}

fn open(command: &mut Command) -> Option<Open<'_>> {
    Some(match command {
        Command::Tailor(args) => Open {
            archive: &mut args.archive,
            objects: Some(&mut args.objects),
            filter: Some(&mut args.filter),
            source: Some(&mut args.source),
            pin: None,
            known: None,
            failing: None,
        },
        Command::Bundle(args) => Open {
            archive: &mut args.archive,
            objects: Some(&mut args.objects),
            filter: Some(&mut args.filter),
            source: Some(&mut args.source),
            pin: Some(&mut args.pin),
            known: Some(&mut args.known),
            failing: Some(&mut args.failing_programs),
        },
        Command::Report(args) => Open {
            archive: &mut args.archive,
            objects: Some(&mut args.objects),
            filter: Some(&mut args.filter),
            source: Some(&mut args.source),
            pin: None,
            known: Some(&mut args.known),
            failing: None,
        },
        Command::Verify(args) => Open {
            archive: &mut args.archive,
            objects: Some(&mut args.objects),
            filter: None,
            source: None,
            pin: None,
            known: None,
            failing: None,
        },
        Command::List(args) => kernels_only(&mut args.archive, &mut args.filter),
        Command::Lock(args) => kernels_only(&mut args.archive, &mut args.filter),
        Command::Check(args) => kernels_only(&mut args.archive, &mut args.filter),
        Command::Merge(_)
        | Command::Inspect(_)
        | Command::Select(_)
        | Command::Fetch(_)
        | Command::Add(_)
        | Command::Remove(_)
        | Command::Atlas(_)
        | Command::Completions(_)
        | Command::Man(_) => return None,
    })
}

fn kernels_only<'a>(archive: &'a mut ArchiveArgs, filter: &'a mut FilterArgs) -> Open<'a> {
    Open {
        archive,
        objects: None,
        filter: Some(filter),
        source: None,
        pin: None,
        known: None,
        failing: None,
    }
}

fn filters(builder: &Builder, filter: &mut FilterArgs) {
    if filter.include.is_empty() {
        filter.include = builder.included().to_vec();
    }
    if filter.exclude.is_empty() {
        filter.exclude = builder.excluded().to_vec();
    }
    if filter.archs.is_empty() {
        filter.archs = builder.archs().unwrap_or_default().to_vec();
    }
}

/// The manifest's pin applies to its own archive or atlas, not to one from the options.
fn archives(
    builder: &Builder,
    archive: &mut ArchiveArgs,
    source: Option<&mut SourceArgs>,
    pin: Option<&mut Option<String>>,
) {
    let mut is_named = !archive.archives.is_empty();
    let mut found = (builder.archives().next()).and_then(|(_, pin)| Some(spelled(pin?)));
    if let Some(source) = source {
        source.skip_bad |= builder.bad_entry_policy() == OnBadEntry::Skip;
        source
            .entry_limit
            .get_or_insert(builder.entry_limit_bytes());
        is_named |= !source.atlases.is_empty();
        if !is_named {
            source.atlases = builder.atlases().map(|(file, _)| file.to_owned()).collect();
            let digest = builder.atlases().next().and_then(|(_, digest)| digest);
            found = found.or(digest.map(str::to_owned));
        }
    }
    if is_named {
        return;
    }
    archive.archives = builder
        .archives()
        .map(|(root, _)| root.to_owned())
        .collect();
    archive.follow_links |= builder.follows_links();
    if let Some(pin) = pin {
        *pin = pin.take().or(found);
    }
}

/// A pin in the form that `--pin` takes.
fn spelled(pin: &Pin) -> String {
    match pin {
        Pin::Commit(id) => id.clone(),
        Pin::Tree(hash) => format!("tree:{hash}"),
        Pin::Lock(file) => format!("lock:{}", file.display()),
    }
}

fn objects(builder: &Builder, objects: &mut ObjectArgs) -> Result<(), Failure> {
    if let (Modules::Named(names), true) = (builder.modules_taken(), objects.modules.is_empty()) {
        objects.modules.clone_from(names);
    }
    if objects.objects.is_empty() && builder.has_objects() {
        objects.objects = builder.object_files().map_err(failure)?;
    }
    Ok(())
}

/// Arguments override the manifest. Targets belong to its objects.
fn known(builder: &Builder, known: &mut KnownArgs, are_its_objects: bool) {
    let targets = builder.targets().iter().filter(|_| are_its_objects);
    let targets = targets.map(|(program, target)| format!("{program}={target}"));
    known.target.splice(0..0, targets);
    let own_btf = builder.own_btf_of().iter();
    let own_btf = own_btf.map(|(filter, has)| {
        let answer = if *has { "yes" } else { "no" };
        format!("{filter}={answer}")
    });
    known.own_btf.splice(0..0, own_btf);
}

/// The Cargo.toml whose table is used: the named one, or that of the current directory's package,
/// or outside of any package the only one in the workspace that has a table.
fn configured(named: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(named) = named {
        return Ok(Some(named.to_owned()));
    }
    let here = std::env::current_dir().context(|| "no working directory".into())?;
    if !here
        .ancestors()
        .any(|directory| directory.join("Cargo.toml").is_file())
    {
        return Ok(None);
    }
    let metadata = MetadataCommand::new()
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .context(|| "cannot read Cargo.toml".into())?;
    let innermost = (metadata.packages.iter())
        .filter_map(|package| package.manifest_path.as_std_path().parent())
        .filter(|package| here.starts_with(package))
        .max_by_key(|package| package.as_os_str().len());
    let with_table: Vec<&Path> = (metadata.packages.iter())
        .filter(|package| !package.metadata["btfhub"].is_null())
        .map(|package| package.manifest_path.as_std_path())
        .collect();
    let stood_in = (with_table.iter()).find(|manifest| manifest.parent() == innermost);
    match (stood_in, with_table.as_slice()) {
        (Some(manifest), _) => Ok(Some((*manifest).to_owned())),
        // Another member's table is not for the current package.
        _ if innermost.is_some() => Ok(None),
        (None, [manifest]) => Ok(Some((*manifest).to_owned())),
        (None, []) => Ok(None),
        (None, several) => {
            let names: Vec<_> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(Failure::usage(format!(
                "several packages of this workspace have [package.metadata.btfhub]; choose one \
                 with --manifest-path: {}",
                names.join(", ")
            )))
        }
    }
}
