//! The life of one user.

use crowd::{moment, prelude::*};
use tokio::time::{Instant, sleep_until};

use crate::{Echo, clock, connection::Connection, partners::Partner};

/// Connects, says a line per interval and hears it repeated, until it is told to stop, its
/// lifetime is over or rows run out.
pub(crate) async fn live(echo: &Echo, user: &User<Echo>) -> Result<(), Failure> {
    let opening = Connection::open(&echo.addresses, user.id(), user.node());
    let mut connection = user.time("connect", opening).await?;
    let settings = user.settings();
    let end = settings.lifetime.map(|lifetime| moment::after(Instant::now(), lifetime));
    // The users of a burst must not all talk in step.
    let mut due = moment::after(Instant::now(), moment::times(settings.interval, rand::random()));
    let mut partner = Partner::seek(user)?;
    drop(settings);
    loop {
        let turn = async {
            partner.listen_until(user, due).await?;
            user.wait(&echo.throttle).await
        };
        let permit = tokio::select! {
            biased;
            () = over(end) => return Ok(()),
            () = user.retired() => return Ok(()),
            permit = turn => permit?,
        };
        let row = match &echo.feed {
            None => None,
            Some(feed) => match user.feed(feed).await? {
                Some(row) => Some(row.index()),
                None => return Ok(()),
            },
        };
        partner.greet(user).await;
        let since = permit.due();
        // What was begun is brought to its end, so that both sides count the same.
        user.time_since(since, "echo", connection.echo(clock::moment(permit.released()), row))
            .await?;
        // From when it was due: a slow echo does not delay those after it, nor are lines that did
        // not find their time caught up.
        due = moment::after(due, user.settings().interval).max(Instant::now());
    }
}

/// Waits for that moment; without one, for ever.
async fn over(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
