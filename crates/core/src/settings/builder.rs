//! Writes a declaration down, one property at a time.

use std::{fmt, marker::PhantomData, ops::Range, sync::Arc};

use super::{Declaration, SettingValue, Shape, Update, not_one_of, secrecy::Secrecy};

/// What the scenario says about a value: accept it, rewrite it or refuse it.
type TypedCheck<T> = Arc<dyn Fn(T) -> Result<T, String> + Send + Sync>;

/// A declaration in the making: `Declaration::of::<u16>("port").description("…").default(80)`.
/// Whatever takes a [`Declaration`] takes this too.
#[must_use]
pub struct DeclarationBuilder<T> {
    name: String,
    description: String,
    default: Option<String>,
    allowed: Vec<String>,
    check: Option<TypedCheck<T>>,
    update: Update,
    secrecy: Secrecy,
    owner: String,
    types: PhantomData<fn(T) -> T>,
}

impl<T> fmt::Debug for DeclarationBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclarationBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: SettingValue> DeclarationBuilder<T> {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            description: String::new(),
            default: None,
            allowed: Vec::new(),
            check: None,
            update: Update::ReadOnly,
            secrecy: if T::SECRET { Secrecy::Whole } else { Secrecy::Urls },
            owner: String::new(),
            types: PhantomData,
        }
    }

    /// What the setting means; every setting needs one.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// The default. A setting without one must be given, unless its type is an `Option`.
    pub fn default(self, value: T) -> Self {
        self.default_text(value.render())
    }

    /// The default as a text, read as if a person had given it.
    pub fn default_text(mut self, text: impl Into<String>) -> Self {
        self.default = Some(text.into());
        self
    }

    /// The allowed values as texts. An absent value is always allowed; of a list, each item must
    /// be one of them.
    pub fn one_of(mut self, texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        // What is not of the type cannot be given, so that it may stand as it is.
        let canonical = |text: String| T::canonical_choice(&text).unwrap_or(text);
        self.allowed = texts.into_iter().map(|text| canonical(text.into())).collect();
        self
    }

    /// A function that accepts a value, or puts another in its place, or says what would be right
    /// ("not a …"). The default and an absent value are checked too.
    pub fn check<E: fmt::Display>(
        mut self,
        check: impl Fn(T) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        self.check = Some(Arc::new(move |value| check(value).map_err(|reason| reason.to_string())));
        self
    }

    /// When it may change; read-only unless said otherwise.
    pub fn update(mut self, update: Update) -> Self {
        self.update = update;
        self
    }

    /// Its values are URLs or addresses: users and passwords in them are secrets, and what stands in
    /// queries after a name.
    pub fn urls(mut self) -> Self {
        self.secrecy = Secrecy::UrlList;
        self
    }

    /// Its values hold no URL, whatever they look like, and are shown as they are.
    pub fn public(mut self) -> Self {
        self.secrecy = Secrecy::Nothing;
        self
    }

    /// Its values are secrets: wherever they would be shown, `***` stands instead. They are hidden
    /// from whatever shows settings; a struct that derives `Debug` hides them only in fields of the
    /// type [`Secret`](crate::settings::Secret), which are secret without being declared so.
    pub fn secret(mut self) -> Self {
        self.secrecy = Secrecy::Whole;
        self
    }

    /// Parts of its values are secrets. The function answers which of a text; it is called with
    /// texts that are no values too, and should then rather hide too much.
    pub fn secret_parts<P: IntoIterator<Item = Range<usize>>>(
        mut self,
        parts: impl Fn(&str) -> P + Send + Sync + 'static,
    ) -> Self {
        self.secrecy = Secrecy::Parts(Arc::new(move |text| parts(text).into_iter().collect()));
        self
    }

    /// Who declares it, if not those [`Declarations`](super::Declarations) that it is put into.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// The declaration.
    pub fn build(self) -> Declaration {
        let allowed = if self.allowed.is_empty() { T::choices() } else { self.allowed };
        let (check, among) = (self.check, allowed.clone());
        let mut declaration = Declaration {
            name: self.name,
            type_name: T::type_name(),
            description: self.description,
            default: None,
            optional: T::SHAPE == Shape::Optional,
            secrecy: self.secrecy,
            allowed,
            update: self.update,
            owner: self.owner,
            parse: Arc::new(|text| T::parse(text).map(|value| value.render())),
            check: Arc::new(move |text| {
                let value = T::parse(text)?;
                if !among.is_empty() && !value.is_among(&among) {
                    return Err(not_one_of(&among));
                }
                let value = match &check {
                    Some(check) => check(value)?,
                    None => value,
                };
                Ok(value.render())
            }),
        };
        if let Some(text) = self.default {
            declaration.set_default(text);
        }
        declaration
    }
}

impl<T: SettingValue> From<DeclarationBuilder<T>> for Declaration {
    fn from(builder: DeclarationBuilder<T>) -> Self {
        builder.build()
    }
}
