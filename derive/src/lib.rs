//! Derive macro for scenario settings.
use proc_macro::TokenStream;

/// Derives `crowd::scenario::settings::Settings`.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
