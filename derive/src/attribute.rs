//! Reads `#[setting(…)]` and doc comments.

use quote::format_ident;
use syn::{
    Attribute, Error, Expr, ExprArray, Ident, Lit, LitStr, Meta, Path, Result, Token,
    ext::IdentExt, meta::ParseNestedMeta, parse_quote,
};

/// What is said in `#[setting(…)]` on a field.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) name: Option<LitStr>,
    pub(crate) default: Option<Expr>,
    pub(crate) one_of: Option<ExprArray>,
    pub(crate) check: Option<Expr>,
    pub(crate) update: Option<Ident>,
    pub(crate) secret: Option<Secret>,
    pub(crate) group: Option<Ident>,
    pub(crate) overrides: Vec<Override>,
}

/// How much of a setting is said to be secret.
pub(crate) enum Secret {
    /// `secret`: all of it.
    Whole,
    /// `secret = function`: the parts that it answers.
    Parts(Expr),
    /// `urls`: what is secret in URLs.
    Urls,
}

/// What is said about one setting of a group.
pub(crate) struct Override {
    pub(crate) name: LitStr,
    pub(crate) default: Option<Expr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) update: Option<Ident>,
}

/// The crate that generated code names: `::crowd`, or what `#[setting(crate = …)]` says on the type.
///
/// # Errors
/// `stray`, if anything else is said on the type.
pub(crate) fn krate(attributes: &[Attribute], stray: &str) -> Result<Path> {
    let mut krate = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("setting")) {
        attribute.parse_nested_meta(|meta| match meta.path.is_ident("crate") {
            true => {
                krate = Some(meta.value()?.parse()?);
                Ok(())
            }
            false => Err(Error::new_spanned(attribute, stray)),
        })?;
    }
    Ok(krate.unwrap_or_else(|| parse_quote!(::crowd)))
}

/// Reads the attributes of a field.
pub(crate) fn read(attributes: &[Attribute]) -> Result<Said> {
    let mut said = Said::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("setting")) {
        attribute.parse_nested_meta(|meta| {
            let word = word(&meta)?;
            match word.to_string().as_str() {
                "name" => once(&mut said.name, &word, name_text(&meta)?),
                "default" => once(&mut said.default, &word, meta.value()?.parse()?),
                "one_of" => once(&mut said.one_of, &word, allowed(&meta)?),
                "check" => once(&mut said.check, &word, meta.value()?.parse()?),
                "update" => once(&mut said.update, &word, update(&meta)?),
                "secret" => once(&mut said.secret, &word, secret(&meta)?),
                "urls" => once(&mut said.secret, &word, Secret::Urls),
                "group" => once(&mut said.group, &word, word.clone()),
                "override" => meta.parse_nested_meta(|one| {
                    said.overrides.push(override_of(&one)?);
                    Ok(())
                }),
                _ => Err(meta.error(
                    "unknown word: there are `name`, `default`, `one_of`, `check`, `update`, \
                     `secret`, `urls`, `group` and `override`",
                )),
            }
        })?;
    }
    Ok(said)
}

fn word(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    meta.path.get_ident().cloned().ok_or_else(|| meta.error("expected a single word"))
}

fn once<T>(place: &mut Option<T>, word: &Ident, said: T) -> Result<()> {
    match place.replace(said) {
        None => Ok(()),
        Some(_) => Err(Error::new(word.span(), format!("`{word}` is said twice"))),
    }
}

fn name_text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    check_name(&name)?;
    Ok(name)
}

fn allowed(meta: &ParseNestedMeta<'_>) -> Result<ExprArray> {
    let values: ExprArray = meta.value()?.parse()?;
    match values.elems.is_empty() {
        true => Err(Error::new_spanned(values, "nothing is allowed: name the allowed values")),
        false => Ok(values),
    }
}

fn update(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    let said: Ident = meta.value()?.call(Ident::parse_any)?;
    let variant = match said.to_string().as_str() {
        "read_only" => "ReadOnly",
        "free" => "Free",
        "hook" => "Hook",
        _ => return Err(Error::new(said.span(), "expected `read_only`, `free` or `hook`")),
    };
    Ok(format_ident!("{variant}", span = said.span()))
}

fn secret(meta: &ParseNestedMeta<'_>) -> Result<Secret> {
    match meta.input.peek(Token![=]) {
        true => Ok(Secret::Parts(meta.value()?.parse()?)),
        false => Ok(Secret::Whole),
    }
}

fn override_of(meta: &ParseNestedMeta<'_>) -> Result<Override> {
    let setting = word(meta)?;
    let name = LitStr::new(&setting.unraw().to_string(), setting.span());
    let mut said = Override { name, default: None, description: None, update: None };
    meta.parse_nested_meta(|part| {
        let word = word(&part)?;
        match word.to_string().as_str() {
            "default" => once(&mut said.default, &word, part.value()?.parse()?),
            "description" => once(&mut said.description, &word, part.value()?.parse()?),
            "update" => once(&mut said.update, &word, update(&part)?),
            _ => Err(part.error(
                "an override says `default`, `description` or `update`; to replace the whole \
                 declaration, call `Declarations::replace` in the scenario's `declarations`",
            )),
        }
    })?;
    Ok(said)
}

/// A setting's name is the tail of an environment variable too, hence no capitals.
pub(crate) fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let starts = text.starts_with(|letter: char| letter.is_ascii_lowercase());
    let letter =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if starts && text.chars().all(letter) {
        return Ok(());
    }
    Err(Error::new(
        name.span(),
        format!(
            "`{text}` is no name for a setting: lower-case letters, digits and `_`, a letter \
             first; say another with `name = \"…\"`"
        ),
    ))
}

/// The doc comment, a paragraph a line; empty if there is none.
pub(crate) fn description(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines = lines.filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) => match &doc.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let text: Vec<String> = lines.collect();
    let paragraphs = text
        .iter()
        .flat_map(|block| block.split('\n'))
        .map(|line| line.trim().to_owned())
        .collect::<Vec<_>>();
    paragraphs
        .split(String::is_empty)
        .map(|lines| lines.join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}
