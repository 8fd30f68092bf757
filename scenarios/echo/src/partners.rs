//! Users in pairs, who may be on different nodes.

use crowd::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::Echo;

/// The coordinator that pairs users.
const COORDINATOR: &str = "partners";

/// What users are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// By the coordinator: this user is your partner.
    Partner(u64),
    /// By the partner, which is on that node.
    Greeting(String),
}

/// Starts pairing users.
///
/// # Errors
/// If the coordinator cannot be started.
pub(crate) async fn begin(run: &Run<Echo>) -> Result<(), Failure> {
    let post = run.post().clone();
    let introduce = Action::<u64>::pairs(move |_event, newer, older| {
        let pair = older.map(|older| [(newer.user, older.user), (older.user, newer.user)]);
        let post = post.clone();
        Box::pin(async move {
            for (user, partner) in pair.into_iter().flatten() {
                // Who has left meanwhile needs no partner.
                let _ = post.send(user, Note::Partner(partner.0));
            }
            Ok(())
        })
    });
    let plan = Plan::new().scope(Scope::Cluster).group(Group::size(2), [introduce]);
    run.start_coordinator(COORDINATOR, plan, Timeout::Never).await?;
    Ok(())
}

/// A user's partner, if it has one.
pub(crate) struct Partner {
    wanted: bool,
    id: Option<UserId>,
}

impl Partner {
    /// Asks for a partner, if the run is one of pairs.
    ///
    /// # Errors
    /// If there is no coordinator any more.
    pub(crate) fn seek(user: &User<Echo>) -> Result<Self, Failure> {
        let wanted = user.settings().partners;
        if wanted {
            user.coordinator::<u64>(COORDINATOR)?.add(user.id(), user.id().0)?;
        }
        Ok(Self { wanted, id: None })
    }

    /// Waits for that moment and hears what others say meanwhile.
    ///
    /// # Errors
    /// With [`Stopped`] when the user is told to stop.
    pub(crate) async fn listen_until(
        &mut self,
        user: &User<Echo>,
        due: Instant,
    ) -> Result<(), Stopped> {
        if !self.wanted {
            return user.sleep_until(due).await;
        }
        loop {
            match timeout_at(due, user.receive()).await {
                Err(_) => return Ok(()),
                Ok(None) => return Err(Stopped),
                Ok(Some(Mail { message: Note::Partner(id), .. })) => self.id = Some(UserId(id)),
                Ok(Some(Mail { message: Note::Greeting(node), .. })) => {
                    user.count("greetings_received", 1);
                    if node != user.node() {
                        user.count("greetings_from_other_nodes", 1);
                    }
                }
            }
        }
    }

    /// Greets the partner. One that has gone is no failure: it is counted.
    pub(crate) async fn greet(&self, user: &User<Echo>) {
        let Some(partner) = self.id else { return };
        user.count("greetings_sent", 1);
        if user.send(partner, Note::Greeting(user.node().to_owned())).await.is_err() {
            user.count("greetings_undelivered", 1);
        }
    }
}
