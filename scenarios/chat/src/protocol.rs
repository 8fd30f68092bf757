//! What client and server say to each other: JSON objects, one a line.

use serde::{Deserialize, Serialize};

/// A message of one user to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sender's id.
    pub from: u64,
    /// The receiver's id.
    pub to: u64,
    /// The text.
    pub msg: String,
    /// The sender's number for it.
    pub msg_id: u64,
    /// The number of the message it answers, if it is an answer.
    pub resp_to: Option<u64>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame {
    /// A client's first: who it is.
    Connect {
        /// Its id.
        id: u64,
    },
    /// The server's answer to it.
    Connected,
    /// The server's other answer; it closes the connection then.
    Rejected {
        /// Why.
        reason: String,
    },
    /// A message, to the server or from it.
    Message(Message),
    /// The server could not hand a message on.
    Undelivered {
        /// To whom it was.
        to: u64,
        /// The sender's number for it.
        msg_id: u64,
        /// The number of the message it answers, if it is an answer.
        resp_to: Option<u64>,
        /// Why.
        reason: String,
    },
    /// A client said something that makes no sense.
    Error {
        /// What is wrong with it.
        reason: String,
    },
}

impl Frame {
    /// The frame as a line, its end included.
    pub fn line(&self) -> String {
        // Numbers, texts and nothing else: there is no way for this to fail.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// The frame of a line.
    ///
    /// # Errors
    /// If the line is no frame.
    pub fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_documented() {
        let message = Message { from: 1, to: 2, msg: "hi\n".into(), msg_id: 3, resp_to: None };
        let lines = [
            Frame::Connect { id: 7 },
            Frame::Connected,
            Frame::Rejected { reason: "no".into() },
            Frame::Message(message.clone()),
            Frame::Message(Message { resp_to: Some(9), ..message }),
            Frame::Undelivered { to: 2, msg_id: 3, resp_to: None, reason: "gone".into() },
        ];
        let text: String = lines.iter().map(Frame::line).collect();
        assert_eq!(
            text,
            r#"{"type":"connect","id":7}
{"type":"connected"}
{"type":"rejected","reason":"no"}
{"type":"message","from":1,"to":2,"msg":"hi\n","msg_id":3,"resp_to":null}
{"type":"message","from":1,"to":2,"msg":"hi\n","msg_id":3,"resp_to":9}
{"type":"undelivered","to":2,"msg_id":3,"resp_to":null,"reason":"gone"}
"#
        );
        for (line, frame) in text.lines().zip(lines) {
            assert_eq!(Frame::parse(line.as_bytes()).unwrap(), frame);
        }
    }
}
