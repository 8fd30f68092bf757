//! The master actor: hands what happens to [`Core`] and [`Leadership`], and performs what they say.
//! It never waits: calls run in tasks of its own, which tell it how they ended, and which end with
//! it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crowd_core::refusal::{Code, Refusal};
use crowd_plan::run_settings::{RATES, USER_RATE};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    MasterOptions,
    core::{Core, Outcome, Plan, Policy, settings::Set, status::gaps},
    message::{MasterMessage, Verb},
    settings::Resolved,
    view::ClusterAccount,
};
use crate::{
    cluster::{
        leadership::Leadership,
        lease::given_up_after,
        member::MemberId,
        mesh::{Mesh, MeshEvent, Responder},
        packed::Packed,
        protocol::{
            operate::{Operate, OperateAnswer, Orphan, RelayAnswer, RelayRequest},
            run::ToMaster,
        },
    },
    controller::{load::takes_users, machine::RunState},
};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How many relayed commands are carried out at once.
const RELAYED: usize = 64;

/// The longest answer to a relayed command, in bytes of text: with its frame it fits a message.
const MOST_RELAYED: usize = 900 * 1024;

pub(super) struct MasterActor {
    pub(super) mesh: Mesh,
    pub(super) options: MasterOptions,
    pub(super) master: watch::Sender<Option<MemberId>>,
    pub(super) state: watch::Sender<RunState>,
}

pub(super) struct State {
    pub(super) myself: ActorRef<MasterMessage>,
    pub(super) core: Core,
    pub(super) leadership: Leadership,
    /// Aborted when this is dropped.
    pub(super) tasks: JoinSet<()>,
    pub(super) claims: Vec<RpcReplyPort<Result<(), Refusal>>>,
    pub(super) verbs: HashMap<u64, RpcReplyPort<Result<Outcome, Refusal>>>,
    pub(super) next_verb: u64,
    pub(super) relayed: Arc<Semaphore>,
    pub(super) resolved: Option<Resolved>,
    /// The settings of a `do` whose run has not begun yet.
    pub(super) candidate: Option<Resolved>,
    /// Counts the runs of this node.
    pub(super) runs: u64,
    pub(super) started: SystemTime,
    pub(super) began: Instant,
}

impl Actor for MasterActor {
    type Msg = MasterMessage;
    type State = State;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<MasterMessage>,
        (): (),
    ) -> Result<State, ActorProcessingErr> {
        self.serve(&myself);
        let mut tasks = JoinSet::new();
        let actor = myself.clone();
        // In order with what members say: whoever says something has come before.
        self.mesh.listen(move |event| actor.cast(MasterMessage::Member(event.clone())).is_ok());
        let actor = myself.clone();
        tasks.spawn(async move {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let _ = actor.cast(MasterMessage::Tick);
            }
        });
        let options = &self.options;
        let policy = Policy {
            me: self.mesh.me().clone(),
            on_node_loss: options.on_node_loss,
            rebalance: options.rebalance,
            master_timeout: options.master_timeout,
            init_timeout: options.init_timeout,
            terminate_timeout: options.terminate_timeout,
        };
        // Workers tell assignments apart by number alone, whoever was master before.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let assignments = u64::try_from(since.as_micros()).unwrap_or_default();
        let abandon = given_up_after(options.master_timeout);
        Ok(State {
            myself,
            core: Core::new(policy, assignments),
            leadership: Leadership::new(self.mesh.me().clone(), abandon),
            tasks,
            claims: Vec::new(),
            verbs: HashMap::new(),
            next_verb: 0,
            relayed: Arc::new(Semaphore::new(RELAYED)),
            resolved: None,
            candidate: None,
            runs: 0,
            started: SystemTime::now(),
            began: Instant::now(),
        })
    }

    async fn handle(
        &self,
        _: ActorRef<MasterMessage>,
        message: MasterMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        use MasterMessage as M;
        while state.tasks.try_join_next().is_some() {}
        let now = self.now();
        match message {
            M::Member(MeshEvent::Up(member)) => {
                state.core.up(now, &member.id);
                state.leadership.up(&member.id);
            }
            M::Member(MeshEvent::Left(member)) => state.core.left(now, &member),
            M::Member(MeshEvent::Down(member, why)) => {
                state.leadership.down(now, &member);
                state.core.down(now, &member, &why);
            }
            M::Operate { from, message, responder } => {
                self.mesh.guard(&from, || self.operate(state, &from, message, responder));
            }
            M::Report { from, message: ToMaster::Beat(beat) } => {
                self.mesh.guard(&from, || state.core.beat(now, &from, *beat));
            }
            M::Report { from, message: ToMaster::Leaving { assignment } } => {
                self.mesh.guard(&from, || state.core.leaving(now, &from, assignment));
            }
            M::Answered { from, call, answer } => {
                self.mesh.guard(&from, || state.core.answered(now, call, answer));
            }
            M::ClaimAnswered { from, claim, answer } => {
                self.mesh.guard(&from, || state.leadership.answered(&from, claim, answer));
            }
            M::Ended { run } if run == state.runs => state.core.ended(now),
            M::Ended { .. } => {}
            M::Abandoned { master } => state.leadership.abandon(&master),
            M::Tick => {
                state.leadership.tick(now);
                state.core.tick(now);
            }
            M::Claim { reply } => {
                state.claims.push(reply);
                state.leadership.claim(now);
            }
            M::CheckStart { verb, reply } => answer(reply, self.check_start(state, &verb)),
            M::Verb { verb, reply } => self.verb(state, now, verb, reply),
            M::Status { reply } => answer(reply, state.core.status(now)),
            M::Settings { reply } => {
                answer(reply, state.resolved.as_ref().map(Resolved::views).unwrap_or_default());
            }
            M::Account { reply } => answer(reply, account(state, now)),
            M::Workers { reply } => answer(reply, state.core.begun_workers()),
            M::Locate { id, reply } => answer(reply, state.core.locate(id)),
        }
        self.obey(state, now).await;
        Ok(())
    }
}

