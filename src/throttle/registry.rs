//! The throttles of a node by name, and the actor that supervises them.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use crowd_core::{
    refusal::{Code, Refusal},
    suggestion::did_you_mean,
    telemetry::{Telemetry, event::ThrottleFault},
};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::{
    Rate, Started, Throttle, ThrottleInfo, ThrottleOptions, actor::ThrottleActor,
    follower::Following, gate::Gate, holdings::Holdings,
};
use crate::cluster::protocol::throttle::{Terms, ThrottleId};

/// What the registry is asked for.
#[derive(Debug)]
pub(crate) enum Registration {
    Start(Arc<str>, Rate, RpcReplyPort<Result<Started, Refusal>>),
    /// Stops the throttle of that name; if an id is given, only if it is that actor.
    Stop(Arc<str>, Option<ActorId>, RpcReplyPort<Result<(), Refusal>>),
    StopAll(RpcReplyPort<Vec<ThrottleInfo>>),
    /// The master's terms for throttles of the cluster, known here already or not.
    Terms(Vec<Terms>, Arc<Following>, Option<RpcReplyPort<()>>),
    /// A throttle of the cluster was stopped.
    Over(ThrottleId),
    /// This node does not follow that master any more: its throttles are over here.
    Unfollow(Arc<Following>),
}

impl ractor::Message for Registration {}

/// The throttles by name, for everybody to look up.
#[derive(Debug, Default)]
pub(crate) struct Table {
    throttles: RwLock<BTreeMap<Arc<str>, Throttle>>,
}

impl Table {
    /// The throttle of that name.
    pub(crate) fn get(&self, name: &str) -> Result<Throttle, Refusal> {
        let throttles = self.throttles.read().unwrap_or_else(PoisonError::into_inner);
        match throttles.get(name) {
            Some(throttle) => Ok(throttle.clone()),
            None => Err(unknown(name, throttles.keys().map(|name| &**name))),
        }
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<Throttle> {
        let throttles = self.throttles.read().unwrap_or_else(PoisonError::into_inner);
        throttles.values().cloned().collect()
    }

    /// The gates of the throttles of that master.
    pub(super) fn leased(&self, following: &Arc<Following>) -> Vec<Arc<Gate>> {
        let throttles = self.throttles.read().unwrap_or_else(PoisonError::into_inner);
        let leased = throttles.values().filter(|throttle| throttle.follows(following));
        leased.map(|throttle| throttle.gate.clone()).collect()
    }

    /// The gate of that throttle of the cluster.
    pub(super) fn of_cluster(&self, id: ThrottleId) -> Option<Arc<Gate>> {
        self.find(id).map(|throttle| throttle.gate)
    }

    fn find(&self, id: ThrottleId) -> Option<Throttle> {
        let throttles = self.throttles.read().unwrap_or_else(PoisonError::into_inner);
        throttles.values().find(|throttle| throttle.is(id)).cloned()
    }

    fn insert(&self, throttle: Throttle) -> Option<Throttle> {
        let mut throttles = self.throttles.write().unwrap_or_else(PoisonError::into_inner);
        throttles.insert(throttle.gate.name.clone(), throttle)
    }

    /// Takes out the throttle of that name, if it is that actor.
    fn remove(&self, name: &str, id: Option<ActorId>) -> Option<Throttle> {
        let mut throttles = self.throttles.write().unwrap_or_else(PoisonError::into_inner);
        let found = throttles.get(name)?;
        if id.is_some_and(|id| id != found.control.get_id()) {
            return None;
        }
        throttles.remove(name)
    }

    fn take_all(&self) -> Vec<Throttle> {
        let mut throttles = self.throttles.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *throttles).into_values().collect()
    }
}

pub(super) fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Refusal {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return Refusal::new(Code::NoThrottle, format!("no throttle `{name}` is started; none is"));
    }
    let near = did_you_mean(name, names.iter().copied());
    Refusal::new(
        Code::NoThrottle,
        format!("no throttle `{name}` is started (there are: {}){near}", names.join(", ")),
    )
}

/// Starts and stops throttles, and notices when one dies.
#[derive(Debug)]
pub(crate) struct Registry;

#[derive(Debug)]
pub(crate) struct State {
    table: Arc<Table>,
    telemetry: Telemetry,
    options: ThrottleOptions,
}

impl Drop for State {
    fn drop(&mut self) {
        // Their actors are killed with this one; whoever waits learns of it here and now.
        for throttle in self.table.take_all() {
            throttle.gate.close();
        }
    }
}

impl Actor for Registry {
    type Msg = Registration;
    type State = State;
    type Arguments = (Arc<Table>, Telemetry, ThrottleOptions);

