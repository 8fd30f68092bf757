//! What user and server exchange: lines of words.
//!
//! `hello ID NODE LIFE` comes first and is not answered; each `line ID LIFE SEQUENCE RELEASED SENT`
//! after it is repeated by the server as it came.

use std::{fmt, str::FromStr};

use crate::clock::Moment;

/// The longest line, in bytes.
pub const LONGEST: usize = 512;

/// Who speaks, said once per connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The user.
    pub id: u64,
    /// The node it is on.
    pub node: String,
    /// Drawn at random when the user was started: a user that is started again has another.
    pub life: u64,
}

/// Something to be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The user.
    pub id: u64,
    /// Its life.
    pub life: u64,
    /// How many lines of this life came before.
    pub sequence: u64,
    /// When the throttle let the user through.
    pub released: Moment,
    /// When the user sent this.
    pub sent: Moment,
    /// Which row of a feeder the user was given for this line, if it is given any.
    pub row: Option<u64>,
}

/// What is no such line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a line of the echo protocol")]
pub struct Malformed;

impl fmt::Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hello {} {} {}", self.id, self.node, self.life)
    }
}

impl FromStr for Hello {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let words: Vec<_> = text.split(' ').collect();
        let ["hello", id, node, life] = words[..] else { return Err(Malformed) };
        if node.is_empty() {
            return Err(Malformed);
        }
        Ok(Self { id: number(id)?, node: node.to_owned(), life: number(life)? })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, life, sequence, released, sent, row } = self;
        write!(f, "line {id} {life} {sequence} {released} {sent}")?;
        row.map_or(Ok(()), |row| write!(f, " {row}"))
    }
}

impl FromStr for Line {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let words: Vec<_> = text.split(' ').collect();
        let ["line", id, life, sequence, released, sent, ref row @ ..] = words[..] else {
            return Err(Malformed);
        };
        let row = match row {
            [] => None,
            [row] => Some(number(row)?),
            _ => return Err(Malformed),
        };
        Ok(Self {
            id: number(id)?,
            life: number(life)?,
            sequence: number(sequence)?,
            released: number(released)?,
            sent: number(sent)?,
            row,
        })
    }
}

fn number(word: &str) -> Result<u64, Malformed> {
    word.parse().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is written is read, and fits.
        #[test]
        fn lines_come_back(
            id: u64, life: u64, sequence: u64, released: u64, sent: u64, row: Option<u64>
        ) {
            let line = Line { id, life, sequence, released, sent, row };
            let text = line.to_string();
            prop_assert!(text.len() <= LONGEST);
            prop_assert_eq!(text.parse(), Ok(line));
            let hello = Hello { id, node: "worker-1".into(), life };
            prop_assert_eq!(hello.to_string().parse(), Ok(hello));
        }

        /// Whatever comes is read or refused.
        #[test]
        fn nonsense_is_refused(text in "(line|hello)?[ 0-9a-z]{0,60}") {
            if let Ok(line) = text.parse::<Line>() {
                prop_assert_eq!(line.to_string().parse(), Ok(line));
            }
            if let Ok(hello) = text.parse::<Hello>() {
                prop_assert_eq!(hello.to_string().parse(), Ok(hello));
            }
        }
    }
}
