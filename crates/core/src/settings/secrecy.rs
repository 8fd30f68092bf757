//! How much of a setting's values is secret.

use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::panic::untold;
use crate::settings::masking::{masked, secrets_of_url_list, secrets_of_urls, unquoted, whole};

/// Answers which parts of a text are secret.
pub type SecretParts = Arc<dyn Fn(&str) -> Vec<Range<usize>> + Send + Sync>;

/// How much of a setting's values is secret.
#[derive(Clone, Default)]
pub enum Secrecy {
    /// Nothing.
    Nothing,
    /// What is secret in any URL: users, passwords, the values of queries.
    #[default]
    Urls,
    /// The same, of values that are nothing but URLs or addresses, and of what is given as such.
    UrlList,
    /// All of it.
    Whole,
    /// What the function answers. If it panics: all of it.
    Parts(SecretParts),
}

impl Secrecy {
    /// A text with what is secret replaced by `***`.
    pub fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        masked(text, &self.parts(text))
    }

    /// A sentence about a text without what it quotes of its secrets.
    pub fn unquoted(&self, sentence: &str, text: &str) -> String {
        let parts = self.parts(text);
        // A part that does not fit hides all of the text, as it does when it is masked.
        let secrets: Vec<_> =
            parts.into_iter().map(|part| text.get(part).unwrap_or(text)).collect();
        unquoted(sentence, &secrets)
    }

    fn parts(&self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Urls => secrets_of_urls(text),
            Self::UrlList => secrets_of_url_list(text),
            Self::Whole => whole(text),
            Self::Parts(parts) => untold(|| catch_unwind(AssertUnwindSafe(|| parts(text))))
                .unwrap_or_else(|_| whole(text)),
        }
    }
}

impl fmt::Debug for Secrecy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Urls => "Urls",
            Self::UrlList => "UrlList",
            Self::Whole => "Whole",
            Self::Parts(_) => "Parts",
        })
    }
}
