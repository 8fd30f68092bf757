//! `#[derive(SettingValue)]`.

use crate::attribute;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Variant, ext::IdentExt};

/// Implements `SettingValue` for an enum without data.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "`SettingValue` is derived for enums; for another type, implement it",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "there is nothing to choose from"));
    }
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a setting's type cannot be generic"));
    }
    let names = data.variants.iter().map(name_of).collect::<Result<Vec<_>>>()?;
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|other| other.value() == name.value()) {
            let fault = format!("two variants are written `{}`", name.value());
            return Err(Error::new(name.span(), fault));
        }
    }
    let variants: Vec<&Ident> = data.variants.iter().map(|variant| &variant.ident).collect();
    let ident = &input.ident;
    let stray = "a variant may have a `name`; the enum says nothing";
    let krate = attribute::krate(&input.attrs, stray)?;
    let setting_value = quote! { #krate::derive::SettingValue };
    Ok(quote! {
        #[automatically_derived]
        impl #setting_value for #ident {
            fn type_name() -> ::std::string::String {
                ::std::string::String::from("choice")
            }

            fn parse(text: &str) -> ::core::result::Result<Self, ::std::string::String> {
                match text.trim() {
                    #(#names => ::core::result::Result::Ok(Self::#variants),)*
                    _ => ::core::result::Result::Err(
                        #krate::derive::not_one_of(&[#(#names),*]),
                    ),
                }
            }

            fn render(&self) -> ::std::string::String {
                ::std::string::String::from(match self { #(Self::#variants => #names),* })
            }

            fn choices() -> ::std::vec::Vec<::std::string::String> {
                ::std::vec![#(::std::string::String::from(#names)),*]
            }
        }
    })
}

fn name_of(variant: &Variant) -> Result<LitStr> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(variant, "a variant that can be set holds no data"));
    }
    let ident = &variant.ident;
    let mut name = LitStr::new(&kebab_case(&ident.unraw().to_string()), ident.span());
    for attribute in variant.attrs.iter().filter(|one| one.path().is_ident("setting")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("a variant has a `name = \"…\"` and nothing else"));
            }
            name = meta.value()?.parse()?;
            let plain = |letter: char| !letter.is_whitespace() && letter != ',';
            if name.value().is_empty() || !name.value().chars().all(plain) {
                return Err(Error::new(name.span(), "a name without white space and commas"));
            }
            Ok(())
        })?;
    }
    Ok(name)
}

/// `ReadOnly` → `read-only`.
fn kebab_case(name: &str) -> String {
    let mut text = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn fault(input: &DeriveInput) -> String {
        expand(input).unwrap_err().to_string()
    }

    #[test]
    fn variants_are_written_in_kebab_case() {
        assert_eq!(kebab_case("Plain"), "plain");
        assert_eq!(kebab_case("ReadOnly"), "read-only");
    }

    #[test]
    fn only_plain_enums_can_be_chosen_from() {
        assert!(fault(&parse_quote! { struct A { a: u8 } }).contains("derived for enums"));
        assert!(fault(&parse_quote! { enum A {} }).contains("nothing to choose from"));
        assert!(fault(&parse_quote! { enum A { B(u8) } }).contains("holds no data"));
        assert!(fault(&parse_quote! { enum A<T> { B } }).contains("cannot be generic"));
        assert!(
            fault(&parse_quote! { enum A { B, #[setting(name = "b")] C } })
                .contains("two variants are written `b`")
        );
        assert!(
            fault(&parse_quote! { enum A { #[setting(title = "b")] C } }).contains("nothing else")
        );
    }
}
