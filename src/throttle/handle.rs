//! The handle of a throttle: asking to be let through, and changing the rate.

use std::{fmt, future::Future, sync::Arc};

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::UserId,
};
use ractor::{ActorRef, RpcReplyPort, rpc::CallResult};
use tokio::task::coop;

use super::ThrottleStopped;
use super::{
    Permit, Ramp, Rate, Running, ThrottleInfo,
    actor::Control,
    follower::Following,
    gate::{Answer, Asked, Gate},
    registry::Registration,
};
use crate::{
    cluster::protocol::throttle::{Change, ThrottleId, ToThrottles, Which},
    scenario::Message,
    user::Post,
};

/// One throttle. Cheap to clone; all clones are one. Once stopped it stays stopped: a throttle
/// started later by the same name is another one.
#[derive(Clone)]
pub struct Throttle {
    pub(super) gate: Arc<Gate>,
    pub(super) control: ActorRef<Control>,
    pub(super) registry: ActorRef<Registration>,
    /// Which one of the cluster it is, and whose; `None` if it is this node's own.
    pub(super) lease: Option<(ThrottleId, Arc<Following>)>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Throttle").field(&self.gate.name).finish()
    }
}

/// Letting through.
impl Throttle {
    /// The name it was started by.
    pub fn name(&self) -> &str {
        &self.gate.name
    }

    /// Waits to be let through, in the order of asking. Dropping the wait gives it up, and costs
    /// nobody a slot.
    ///
    /// # Errors
    /// If the throttle was stopped, or is while this waits.
    pub async fn wait(&self) -> Result<Permit, ThrottleStopped> {
        // A user that only ever asks must not keep its worker from the others.
        coop::consume_budget().await;
        if self.gate.is_open() {
            self.gate.pass(1, true);
            return Ok(Permit::open(self.gate.clone()));
        }
        let answer = self.answer(1, true).await?;
        Ok(Permit::new(self.gate.clone(), answer))
    }

    /// Waits until at least one slot is due, and takes as many as are due then, up to `max`: all
    /// of `max` if the rate is unlimited. In the order of asking with everybody else. It holds no
    /// permits, so under `8 at once` it passes whenever fewer than eight are in flight. For 0
    /// slots nobody waits.
    ///
    /// # Errors
    /// If the throttle was stopped, or is while this waits.
    pub async fn take(&self, max: u64) -> Result<u64, ThrottleStopped> {
        if max == 0 {
            return Ok(0);
        }
        coop::consume_budget().await;
        if self.gate.is_open() {
            self.gate.pass(max, false);
            return Ok(max);
        }
        Ok(self.answer(max, false).await?.slots)
    }

    /// Has a short action done when its turn comes; answers at once. The action must not block:
    /// it is called by whoever lets it through, and if nothing is to be waited for, from within
    /// this call. If it panics, that is told as an event and harms nobody. It is done even if the
    /// user that asked has ended by then.
    ///
    /// # Errors
    /// If the throttle was stopped. If it is stopped later, what waits is dropped.
    pub fn send(&self, action: impl FnOnce() + Send + 'static) -> Result<(), ThrottleStopped> {
        if self.gate.send(Box::new(action)) { Ok(()) } else { Err(self.stopped()) }
    }

    /// Sends a message to a user, to itself or another, when its turn comes. If that user has
    /// ended by then, the message is dropped; if it cannot get to another node, that is noted as a
    /// failure of the run.
    ///
    /// # Errors
    /// If the throttle was stopped. If it is stopped later, what waits is dropped.
    pub fn send_to<M: Message>(
        &self,
        post: &Post<M>,
        to: UserId,
        message: M,
    ) -> Result<(), ThrottleStopped> {
        let post = post.clone();
        self.send(move || post.send_or_note(to, message))
    }