    async fn pre_start(
        &self,
        _myself: ActorRef<Registration>,
        (table, telemetry, options): Self::Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { table, telemetry, options })
    }

    async fn handle(
        &self,
        myself: ActorRef<Registration>,
        registration: Registration,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        // Who asked may have gone before it is answered.
        match registration {
            Registration::Start(name, rate, reply) => {
                let _ = reply.send(state.start(myself, name, rate).await);
            }
            Registration::Stop(name, id, reply) => {
                let _ = reply.send(state.stop(&name, id).await);
            }
            Registration::StopAll(reply) => {
                let throttles = state.table.take_all();
                end_all(&throttles).await;
                let _ = reply.send(throttles.iter().map(Throttle::info).collect());
            }
            Registration::Terms(terms, following, reply) => {
                let accept = async {
                    for terms in terms {
                        state.accept(&myself, &terms, &following).await;
                    }
                };
                following.mesh.guard_async(&following.master, accept).await;
                if let Some(reply) = reply {
                    let _ = reply.send(());
                }
            }
            Registration::Over(id) => {
                if let Some(found) = state.table.find(id) {
                    let throttle = state.table.remove(found.name(), Some(found.control.get_id()));
                    end_all(throttle.as_slice()).await;
                }
            }
            Registration::Unfollow(following) => {
                let all = state.table.all().into_iter();
                let theirs: Vec<_> = all.filter(|throttle| throttle.follows(&following)).collect();
                for throttle in &theirs {
                    state.table.remove(throttle.name(), Some(throttle.control.get_id()));
                }
                end_all(&theirs).await;
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Registration>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorTerminated(cell, _, reason) => {
                (cell, reason.unwrap_or_else(|| "it ended".to_owned()))
            }
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            _ => return Ok(()),
        };
        // One that was stopped is not in the table any more.
        let all = state.table.all();
        let Some(dead) = all.iter().find(|throttle| throttle.control.get_id() == cell.get_id())
        else {
            return Ok(());
        };
        dead.gate.close();
        state.table.remove(dead.name(), Some(cell.get_id()));
        let (name, reason) = (dead.gate.name.clone(), format!("the throttle died: {reason}"));
        state.telemetry.emit(&ThrottleFault { name, reason });
        Ok(())
    }
}

impl State {
    async fn start(
        &self,
        myself: ActorRef<Registration>,
        name: Arc<str>,
        rate: Rate,
    ) -> Result<Started, Refusal> {
        if name.is_empty() {
            return Err(Refusal::new(Code::InvalidThrottle, "a throttle needs a name"));
        }
        // One that has died, of which the news has not come yet, is none.
        if let Ok(found) = self.table.get(&name)
            && !found.gate.is_stopped()
        {
            return already(&found.info(), rate);
        }
        let gate = Gate::new(name.clone(), rate, self.options.tolerance, self.telemetry.clone());
        let spawned =
            Actor::spawn_linked(None, ThrottleActor, gate.clone(), myself.get_cell()).await;
        match spawned {
            Ok((control, _task)) => {
                self.table.insert(Throttle { gate, control, registry: myself, lease: None });
                Ok(Started::New)
            }
            Err(error) => {
                gate.close();
                Err(Refusal::new(
                    Code::Unavailable,
                    format!("cannot start throttle `{name}`: {error}"),
                ))
            }
        }
    }

    /// Terms of the master: for a throttle that is here, or for one that is to be.
    async fn accept(
        &self,
        myself: &ActorRef<Registration>,
        terms: &Terms,
        following: &Arc<Following>,
    ) {
        let Some(clock) = following.clock() else { return };
        if following.is_over() {
            return;
        }
        if let Some(throttle) = self.table.find(terms.id) {
            throttle.gate.accept(terms, clock);
            return;
        }
        let mesh = &following.mesh;
        let holdings = Holdings::new(terms, clock, mesh.now());
        let (name, telemetry) = (terms.name.as_str().into(), self.telemetry.clone());
        let gate =
            Gate::leased(name, holdings, mesh.instant(0), following.courier.clone(), telemetry);
        let lease = Some((terms.id, following.clone()));
        let spawned =
            Actor::spawn_linked(None, ThrottleActor, gate.clone(), myself.get_cell()).await;
        match spawned {
            Ok((control, _task)) => {
                let registry = myself.clone();
                let before = self.table.insert(Throttle { gate, control, registry, lease });
                // The master is told at once that this node knows.
                following.courier.notify_one();
                end_all(before.as_slice()).await;
            }
            Err(error) => {
                gate.close();
                let (name, reason) = (gate.name.clone(), format!("it cannot be started: {error}"));
                self.telemetry.emit(&ThrottleFault { name, reason });
            }
        }
    }

    async fn stop(&self, name: &str, id: Option<ActorId>) -> Result<(), Refusal> {
        let Some(throttle) = self.table.remove(name, id) else {
            return match self.table.get(name) {
                Ok(_) => Err(Refusal::new(
                    Code::NoThrottle,
                    format!("this throttle `{name}` was stopped before; another has its name now"),
                )),
                Err(unknown) => Err(unknown),
            };
        };
        end_all(&[throttle]).await;
        Ok(())
    }
}

/// Ends throttles that were taken out of the table. Everybody is answered before anybody's work is
/// waited for.
async fn end_all(throttles: &[Throttle]) {
    throttles.iter().for_each(|throttle| throttle.gate.close());
    for throttle in throttles {
        end(throttle).await;
        if let (Some((_, following)), Some(tally)) = (&throttle.lease, throttle.gate.told()) {
            following.last_word(tally);
        }
    }
}

/// Waits until the actor of a throttle has ended, and what it ran was dropped.
async fn end(throttle: &Throttle) {
    let patience = Some(Duration::from_secs(5));
    if throttle.control.stop_and_wait(None, patience).await.is_err() {
        throttle.control.kill();
    }
}

pub(super) fn already(found: &ThrottleInfo, rate: Rate) -> Result<Started, Refusal> {
    if found.rate == rate.to_string() && found.ramp.is_none() {
        return Ok(Started::Already);
    }
    let ramp = found.ramp.as_ref().map(|ramp| format!(", on a ramp {ramp}")).unwrap_or_default();
    Err(Refusal::new(
        Code::WrongReconfiguration,
        format!(
            "throttle `{}` runs already at {}{ramp}, not at {rate}; to change that, change its rate",
            found.name, found.rate
        ),
    ))
}
