//! The procedural half of `btfhub_runtime::include_bundle!`.
//!
//! Use it through `btfhub-runtime`: the macro there passes its own `$crate` to this one, so
//! that it also works if btfhub-runtime was renamed or re-exported. It finds the file, checks
//! it, and expands to `include_bytes!`, so that cargo knows when to recompile.

mod file;
mod input;

use proc_macro2::TokenStream;
use quote::quote_spanned;

/// `include_bundle!($crate, "name")` or `include_bundle!($crate, path = "…")`.
#[doc(hidden)]
#[proc_macro]
pub fn include_bundle(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(tokens.into())
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

fn expand(tokens: TokenStream) -> syn::Result<TokenStream> {
    let input::Input {
        runtime,
        source,
        span,
    } = syn::parse2(tokens)?;
    let at_input = |message: String| syn::Error::new(span, message);
    let path = source.path().map_err(at_input)?;
    let checked = file::check(&path).map_err(at_input)?;
    let path = path.to_str().ok_or_else(|| {
        at_input(format!(
            "the path of the bundle is not UTF-8, but `include_bytes!` accepts only that: {}",
            path.display()
        ))
    })?;
    // Always a constant, so that the compiler reports the errors of the runtime crate's own
    // check at the user's line.
    let bundle = quote_spanned! {span=>
        const { #runtime::Bundle::from_embedded(::core::include_bytes!(#path)) }
    };
    if !checked.is_partial {
        return Ok(bundle);
    }
    // Only the compiler knows which profile the user's crate is built with.
    let message = format!(
        "{path} is partial (BTFHUB_PARTIAL was set when it was made), and this build has no debug \
         assertions, like a release: make the whole bundle"
    );
    Ok(quote_spanned! {span=> {
        #[cfg(not(debug_assertions))]
        ::core::compile_error!(#message);
        #bundle
    }})
}