    /// Runs `work` when its turn comes. It belongs to the throttle: it is dropped when the
    /// throttle is stopped, or when the answer is dropped. While it runs, it counts as in flight.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        Running::new(&self.gate, work)
    }

    async fn answer(&self, max: u64, holds: bool) -> Result<Answer, ThrottleStopped> {
        match self.gate.ask(max, holds) {
            Asked::Given(answer) => Ok(answer),
            Asked::Queued(waiting) => waiting.await.ok_or_else(|| self.stopped()),
            Asked::Stopped => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> ThrottleStopped {
        ThrottleStopped(self.name().to_owned())
    }
}

/// Control. What these do and refuse is told at [`Throttles`](super::Throttles).
#[expect(clippy::missing_errors_doc, reason = "the errors are those of `Throttles`")]
impl Throttle {
    /// As [`Throttles::change_rate`](super::Throttles::change_rate).
    pub async fn change_rate(&self, rate: Rate) -> Result<(), Refusal> {
        match &self.lease {
            Some(_) => self.ask(Change::Rate(rate)).await,
            None => self.call(|reply| Control::ChangeRate(rate, reply)).await,
        }
    }

    /// As [`Throttles::ramp`](super::Throttles::ramp).
    pub async fn ramp(&self, ramp: Ramp) -> Result<(), Refusal> {
        match &self.lease {
            Some(_) => self.ask(Change::Ramp(ramp.into())).await,
            None => self.call(|reply| Control::Ramp(Box::new(ramp), reply)).await,
        }
    }

    /// As [`Throttles::pause`](super::Throttles::pause).
    pub async fn pause(&self) -> Result<(), Refusal> {
        match &self.lease {
            Some(_) => self.ask(Change::Pause).await,
            None => self.call(Control::Pause).await,
        }
    }

    /// As [`Throttles::resume`](super::Throttles::resume).
    pub async fn resume(&self) -> Result<(), Refusal> {
        match &self.lease {
            Some(_) => self.ask(Change::Resume).await,
            None => self.call(Control::Resume).await,
        }
    }

    /// As [`Throttles::unlock`](super::Throttles::unlock).
    pub async fn unlock(&self) -> Result<(), Refusal> {
        self.change_rate(Rate::UNLIMITED).await
    }

    /// As [`Throttles::stop`](super::Throttles::stop); but if a new throttle has taken the name,
    /// that one is left alone.
    pub async fn stop(&self) -> Result<(), Refusal> {
        if let Some((id, _)) = &self.lease {
            let stopped = self.ask(Change::Stop).await;
            if stopped.is_ok() {
                // The master's word is on its way; whoever stops it need not wait for that.
                let _ = self.registry.cast(Registration::Over(*id));
                self.gate.close();
            }
            return stopped;
        }
        let (name, id) = (self.gate.name.clone(), Some(self.control.get_id()));
        match self.registry.call(|reply| Registration::Stop(name, id, reply), None).await {
            Ok(CallResult::Success(answer)) => answer,
            _ => Err(self.gone()),
        }
    }

    /// What is known of it, also once it was stopped; in a cluster, of this node's part in it.
    pub fn info(&self) -> ThrottleInfo {
        self.gate.info()
    }

    /// Whether it is that throttle of a cluster.
    pub(super) fn is(&self, id: ThrottleId) -> bool {
        self.lease.as_ref().is_some_and(|(mine, _)| *mine == id)
    }

    /// Whether it is one of that master.
    pub(super) fn follows(&self, following: &Arc<Following>) -> bool {
        self.lease.as_ref().is_some_and(|(_, mine)| Arc::ptr_eq(mine, following))
    }

    /// Has the master change it.
    async fn ask(&self, change: Change) -> Result<(), Refusal> {
        let Some((id, following)) = &self.lease else { return Err(self.gone()) };
        if self.gate.is_stopped() {
            return Err(self.gone());
        }
        let which = Which::This(*id, self.name().to_owned());
        following.ask(&ToThrottles::Change { which, change }).await.map(|_done| ())
    }

    async fn call(
        &self,
        control: impl FnOnce(RpcReplyPort<Result<(), Refusal>>) -> Control,
    ) -> Result<(), Refusal> {
        match self.control.call(control, None).await {
            Ok(CallResult::Success(answer)) => answer,
            _ => Err(self.gone()),
        }
    }

    fn gone(&self) -> Refusal {
        Refusal::new(Code::NoThrottle, self.stopped().to_string())
    }
}
