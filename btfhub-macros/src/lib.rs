//! The procedural half of `btfhub_runtime::include_bundle!`.
