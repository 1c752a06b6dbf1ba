//! What only the user knows, and verdicts depend on: `--target` and `--own-btf`.

use crate::args::KnownArgs;
use crate::failure::Failure;

impl KnownArgs {
    /// Programs and their targets.
    pub(crate) fn targets(&self) -> Result<Vec<(&str, &str)>, Failure> {
        (self.target.iter())
            .map(|said| pair("--target", "PROGRAM=TARGET", said))
            .collect()
    }

    /// Filters, and whether the kernels that they match have their own BTF.
    pub(crate) fn own_btf(&self) -> Result<Vec<(&str, bool)>, Failure> {
        (self.own_btf.iter())
            .map(|said| {
                let (filter, answer) = pair("--own-btf", "FILTER=yes|no", said)?;
                match answer {
                    "yes" => Ok((filter, true)),
                    "no" => Ok((filter, false)),
                    _ => Err(Failure::usage(format!(
                        "--own-btf: `{answer}` is not yes or no"
                    ))),
                }
            })
            .collect()
    }
}

/// The two sides of the last `=`.
fn pair<'t>(option: &str, form: &str, text: &'t str) -> Result<(&'t str, &'t str), Failure> {
    (text.rsplit_once('='))
        .ok_or_else(|| Failure::usage(format!("{option}: `{text}` is not {form}")))
}
