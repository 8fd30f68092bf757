//! Text that is never printed.

use std::fmt;

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A cookie, a token, a password. `Debug` and `Display` print `***`; comparing takes the same time
/// wherever two secrets of one length differ.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this secret, in constant time for texts of one length.
    pub fn matches(&self, text: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), text.as_bytes());
        // Every byte is looked at: the time taken must not tell how many of them are right. The
        // length alone may leak.
        let difference = own.iter().zip(other).fold(0, |seen, (a, b)| seen | (a ^ b));
        own.len() == other.len() && std::hint::black_box(difference) == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new("swordfish");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "swordfish");
    }

    #[test]
    fn only_the_same_text_matches() {
        let secret = Secret::new("swordfish");
        assert!(secret.matches("swordfish"));
        for other in ["", "swordfis", "swordfish ", "Swordfish", "swordfisH"] {
            assert!(!secret.matches(other), "{other:?}");
        }
        assert_eq!(secret, Secret::new("swordfish"));
        assert_ne!(secret, Secret::new("catfish"));
    }
}
