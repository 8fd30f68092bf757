//! Pure: what is wrong with the text of a threshold, and where.

use std::fmt;

use crowd_core::printable::one_line;

/// What is wrong with a threshold: shown as the text with a caret under the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ThresholdFault {
    /// The text of that threshold.
    pub text: String,
    /// The character at fault, from 0; the number of characters if the text ends too early.
    pub column: usize,
    /// What would be right there.
    pub reason: String,
}

/// All that is wrong with several thresholds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ThresholdFaults(pub Vec<ThresholdFault>);

impl fmt::Display for ThresholdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, column, reason } = self;
        // Each character takes one place, so that the caret stands where it should.
        let text = one_line(text);
        write!(f, "{text}\n{:column$}^ {reason}", "")
    }
}

impl fmt::Display for ThresholdFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}
