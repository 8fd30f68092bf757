//! The life of one user: it connects, talks to its neighbours and answers them.

use std::{collections::HashMap, io, time::Duration};

use crowd::{measure::Attempt, moment, prelude::*};
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Chat,
    lines::Lines,
    neighbours::neighbours,
    protocol::{Frame, Message},
};

/// How long the server may take to let a user in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest line taken from a server.
const LONGEST_LINE: usize = 64 * 1024;

/// What users say.
const SENTENCES: [&str; 6] = [
    "Hello, neighbour!",
    "How are you?",
    "It is rather crowded in here.",
    "Have you heard of the user next to you?",
    "What a load.",
    "I have to go soon.",
];

/// A user that is let in.
pub(crate) struct Talk<'a> {
    user: &'a User<Chat>,
    lines: Lines<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    neighbours: Vec<u64>,
    /// How many messages are still to be sent.
    left: u64,
    /// The number of the last message or answer.
    last_id: u64,
    /// Messages that were neither answered nor came back. However the user ends, those that are left
    /// count as unfinished.
    open: HashMap<u64, Attempt<'a>>,
}

impl<'a> Talk<'a> {
    /// Connects and introduces itself, measured as `connect`.
    ///
    /// # Errors
    /// If the server cannot be reached or does not let the user in.
    pub(crate) async fn begin(chat: &Chat, user: &'a User<Chat>) -> Result<Self, Failure> {
        let (lines, writer) = user
            .time("connect", async {
                match timeout(CONNECT_TIMEOUT, enter(chat, user.id().0)).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(Failure::target("not let in in time")),
                }
            })
            .await?;
        let settings = user.settings();
        Ok(Self {
            user,
            lines,
            writer,
            neighbours: neighbours(user.id().0, settings.number_of_neighbours),
            left: rand::random_range(settings.messages_min..=settings.messages_max),
            last_id: 0,
            open: HashMap::new(),
        })
    }

    /// Talks until everything is said and nobody says anything any more.
    ///
    /// # Errors
    /// If the connection ends or the server talks nonsense.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        // The users of a burst must not all talk in step.
        let mut due = moment::after(Instant::now(), moment::times(self.interval(), rand::random()));
        let mut last_active = Instant::now();
        loop {
            let idle_time = self.user.settings().idle_time;
            let wake = if self.left > 0 { due } else { moment::after(last_active, idle_time) };
            tokio::select! {
                line = self.lines.next() => {
                    let frame = match line? {
                        Some(line) => Frame::parse(line)?,
                        None => return Err(Failure::target("the server closed the connection")),
                    };
                    self.hear(frame).await?;
                    last_active = Instant::now();
                }
                () = sleep_until(wake) => {
                    if self.left == 0 {
                        return Ok(());
                    }
                    self.talk(due).await?;
                    // From when it was due: a late message does not delay those after it.
                    due = moment::after(due, self.interval());
                    last_active = Instant::now();
                }
            }
        }
    }

    /// The time to the next message.
    fn interval(&self) -> Duration {
        moment::times(self.user.settings().message_interval, rand::random_range(0.5..1.5))
    }

    /// Sends a message to a neighbour.
    async fn talk(&mut self, due: Instant) -> io::Result<()> {
        let to = self.neighbours[rand::random_range(0..self.neighbours.len())];
        let sentence = SENTENCES[rand::random_range(0..SENTENCES.len())];
        self.left -= 1;
        self.user.count("messages_sent", 1);
        let round_trip = self.user.begin("round-trip", due);
        let msg_id = self.send(to, sentence, None).await?;
        self.open.insert(msg_id, round_trip);
        Ok(())
    }

    /// Acts on what the server says.
    async fn hear(&mut self, frame: Frame) -> Result<(), Failure> {
        match frame {
            Frame::Message(Message { resp_to: Some(answered), .. }) => {
                // An answer to nothing, or a second one, is not measured.
                if let Some(round_trip) = self.open.remove(&answered) {
                    round_trip.end(None);
                    self.user.count("answers", 1);
                }
            }
            Frame::Message(Message { from, msg, msg_id, resp_to: None, .. }) => {
                self.user.count("messages_received", 1);
                self.send(from, &msg, Some(msg_id)).await?;
            }
            Frame::Undelivered { msg_id, resp_to: None, .. } => {
                self.user.count("undelivered", 1);
                self.open.remove(&msg_id);
            }
            // Who asked has left.
            Frame::Undelivered { resp_to: Some(_), .. } => {
                self.user.count("undelivered_answers", 1);
            }
            Frame::Error { reason } | Frame::Rejected { reason } => {
                return Err(Failure::target(format!("the server objects: {reason}")));
            }
            Frame::Connect { .. } | Frame::Connected => {
                return Err(Failure::target("the server says what makes no sense"));
            }
        }
        Ok(())
    }

    /// Sends a message or an answer; says which number it got.
    async fn send(&mut self, to: u64, text: &str, resp_to: Option<u64>) -> io::Result<u64> {
        self.last_id += 1;
        let (from, msg_id) = (self.user.id().0, self.last_id);
        let message = Message { from, to, msg: text.to_owned(), msg_id, resp_to };
        self.writer.write_all(Frame::Message(message).line().as_bytes()).await?;
        Ok(msg_id)
    }
}

impl Drop for Talk<'_> {
    /// However the user ends, the messages nobody answered are told.
    fn drop(&mut self) {
        if !self.open.is_empty() {
            self.user.count("unanswered", self.open.len() as u64);
        }
    }
}

/// Connects and waits to be let in.
async fn enter(chat: &Chat, id: u64) -> Result<(Lines<OwnedReadHalf>, OwnedWriteHalf), Failure> {
    let stream = TcpStream::connect(&chat.addresses[..]).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = Lines::new(reader, LONGEST_LINE);
    writer.write_all(Frame::Connect { id }.line().as_bytes()).await?;
    let frame = match lines.next().await? {
        Some(line) => Frame::parse(line)?,
        None => return Err(Failure::target("the server closed the connection")),
    };
    match frame {
        Frame::Connected => Ok((lines, writer)),
        Frame::Rejected { reason } => Err(Failure::target(format!("rejected: {reason}"))),
        _ => Err(Failure::target("the server neither lets in nor rejects")),
    }
}
