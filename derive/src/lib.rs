//! Derive macros for the settings of scenarios. They are documented where they are used, in
//! `crowd::scenario::settings`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod attribute;
mod choice;
mod settings;

/// Declares the fields of a struct as settings of a scenario, or of a group that several
/// scenarios share.
///
/// The doc comment of a field is what people read about the setting; a field without one does not
/// compile. A field without a default that is not an `Option` must be given. In
/// `#[setting(…)]`:
///
/// - `default = EXPR`: a value of the field's type, or any text in quotes, which is read as if a
///   person had given it (`default = "30s"`).
/// - `one_of = [A, B]`: the allowed values, written likewise. Of a list, each item is one of them.
/// - `check = PATH`: a function from the field's type to `Result<same type, impl Display>`. It
///   accepts the value, or puts another in its place, or refuses.
/// - `update = read_only | free | hook`: whether it may change while the scenario runs
///   (`read_only` unless said otherwise), and whether the scenario's `updated` is called then.
/// - `secret`: the value is never shown. `secret = PATH`: of a value, only the parts are hidden that
///   a function from `&str` answers, a `Vec<Range<usize>>`, say. A field of the type
///   `crowd::settings::Secret` is secret without being declared so, and in `Debug` too.
/// - `urls`: the value is a URL, an address or a list of such: logins and the values of queries are
///   hidden.
/// - `name = "…"`: another name than the field's.
/// - `group`: the field is a struct that derives `Settings` too; its settings become the
///   scenario's.
/// - `override(NAME(default = …, description = "…", update = …), …)`: with `group`, says something
///   else about settings of the group.
///
/// `#[setting(crate = PATH)]` on the struct names the crate that generated code uses, if that is not
/// `crowd`.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn derive_settings(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    settings::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an enum without data the type of a setting. Its variants are written in kebab-case, or as
/// `#[setting(name = "…")]` on a variant says.
#[proc_macro_derive(SettingValue, attributes(setting))]
pub fn derive_setting_value(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