impl MasterActor {
    /// The time that pure parts are told.
    fn now(&self) -> Duration {
        Duration::from_nanos(self.mesh.now())
    }

    fn serve(&self, myself: &ActorRef<MasterMessage>) {
        // What comes when the actor is gone needs no handling any more.
        let actor = myself.clone();
        self.mesh.serve(move |from: &MemberId, message: Operate, responder| {
            let _ = actor.cast(MasterMessage::Operate { from: from.clone(), message, responder });
        });
        let actor = myself.clone();
        self.mesh.serve(move |from: &MemberId, message: ToMaster, _| {
            let _ = actor.cast(MasterMessage::Report { from: from.clone(), message });
        });
    }

    fn operate(
        &self,
        state: &mut State,
        from: &MemberId,
        message: Operate,
        responder: Option<Responder<OperateAnswer>>,
    ) {
        match message {
            Operate::Claim { claim } => {
                // A claim that cannot be answered is granted nothing.
                let Some(responder) = responder else { return };
                let answer = state.leadership.asked(from, claim);
                responder.answer(&answer);
            }
            Operate::Release { claim } => state.leadership.released(from, claim),
            Operate::Known { master } => state.leadership.told(from, master),
            Operate::Orphan { end } => {
                let (work, actor) = ((self.options.orphans)(end), state.myself.clone());
                let followed = state.leadership.master().cloned();
                state.tasks.spawn(async move {
                    let orphan = work.await;
                    // Whoever has nothing to end does not wait for the one that is gone either.
                    let gone = orphan.as_ref().map(|orphan: &Orphan| orphan.master.clone());
                    if let Some(master) = gone.or(followed).filter(|_| end) {
                        let _ = actor.cast(MasterMessage::Abandoned { master });
                    }
                    if let Some(responder) = responder {
                        responder.answer(&OperateAnswer::Orphan(orphan));
                    }
                });
            }
            Operate::Relay(request) => {
                if let Some(responder) = responder {
                    self.relayed(state, request, responder);
                }
            }
        }
    }

    fn relayed(
        &self,
        state: &mut State,
        request: RelayRequest,
        responder: Responder<OperateAnswer>,
    ) {
        let Ok(permit) = state.relayed.clone().try_acquire_owned() else {
            let message = format!("{RELAYED} commands of other nodes are being carried out");
            let refusal = Refusal::new(Code::Unavailable, message);
            return responder.answer(&OperateAnswer::Relayed(Err(refusal)));
        };
        let (work, me) = ((self.options.relay)(request), self.mesh.me().clone());
        state.tasks.spawn(async move {
            let answer: RelayAnswer = work.await;
            let answer = answer.and_then(|(text, json)| {
                let packed = Packed::new(&text, &json);
                match packed.len() {
                    0..=MOST_RELAYED => Ok(packed),
                    long => {
                        let message = format!(
                            "it was carried out; the answer ({long} bytes) is too long to relay: \
                             ask node `{me}`, the master"
                        );
                        Err(Refusal::new(Code::Unavailable, message))
                    }
                }
            });
            responder.answer(&OperateAnswer::Relayed(answer));
            drop(permit);
        });
    }

    fn check_start(&self, state: &State, verb: &Verb) -> Result<(), Refusal> {
        let Verb::Start { scenario, users, settings } = verb else { return Ok(()) };
        if Resolved::new(&self.options, scenario, settings)?.load()?.is_some() {
            takes_users(*users)?;
        }
        state.core.check_start(*users)
    }

