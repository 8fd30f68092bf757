//! Types a setting may have: how each is read from text and written as text.

use std::fmt;

mod list;
mod plain;

pub use list::{join_list, places, split_list};

/// How many values a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one.
    One,
    /// One or none: an empty text is none.
    Optional,
    /// Any number, separated by commas.
    List,
}

/// A type that settings may have.
///
/// For an enum of your own derive it; the variants are then written in kebab-case:
///
/// ```
/// use crowd_core::settings::SettingValue;
///
/// // A scenario, which depends on `crowd`, needs not say `crate`.
/// #[derive(SettingValue, Debug, Clone, Copy, PartialEq)]
/// #[setting(crate = crowd_core)]
/// enum Mode {
///     Plain,
///     #[setting(name = "tls")]
///     Encrypted,
/// }
///
/// assert_eq!(Mode::parse("tls"), Ok(Mode::Encrypted));
/// assert_eq!(Mode::Plain.render(), "plain");
/// assert_eq!(Mode::parse("ssl").unwrap_err(), "not one of `plain`, `tls`");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a setting",
    note = "derive `SettingValue` for an enum of your own; mark a struct of settings with \
            `#[setting(group)]`"
)]
pub trait SettingValue: Sized + 'static {
    /// How many values it holds.
    const SHAPE: Shape = Shape::One;

    /// Whether its values are never to be shown.
    const SECRET: bool = false;

    /// What people call the type.
    fn type_name() -> String;

    /// Reads a value.
    ///
    /// # Errors
    /// What would be right, to be read after the name and the offending text: "not a …".
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes the value in the one canonical way. [`SettingValue::parse`] reads it back.
    fn render(&self) -> String;

    /// The texts the type itself allows; empty: too many to list.
    fn choices() -> Vec<String> {
        Vec::new()
    }

    /// The canonical form of one allowed value, which for a list or an option is one of the type
    /// inside.
    ///
    /// # Errors
    /// As [`SettingValue::parse`].
    fn canonical_choice(text: &str) -> Result<String, String> {
        Self::parse(text).map(|value| value.render())
    }

    /// Whether the value is one of `allowed`, which are canonical; none is allowed always, and of
    /// a list every item must be.
    fn is_among(&self, allowed: &[String]) -> bool {
        allowed.contains(&self.render())
    }
}

/// An absent value: the text is empty.
impl<T: SettingValue> SettingValue for Option<T> {
    const SHAPE: Shape = Shape::Optional;
    const SECRET: bool = T::SECRET;

    fn type_name() -> String {
        T::type_name()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn render(&self) -> String {
        self.as_ref().map(T::render).unwrap_or_default()
    }

    fn choices() -> Vec<String> {
        T::choices()
    }

    fn canonical_choice(text: &str) -> Result<String, String> {
        T::canonical_choice(text)
    }

    fn is_among(&self, allowed: &[String]) -> bool {
        self.as_ref().is_none_or(|value| value.is_among(allowed))
    }
}

/// What a value outside a set of allowed ones is refused with.
pub fn not_one_of(allowed: &[impl fmt::Display]) -> String {
    let quoted: Vec<_> = allowed.iter().map(|text| format!("`{text}`")).collect();
    match quoted.as_slice() {
        [only] => format!("not {only}"),
        all => format!("not one of {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests;
