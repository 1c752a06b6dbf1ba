//! A bundle that was made elsewhere and is checked in.

use std::path::Path;

use btfhub_runtime::{Arch, Bundle};

use super::environment::{self, Environment};
use crate::archive::Pin;
use crate::builder::{Builder, Loaded, OnBadEntry};
use crate::error::{Error, ErrorKind, shell_word};
use crate::input;
use crate::relo::Relocations;

/// The bundle in `path`, if it is one for the very relocations of these objects
/// and for the target.
pub(super) fn read(
    builder: &Builder,
    path: &Path,
    objects: &[Loaded],
    environment: &Environment,
) -> Result<Vec<u8>, Error> {
    let refused = |why: &str| {
        let message = format!("the prepared bundle {} {why}", path.display());
        let what = format!(
            "on a machine with the archive, a build with {}=1 makes it again; so does, in {}:",
            environment::UPDATE,
            environment.package.display()
        );
        Error::new(ErrorKind::Prepared, message).command(&what, &renewal(builder, path, objects))
    };
    let relocations = Relocations::from_objects(objects.iter().map(|loaded| &loaded.object));
    let data = input::read(path, input::FILE_LIMIT)
        .map_err(|error| refused("cannot be read").because(error))?;
    let damaged = |error| refused("cannot be used").because(error);
    let bundle = Bundle::parse(&data).map_err(damaged)?;
    let provenance = bundle.provenance().map_err(damaged)?;
    if provenance.relocations != relocations.fingerprint() {
        return Err(refused(
            "is stale: it was made for different relocations than your objects have now",
        ));
    }
    let arch = Arch::new(&environment.target_arch);
    if !bundle.arches().any(|found| found == Ok(arch)) {
        return Err(refused(&format!("holds no kernel for {arch}")));
    }
    if environment.may_ship && provenance.partial {
        return Err(refused("is partial, and this is a release build"));
    }
    Ok(data)
}

/// The command that makes a prepared bundle, as one pastes it into a shell.
fn renewal(builder: &Builder, path: &Path, objects: &[Loaded]) -> String {
    let mut words = vec!["cargo btfhub bundle".to_owned()];
    let mut say = |option: &str, value: &Path| {
        words.push(option.to_owned());
        words.push(shell_word(value.display()));
    };
    if builder.archives.is_empty() {
        say("--archive", Path::new("btfhub-archive"));
    }
    if let Some(manifest) = &builder.manifest {
        // The rest stands there.
        say("--manifest-path", manifest);
    } else {
        for (root, _) in builder.archives() {
            say("--archive", root);
        }
        match builder.archives().find_map(|(_, pin)| pin) {
            Some(Pin::Commit(id)) => say("--pin", id.as_ref()),
            Some(Pin::Tree(hash)) => say("--pin", format!("tree:{hash}").as_ref()),
            Some(Pin::Lock(file)) => say("--pin", format!("lock:{}", file.display()).as_ref()),
            None => {}
        }
        for loaded in objects {
            say("--object", &loaded.file);
        }
        let named = [
            ("--include", builder.included()),
            ("--exclude", builder.excluded()),
            ("--arch", builder.archs().unwrap_or_default()),
        ];
        for (option, value) in named.into_iter().flat_map(|(option, values)| {
            let values = values.iter();
            values.map(move |value| (option, value))
        }) {
            say(option, value.as_ref());
        }
    }
    say("--out", path);
    if builder.manifest.is_none() && builder.bad_entry_policy() == OnBadEntry::Skip {
        words.push("--skip-bad".to_owned());
    }
    words.join(" ")
}
