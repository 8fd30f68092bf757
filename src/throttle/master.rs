//! The throttles of a cluster, on its master: a task that owns the desk, and what others ask it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    telemetry::Telemetry,
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};
use tokio_util::task::AbortOnDropHandle;

use super::{Ramp, Rate, Started, ThrottleInfo, ThrottleOptions};
use crate::cluster::{
    member::MemberId,
    mesh::{Mesh, MeshEvent, Responder},
    parts::Companion,
    protocol::{
        run::{Assignment, RunSpec},
        throttle::{Change, ThrottleAnswer, ToThrottles, Which},
    },
};

mod desk;
mod entry;

use self::desk::{Desk, Post};

/// More messages of nodes than this are not kept waiting. What is lost is said again.
const MOST_MAIL: usize = 4_096;

/// The throttles of a cluster. They end when this is dropped.
pub(crate) struct ThrottleMaster {
    orders: mpsc::UnboundedSender<Order>,
    /// What is left of the throttles of a run that is over.
    ended: Arc<Mutex<Vec<ThrottleInfo>>>,
    _task: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for ThrottleMaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThrottleMaster").finish_non_exhaustive()
    }
}

/// What the master's own node has to say.
enum Order {
    Begin,
    Joined(MemberId),
    Gone(MemberId),
    End(oneshot::Sender<Vec<ThrottleInfo>>),
    Ask(ToThrottles, oneshot::Sender<ThrottleAnswer>),
}

type Mail = (MemberId, ToThrottles, Option<Responder<ThrottleAnswer>>);

impl ThrottleMaster {
    /// A master without throttles. To be made on a runtime, once for a mesh.
    ///
    /// # Errors
    /// None at present.
    pub(crate) fn new(
        mesh: Mesh,
        options: ThrottleOptions,
        telemetry: Telemetry,
    ) -> Result<Arc<Self>, Refusal> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (mail, mailed) = mpsc::channel::<Mail>(MOST_MAIL);
        mesh.serve::<ToThrottles>(move |from, message, responder| {
            if let Err(full) = mail.try_send((from.clone(), message, responder)) {
                let (.., responder) = full.into_inner();
                if let Some(responder) = responder {
                    let busy = Refusal::new(Code::Unavailable, "the master is too busy");
                    responder.answer(&ThrottleAnswer::Refused(busy));
                }
            }
        });
        let desk = Desk::new(mesh.me().clone(), options, telemetry);
        let task = AbortOnDropHandle::new(tokio::spawn(serve(mesh, desk, ordered, mailed)));
        Ok(Arc::new(Self { orders, ended: Arc::default(), _task: task }))
    }

    /// As [`Throttles::start`](super::Throttles::start), for the whole cluster; to find one that
    /// runs at the rate it was started with is fine, too, whatever the rate is now.
    ///
    /// # Errors
    /// `wrong-reconfiguration` if it runs at another rate; `invalid-throttle` without a name.
    pub(crate) async fn start(&self, name: &str, rate: Rate) -> Result<Started, Refusal> {
        match self.ask(ToThrottles::Start { name: name.to_owned(), rate }).await? {
            ThrottleAnswer::Started(started, _) => Ok(started),
            other => Err(odd(&other)),
        }
    }

    /// As [`Throttles::change_rate`](super::Throttles::change_rate), for the whole cluster.
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub(crate) async fn change_rate(&self, name: &str, rate: Rate) -> Result<(), Refusal> {
        self.change(name, Change::Rate(rate)).await
    }

    /// As [`Throttles::ramp`](super::Throttles::ramp), for the whole cluster.
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub(crate) async fn ramp(&self, name: &str, ramp: Ramp) -> Result<(), Refusal> {
        self.change(name, Change::Ramp(ramp.into())).await
    }

    /// As [`Throttles::pause`](super::Throttles::pause), for the whole cluster.
    ///
    /// # Errors
    /// `no-throttle`.
    pub(crate) async fn pause(&self, name: &str) -> Result<(), Refusal> {
        self.change(name, Change::Pause).await
    }

    /// As [`Throttles::resume`](super::Throttles::resume), for the whole cluster.
    ///
    /// # Errors
    /// `no-throttle`.
    pub(crate) async fn resume(&self, name: &str) -> Result<(), Refusal> {
        self.change(name, Change::Resume).await
    }

    /// As [`Throttles::unlock`](super::Throttles::unlock), for the whole cluster.
    ///
    /// # Errors
    /// `cannot-change-rate` on a ramp; `no-throttle`.
    pub(crate) async fn unlock(&self, name: &str) -> Result<(), Refusal> {
        self.change_rate(name, Rate::UNLIMITED).await
    }

    /// As [`Throttles::stop`](super::Throttles::stop), for the whole cluster.
    ///
    /// # Errors
    /// `no-throttle`.
    pub(crate) async fn stop(&self, name: &str) -> Result<(), Refusal> {
        self.change(name, Change::Stop).await
    }

    /// What is known of one on all nodes together, not older than about a second.
    ///
    /// # Errors
    /// `no-throttle`.
    pub(crate) async fn info(&self, name: &str) -> Result<ThrottleInfo, Refusal> {
        match self.ask(ToThrottles::Info { name: name.to_owned() }).await? {
            ThrottleAnswer::Infos(mut infos) if infos.len() == 1 => Ok(infos.remove(0)),
            other => Err(odd(&other)),
        }
    }

    /// What is known of all on all nodes together, by name.
    pub(crate) async fn list(&self) -> Vec<ThrottleInfo> {
        match self.ask(ToThrottles::List).await {
            Ok(ThrottleAnswer::Infos(infos)) => infos,
            _ => Vec::new(),
        }
    }

    /// The throttles of the run that is over, as they were at its end, until it is forgotten.
    pub(crate) fn ended(&self) -> Vec<ThrottleInfo> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn change(&self, name: &str, change: Change) -> Result<(), Refusal> {
        let which = Which::Named(name.to_owned());
        self.ask(ToThrottles::Change { which, change }).await.map(|_done| ())
    }

    async fn ask(&self, message: ToThrottles) -> Result<ThrottleAnswer, Refusal> {
        let (answer, answered) = oneshot::channel();
        // If the task has ended, the answer is dropped.
        let _ = self.orders.send(Order::Ask(message, answer));
        match answered.await {
            Ok(ThrottleAnswer::Refused(refusal)) => Err(refusal),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Refusal::new(Code::Unavailable, "the master's throttles have ended")),
        }
    }
}

