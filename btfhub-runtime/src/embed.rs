//! Embedding a bundle at compile time.

pub use btfhub_macros::include_bundle as __include_bundle;

/// Embeds a bundle in the program, as a constant [`Bundle`](crate::Bundle).
///
/// - `include_bundle!("probe")` embeds what this crate's build script made with
///   `btfhub_build::Builder::new()…build("probe")`.
/// - `include_bundle!(path = "btf/probe.btfhub")` embeds a file of this crate, with the
///   path relative to its `Cargo.toml`. Use it for bundles that are checked in.
///
/// ```ignore
/// // Only this example is ignored: it needs a build script. The repository's
/// // examples are this code, compiled.
/// use btfhub_runtime::{Bundle, include_bundle};
///
/// static BTF: Bundle = include_bundle!("probe");
/// ```
///
/// The file is checked at compile time: it must be a complete bundle in this release's
/// format version, with the right SHA-256 digest. Otherwise, or if there is no such
/// file, the macro is a compile error that says what to do.
#[macro_export]
macro_rules! include_bundle {
    ($($input:tt)*) => {
        $crate::__include_bundle!($crate, $($input)*)
    };
}