    fn verb(
        &self,
        state: &mut State,
        now: Duration,
        verb: Verb,
        reply: RpcReplyPort<Result<Outcome, Refusal>>,
    ) {
        if !state.leadership.leads()
            && let Some(master) = state.leadership.master()
        {
            let word = verb.word();
            let message =
                format!("`{word}` is for the master to carry out, and that is `{master}`");
            return answer(reply, Err(Refusal::new(Code::NotAMaster, message)));
        }
        state.next_verb += 1;
        let number = state.next_verb;
        let prepared = match verb {
            Verb::Start { scenario, users, settings } => {
                self.prepare_start(state, scenario, users, settings)
            }
            Verb::Set { settings, nodes } => prepare_set(state, number, settings, nodes),
            other => Ok(Prepared::Verb(other)),
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(refusal) => return answer(reply, Err(refusal)),
        };
        state.verbs.insert(number, reply);
        let core = &mut state.core;
        match prepared {
            Prepared::Start(plan) => core.start(now, number, plan),
            Prepared::Set(set) => core.set(now, set),
            Prepared::Verb(Verb::Add { count, nodes }) => core.add(now, number, count, &nodes),
            Prepared::Verb(Verb::Remove { count, force, nodes }) => {
                core.remove(now, number, count, force, &nodes);
            }
            Prepared::Verb(Verb::Drain { node }) => core.drain(now, number, &node),
            Prepared::Verb(Verb::Stop) => core.stop(now, number),
            Prepared::Verb(Verb::StopGracefully) => core.stop_gracefully(now, number),
            Prepared::Verb(_) => core.reset(now, number),
        }
    }

    fn prepare_start(
        &self,
        state: &mut State,
        scenario: String,
        users: u64,
        settings: Vec<(String, String)>,
    ) -> Result<Prepared, Refusal> {
        let resolved = Resolved::new(&self.options, &scenario, &settings);
        let checked = resolved.and_then(|resolved| {
            // Not only a courtesy: nobody commands a run without being master.
            if !state.leadership.leads() {
                let message = "this node is not master any more; try again";
                return Err(Refusal::new(Code::NotAMaster, message));
            }
            state.core.check_start(users).map(|()| resolved)
        });
        let resolved = match checked {
            Ok(resolved) => resolved,
            Err(refusal) => {
                if state.core.is_idle() {
                    state.leadership.resign();
                }
                return Err(refusal);
            }
        };
        let load = resolved.load()?;
        if load.is_some() {
            takes_users(users)?;
        }
        let settings = resolved.for_workers(settings);
        state.candidate = Some(resolved);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{}-{}-{}", self.mesh.me(), since.as_millis(), state.runs + 1);
        Ok(Prepared::Start(Plan { id, scenario, users, settings, load }))
    }
}

/// A verb whose settings are checked.
enum Prepared {
    Start(Plan),
    Set(Set),
    Verb(Verb),
}

fn prepare_set(
    state: &State,
    verb: u64,
    settings: Vec<(String, String)>,
    nodes: Vec<String>,
) -> Result<Prepared, Refusal> {
    let (changed, hooks) = match &state.resolved {
        Some(resolved) => {
            let change = resolved.change(&settings, &nodes)?;
            let hooks = change.hooks.iter().filter(|name| !RATES.contains(&name.as_str())).count();
            (change.changed, hooks)
        }
        // Without a run the core refuses.
        None => Default::default(),
    };
    let hooks = u32::try_from(hooks).unwrap_or(u32::MAX);
    Ok(Prepared::Set(Set { verb, settings, changed, hooks, nodes }))
}

fn account(state: &State, now: Duration) -> Option<ClusterAccount> {
    let run = state.core.run()?;
    let totals = run.totals();
    let mut nodes: Vec<_> = run.parts.values().map(|part| part.worker.to_string()).collect();
    nodes.sort();
    nodes.dedup();
    let settings = state.resolved.as_ref().map(Resolved::texts).unwrap_or_default();
    let rate = settings.iter().find(|(name, _)| name == USER_RATE);
    Some(ClusterAccount {
        id: run.id.clone(),
        scenario: run.scenario.clone(),
        state: run.state(),
        reason: run.reason.clone(),
        started: state.started,
        elapsed: state.core.elapsed(now),
        users: totals.users,
        endings: totals.endings,
        nodes,
        user_rate: rate.and_then(|(_, rate)| rate.clone()),
        settings,
        gaps: gaps(run),
        arrivals: run.tallies(),
        profile_began: run.plan.as_ref().and_then(|plan| plan.began),
    })
}

/// Answers somebody who may have stopped waiting, which is no concern of ours.
pub(super) fn answer<T: Send + 'static>(reply: RpcReplyPort<T>, value: T) {
    let _ = reply.send(value);
}