fn odd(answer: &ThrottleAnswer) -> Refusal {
    Refusal::new(Code::Unavailable, format!("the master's throttles answer oddly: {answer:?}"))
}

impl Companion for ThrottleMaster {
    fn begin(&self, _run: &RunSpec) {
        self.forget();
        let _ = self.orders.send(Order::Begin);
    }

    fn joined(&self, worker: &MemberId, _: Assignment) {
        let _ = self.orders.send(Order::Joined(worker.clone()));
    }

    fn gone(&self, worker: &MemberId) {
        let _ = self.orders.send(Order::Gone(worker.clone()));
    }

    fn end(&self) -> BoxFuture<'static, ()> {
        let (tell, told) = oneshot::channel();
        let _ = self.orders.send(Order::End(tell));
        let ended = self.ended.clone();
        Box::pin(async move {
            // The desk answers in one step; without one there are no throttles.
            if let Ok(infos) = told.await {
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = infos;
            }
        })
    }

    fn forget(&self) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Works until it is aborted.
async fn serve(
    mesh: Mesh,
    mut desk: Desk,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut mail: mpsc::Receiver<Mail>,
) {
    let mut events = mesh.events();
    let mut next = mesh.now();
    loop {
        let mut post = Post::default();
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(order) => carry_out(&mut desk, order, mesh.now(), &mut post),
                None => return,
            },
            Some(event) = events.recv() => if let MeshEvent::Down(node, _) = event {
                desk.lose_sight(&node);
            },
            () = sleep_until(mesh.instant(next)) => desk.tick(mesh.now(), &mut post),
            Some((from, message, responder)) = mail.recv() => {
                let hear = || desk.hear(Some(&from), message, mesh.now(), &mut post);
                let answer = mesh.guard(&from, hear).flatten();
                if let (Some(responder), Some(answer)) = (responder, answer) {
                    send(&mesh, std::mem::take(&mut post));
                    responder.answer(&answer);
                }
            }
        }
        send(&mesh, post);
        next = desk.next_tick(mesh.now());
        // Messages that never end must not keep the worker from others.
        tokio::task::consume_budget().await;
    }
}

fn carry_out(desk: &mut Desk, order: Order, now: u64, post: &mut Post) {
    match order {
        Order::Begin => desk.begin(post),
        Order::Joined(node) => desk.join(&node, now, post),
        Order::Gone(node) => desk.leave(&node, now, post),
        Order::End(told) => {
            // Whoever asked may have gone.
            let _ = told.send(desk.end(now, post));
        }
        Order::Ask(message, told) => {
            if let Some(answer) = desk.hear(None, message, now, post) {
                let _ = told.send(answer);
            }
        }
    }
}

fn send(mesh: &Mesh, post: Post) {
    let sent = mesh.now();
    for (node, message) in post.into_messages(sent) {
        if let Err(fault) = mesh.cast(&node, &message) {
            // It is gone, or will be told again.
            tracing::debug!(target: "crowd", "throttles of `{node}`: {fault}");
        }
    }
}

/// How long a node waits for the master's word.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
