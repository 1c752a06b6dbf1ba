//! Embedding a bundle at compile time.

pub use btfhub_macros::include_bundle as __include_bundle;

/// Embeds a bundle in the program: a constant [`Bundle`](crate::Bundle).
///
/// - `include_bundle!("probe")` takes what this crate's build script made with
///   `btfhub_build::Builder::new()…build("probe")`.
/// - `include_bundle!(path = "btf/probe.btfhub")` takes a file of this crate, the
///   path relative to its `Cargo.toml`: for bundles that are checked in.
///
/// ```ignore
/// // Ignored here alone: it needs a build script beside it. The examples of the
/// // repository are this, compiled.
/// use btfhub_runtime::{Bundle, include_bundle};
///
/// static BTF: Bundle = include_bundle!("probe");
/// ```
///
/// The file is checked while compiling: that it is a bundle, of this release's
/// format version, whole, and that its SHA-256 digest fits. It is a compile error
/// at the macro's place when it is not, and when there is no such file, which
/// says what to do.
#[macro_export]
macro_rules! include_bundle {
    ($($input:tt)*) => {
        $crate::__include_bundle!($crate, $($input)*)
    };
}
