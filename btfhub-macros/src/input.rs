//! The macro's arguments, and the file that they name.

use std::env;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token};

/// The file ending of bundles, as btfhub-build writes them.
const EXTENSION: &str = "btfhub";

/// The macro's input.
pub(crate) struct Input {
    /// `$crate` of the runtime crate's macro.
    pub(crate) runtime: TokenTree,
    /// Which file.
    pub(crate) source: Source,
    /// Where to point when something is wrong with it.
    pub(crate) span: Span,
}

/// Which file to embed.
pub(crate) enum Source {
    /// `"name"`: the bundle that this crate's build.rs made.
    BuildScript(String),
    /// `path = "…"`: a file of this crate, relative to its Cargo.toml.
    Checked(String),
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let runtime = input.parse()?;
        input.parse::<Token![,]>()?;
        let usage = "expected the name given to `Builder::build`, as in `include_bundle!(\"probe\")`, \
                     or a file of this crate, as in `include_bundle!(path = \"btf/probe.btfhub\")`";
        let (source, literal): (fn(String) -> Source, LitStr) = if input.peek(LitStr) {
            (Source::BuildScript, input.parse()?)
        } else {
            let key: Ident = input
                .parse()
                .map_err(|e| syn::Error::new(e.span(), usage))?;
            if key != "path" {
                return Err(syn::Error::new(key.span(), usage));
            }
            input.parse::<Token![=]>()?;
            (Source::Checked, input.parse()?)
        };
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            return Err(input.error(usage));
        }
        Ok(Self {
            runtime,
            source: source(literal.value()),
            span: literal.span(),
        })
    }
}

impl Source {
    /// The absolute path, or what the user has to do to get one.
    pub(crate) fn path(&self) -> Result<PathBuf, String> {
        match self {
            Self::BuildScript(name) => in_out_dir(name, env::var_os("OUT_DIR").map(PathBuf::from)),
            Self::Checked(path) => {
                let root = env::var_os("CARGO_MANIFEST_DIR").ok_or(
                    "CARGO_MANIFEST_DIR is not set: a bundle is embedded in a crate that cargo builds",
                )?;
                let file = Path::new(&root).join(path);
                if file.is_file() {
                    Ok(file)
                } else {
                    Err(format!(
                        "no bundle at {}: `path` is relative to the crate's Cargo.toml. \
                         `cargo btfhub bundle` makes such a file",
                        file.display()
                    ))
                }
            }
        }
    }
}

/// The bundle `name` among the files that the build script left in `out_dir`.
fn in_out_dir(name: &str, out_dir: Option<PathBuf>) -> Result<PathBuf, String> {
    if name.is_empty() || name.contains(['/', '\\']) {
        return Err(format!(
            "{name:?} is not the name of a bundle: it is the name given to `Builder::build` in \
             build.rs. A file of this crate is embedded with `include_bundle!(path = \"…\")`"
        ));
    }
    let Some(out_dir) = out_dir else {
        return Err(format!(
            "this crate has no build script, so there is no bundle {name:?}: add a build.rs that \
             calls `btfhub_build::Builder::new()…build({name:?})`, or embed a file of this crate \
             with `include_bundle!(path = \"…\")`"
        ));
    };
    let file = out_dir.join(format!("{name}.{EXTENSION}"));
    if file.is_file() {
        return Ok(file);
    }
    let others = bundles_in(&out_dir);
    let found = if others.is_empty() {
        "it made none".to_owned()
    } else {
        format!("it made {}", others.join(", "))
    };
    Err(format!(
        "build.rs made no bundle {name:?} ({found}): it has to call \
         `btfhub_build::Builder::new()…build({name:?})`. Looked for {}",
        file.display()
    ))
}

/// The names of the bundles in `dir`, quoted and sorted.
fn bundles_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == EXTENSION))
        .filter_map(|path| Some(format!("{:?}", path.file_stem()?)))
        .collect();
    names.sort();
    names
}
