//! `#[derive(Settings)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    Data, DeriveInput, Error, Expr, Field, Fields, Ident, Lit, LitStr, Path, Result, ext::IdentExt,
    spanned::Spanned,
};

use crate::attribute::{self, Override, Said, Secret};

/// What one field becomes: a step in building the declarations, and its initialiser.
struct Parts {
    declare: TokenStream,
    read: TokenStream,
}

/// Implements `Settings` for a struct with named fields.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "settings are a struct with named fields; for the type of a setting, derive \
             `SettingValue`",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "settings are a struct with named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "settings cannot be generic"));
    }
    let krate = attribute::krate(&input.attrs, "`#[setting(…)]` belongs on a field")?;
    let mut faults: Option<Error> = None;
    let mut parts = Vec::new();
    for field in &fields.named {
        match parts_of(field, &krate) {
            Ok(part) => parts.push(part),
            // All fields are looked at, so that every fault is told at once.
            Err(fault) => match &mut faults {
                Some(faults) => faults.combine(fault),
                None => faults = Some(fault),
            },
        }
    }
    if let Some(faults) = faults {
        return Err(faults);
    }
    let (name, owner) = (&input.ident, input.ident.unraw().to_string());
    let (declare, read): (Vec<_>, Vec<_>) =
        parts.into_iter().map(|part| (part.declare, part.read)).unzip();
    Ok(quote! {
        #[automatically_derived]
        impl #krate::derive::Settings for #name {
            fn declarations() -> #krate::derive::Declarations {
                #krate::derive::Declarations::new(#owner)
                    #(#declare)*
            }

            fn from_values(
                values: &#krate::derive::Values,
            ) -> ::core::result::Result<Self, #krate::derive::Refusal> {
                let _ = values;
                ::core::result::Result::Ok(Self { #(#read),* })
            }
        }
    })
}

fn parts_of(field: &Field, krate: &Path) -> Result<Parts> {
    let ident = field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "no name"))?;
    let said = attribute::read(&field.attrs)?;
    match &said.group {
        Some(group) => group_parts(field, ident, &said, group, krate),
        None => setting_parts(field, ident, &said, krate),
    }
}

fn setting_parts(field: &Field, ident: &Ident, said: &Said, krate: &Path) -> Result<Parts> {
    if let Some(stray) = said.overrides.first() {
        return Err(Error::new(stray.name.span(), "`override` goes with `group`"));
    }
    let name = match &said.name {
        Some(name) => name.clone(),
        None => LitStr::new(&ident.unraw().to_string(), ident.span()),
    };
    attribute::check_name(&name)?;
    let description = attribute::description(&field.attrs);
    if description.is_empty() {
        return Err(Error::new(
            ident.span(),
            format!(
                "the setting `{}` needs a doc comment: it is what people read about it",
                name.value()
            ),
        ));
    }
    let ty = &field.ty;
    // Spans point at what the compiler should complain about: the type, the default, the check.
    let mut declare = quote_spanned! { ty.span() =>
        #krate::derive::Declaration::of::<#ty>(#name)
    };
    declare.extend(quote! { .description(#description) });
    if let Some(default) = &said.default {
        declare.extend(match literal_text(default) {
            Some(text) => quote_spanned! { text.span() => .default_text(#text) },
            None => quote_spanned! { default.span() => .default(#default) },
        });
    }
    if let Some(values) = &said.one_of {
        let values = values.elems.iter().map(|value| text_of(value, krate));
        declare.extend(quote! { .one_of([#(#values),*]) });
    }
    if let Some(check) = &said.check {
        declare.extend(quote_spanned! { check.span() => .check(#check) });
    }
    if let Some(update) = &said.update {
        declare.extend(quote! { .update(#krate::derive::Update::#update) });
    }
    match &said.secret {
        Some(Secret::Whole) => declare.extend(quote! { .secret() }),
        Some(Secret::Parts(parts)) => {
            declare.extend(quote_spanned! { parts.span() => .secret_parts(#parts) });
        }
        Some(Secret::Urls) => declare.extend(quote! { .urls() }),
        None => {}
    }
    let read = quote_spanned! { ty.span() => values.read::<#ty>(#name)? };
    Ok(Parts { declare: quote! { .with(#declare) }, read: quote! { #ident: #read } })
}

fn group_parts(
    field: &Field,
    ident: &Ident,
    said: &Said,
    group: &Ident,
    krate: &Path,
) -> Result<Parts> {
    if said.name.is_some()
        || said.default.is_some()
        || said.one_of.is_some()
        || said.check.is_some()
        || said.update.is_some()
        || said.secret.is_some()
    {
        return Err(Error::new(
            group.span(),
            "a group is said nothing about but `override(SETTING(…), …)`: its own struct says the \
             rest",
        ));
    }
    let ty = &field.ty;
    let mut declare = quote_spanned! { ty.span() =>
        .include(<#ty as #krate::derive::Settings>::declarations())
    };
    declare.extend(said.overrides.iter().map(|said| amendment(said, krate)));
    let read = quote_spanned! { ty.span() =>
        #ident: <#ty as #krate::derive::Settings>::from_values(values)?
    };
    Ok(Parts { declare, read })
}

fn amendment(said: &Override, krate: &Path) -> TokenStream {
    let name = &said.name;
    let default = said.default.iter().map(|default| {
        let text = text_of(default, krate);
        quote! { declaration.set_default(#text); }
    });
    let description = said.description.iter().map(|description| {
        quote! { declaration.description = ::std::string::String::from(#description); }
    });
    let update = said.update.iter().map(|update| {
        quote! { declaration.update = #krate::derive::Update::#update; }
    });
    quote! { .amend(#name, |declaration| { #(#default)* #(#description)* #(#update)* }) }
}

/// A text in quotes.
fn literal_text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(value) => match &value.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// An expression of type `String` for a value whose type the macro does not know.
fn text_of(value: &Expr, krate: &Path) -> TokenStream {
    if let Some(text) = literal_text(value) {
        return quote_spanned! { text.span() => ::std::string::String::from(#text) };
    }
    let number = match value {
        Expr::Lit(value) => match &value.lit {
            // By its digits: `render` would take it for an `i32`, which may be too small.
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            _ => None,
        },
        _ => None,
    };
    match number {
        Some(digits) => quote_spanned! { value.span() => ::std::string::String::from(#digits) },
        None => quote_spanned! { value.span() =>
            #krate::derive::SettingValue::render(&(#value))
        },
    }
}

#[cfg(test)]
mod tests;
