//! How the controller makes the load of a plan: users that are kept at a number, users that are
//! started for arrivals, and the end of it all.

use std::{sync::Arc, time::Duration};

use crowd_core::{
    moment,
    refusal::{Code, Refusal},
    settings::Values,
    user_id::IdSet,
};
use crowd_plan::{
    load::{
        desk::{Arrival, Deal},
        gate::{Gate, Standing},
        plan::{Dealt, Plan},
        share::Share,
        status::PlanStatus,
        tally::Tallies,
    },
    run_settings::LoadSettings,
};
use ractor::ActorRef;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Controller, State,
    machine::{RunState, Timer},
    message::{ControllerMessage, ControllerOptions, Dealing},
    run::ActiveRun,
};
use crate::{cluster::protocol::run::PlanBeat, user::supervisor::SupervisorMessage};

/// How often the number of users is brought to what the plan asks for.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// How many times as many users as there are may be replaced between two ticks.
const MOST_REPLACED: u64 = 20;

/// The load of a run that has a plan.
pub(crate) struct ActiveLoad {
    pub(super) plan: Arc<Plan>,
    pub(super) gate: Gate,
    graceful_stop: Duration,
    /// When it is over at the latest; `None`: it goes on.
    ending: Option<Instant>,
    /// How many users were replaced since the last tick.
    replaced: u64,
    /// How many users a master wants kept here.
    target: u64,
    /// The last word of the master that was heard.
    heard: u64,
    /// Whether no arrivals of the master will come for a while.
    pause: bool,
    /// Whether the master has said that nobody is needed any more.
    over: bool,
    /// Whether it ends before the plan does.
    cut: bool,
}

impl ActiveLoad {
    /// That of a run with these settings; `None` if it follows no plan.
    ///
    /// # Errors
    /// If the settings are not among the values.
    pub(super) fn of(values: &Values) -> Result<Option<Self>, Refusal> {
        let settings = LoadSettings::of(values)?;
        let Some(plan) = Plan::of(&settings).map(Arc::new) else { return Ok(None) };
        let gate = Gate::new(plan.clone(), &settings);
        let graceful_stop = settings.graceful_stop;
        Ok(Some(Self {
            plan,
            gate,
            graceful_stop,
            ending: None,
            replaced: 0,
            target: 0,
            heard: 0,
            pause: false,
            over: false,
            cut: false,
        }))
    }

    /// Nothing more arrives; what has may finish until `by`.
    pub(super) fn cut(&mut self, by: Instant) {
        self.cut = true;
        self.ending = Some(by);
        self.gate.close();
    }

    /// Whether nobody is needed any more once the plan is over: kept users are, as long as arrivals
    /// wait for them; others have begun what they were started for.
    fn is_done_with_users(&self) -> bool {
        !self.gate.keeps() || self.gate.is_clear()
    }

    /// Whether so many users may be asked for beside it: none.
    ///
    /// # Errors
    /// `invalid-range` if there are any.
    pub(super) fn takes_users(&self, users: u64) -> Result<(), Refusal> {
        takes_users(users)
    }
}

/// Whether so many users may be asked for beside a profile: none.
///
/// # Errors
/// `invalid-range` if there are any.
pub(crate) fn takes_users(users: u64) -> Result<(), Refusal> {
    if users == 0 {
        return Ok(());
    }
    let message = format!(
        "{users} users cannot be asked for beside a load profile, which says how many there are: \
         leave the number out"
    );
    Err(Refusal::new(Code::InvalidRange, message))
}

/// Why a verb is refused that would disturb a plan.
pub(crate) fn has_a_plan(verb: &str) -> Refusal {
    let message = format!(
        "`{verb}` would change the load, and this run follows a load profile; `stop` ends it"
    );
    Refusal::new(Code::InvalidStatus, message)
}

impl ActiveRun {
    /// The plan begins, or may be dealt from now on.
    pub(super) fn begin_load(
        &mut self,
        options: &ControllerOptions,
        controller: &ActorRef<ControllerMessage>,
    ) {
        let (run, follows) = (self.number(), self.follows());
        let Some(load) = &self.load else { return };
        let gate = load.gate.clone();
        if !follows {
            let mut deals = Vec::new();
            for row in load.plan.deal(&mut Dealt::default(), Duration::MAX) {
                let most_users = load.plan.most_users(row.stage);
                deals.push(Deal { row, share: Share::ALL, most_users });
            }
            gate.deal(deals);
            gate.begin(Instant::now());
        }
        let ticks = controller.clone();
        self.services().spawn_for_run(async move {
            let mut clock = interval(TICK);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                if ticks.cast(ControllerMessage::Follow { run }).is_err() {
                    return;
                }
            }
        });
        let controller = controller.clone();
        let start = move |arrivals| {
            // Fails only when the controller is gone, and the node with it.
            let _ = controller.cast(ControllerMessage::Arrive { run, arrivals });
        };
        self.services().spawn_for_run(gate.keep(options.fence.clone(), start));
    }
}

impl ActiveRun {
    /// When the plan began, since the run was asked for.
    pub(super) fn profile_began(&self) -> Option<Duration> {
        let began = self.load.as_ref()?.gate.began()?;
        Some(began.saturating_duration_since(self.began))
    }

    /// How far the plan is.
    pub(super) fn plan_status(&self) -> Option<PlanStatus> {
        let load = self.load.as_ref()?;
        let elapsed = self.elapsed().saturating_sub(self.profile_began()?);
        Some(load.plan.status(elapsed, load.gate.tally()))
    }
}

impl Controller {
    /// Users are to be started for these arrivals, which may have waited for a user to end.
    pub(super) fn arrive(&self, state: &mut State, run: u64, arrivals: &[Arrival], waited: bool) {
        if !state.is_current(run) || arrivals.is_empty() {
            return;
        }
        let ids = state.machine.arrive(arrivals.len() as u64);
        let Some(run) = &state.run else { return };
        let Some(load) = &run.load else { return };
        let Some(scenario) = run.running() else { return load.gate.refused(arrivals) };
        let began = load.gate.began().unwrap_or_else(Instant::now);
        let mut rest = arrivals;
        for range in ids.ranges() {
            let count = usize::try_from(range.end() - range.start() + 1).unwrap_or(usize::MAX);
            let Some((these, others)) = rest.split_at_checked(count) else { break };
            rest = others;
            let dues: Arc<[Instant]> = these.iter().map(|arrival| began + arrival.due).collect();
            let ids: Arc<IdSet> = Arc::new(IdSet::from(vec![range.into_inner()]));
            state.tell_supervisors(|| SupervisorMessage::Start {
                scenario: scenario.clone(),
                name: run.scenario(),
                ids: ids.clone(),
                directory: run.services().directory.clone(),
                measure: run.services().measure.clone(),
                dues: Some(dues.clone()),
                gate: (!waited).then(|| load.gate.clone()),
                done: None,
            });
        }
        if state.machine.state() == RunState::Running {
            // There will be ids for them.
            load.gate.postponed(rest);
        } else {
            load.gate.refused(rest);
        }
    }

    /// Brings the number of users to what the plan of this node's own run asks for by now, and ends
    /// the run when all of it is over.
    pub(super) fn follow(&self, myself: &ActorRef<ControllerMessage>, state: &mut State, run: u64) {
        if !state.is_current(run) || state.machine.state() != RunState::Running {
            return;
        }
        let Some(active) = &mut state.run else { return };
        let follows = active.follows();
        let Some(load) = &mut active.load else { return };
        load.replaced = 0;
        if follows {
            let target = load.target;
            if load.pause && load.gate.is_clear() {
                load.gate.dismiss();
            }
            if load.over && load.is_done_with_users() {
                let commands = state.machine.retire_all();
                self.perform(myself, state, commands);
                return self.let_go(state);
            }
            return self.keep_at(myself, state, target);
        }
        let now = Instant::now();
        let Some(began) = load.gate.began() else { return };
        let elapsed = now.saturating_duration_since(began);
        let clear = load.gate.is_clear();
        if !load.plan.is_open(elapsed) && load.gate.is_quiet(elapsed) {
            load.gate.dismiss();
        }
        if !load.plan.is_over(elapsed) && !load.cut {
            let target = load.plan.target_users(elapsed);
            return self.keep_at(myself, state, target);
        }
        let counts = state.machine.population().counts();
        let deadline = *load.ending.get_or_insert_with(|| {
            moment::after(began + load.plan.start_of(usize::MAX), load.graceful_stop)
        });
        // Those that were let in and did not come here yet are among the users of the gate.
        let nobody = counts.waiting + counts.running + load.gate.users() == 0;
        if clear && nobody || now >= deadline {
            // What has no time left is lost before its users are told to stop.
            if let Ok(commands) = state.machine.stop() {
                self.perform(myself, state, commands);
            }
        } else if load.is_done_with_users() {
            // Users that were started meanwhile are no longer needed either.
            let commands = state.machine.retire_all();
            self.perform(myself, state, commands);
            self.let_go(state);
        } else {
            self.keep_at(myself, state, 0);
        }
    }

    /// So many users that were kept have finished: as many as the plan asks for are replaced at once.
    /// Those that failed are replaced at the next tick, and so is who ends as soon as it begins: a
    /// target that is down is not to be overrun.
    pub(super) fn replace(&self, state: &mut State, finished: u64) {
        if state.machine.state() != RunState::Running {
            return;
        }
        let Some(active) = &mut state.run else { return };
        if active.finish_by.is_some() {
            return;
        }
        let follows = active.follows();
        let Some(load) = &mut active.load else { return };
        let kept = state.machine.population().kept();
        let target = match load.gate.began() {
            _ if follows => load.target,
            Some(began) => load.plan.target_users(began.elapsed()),
            None => 0,
        };
        let allowed = (target * MOST_REPLACED).saturating_sub(load.replaced);
        let count = target.saturating_sub(kept).min(finished).min(allowed);
        if count > 0 {
            load.replaced += count;
            let (_, commands) = state.machine.keep(count);
            self.demand(state, &commands);
        }
    }

    fn keep_at(&self, myself: &ActorRef<ControllerMessage>, state: &mut State, target: u64) {
        let kept = state.machine.population().kept();
        if target > kept {
            let count = target - kept;
            let (added, commands) = state.machine.keep(count);
            self.demand(state, &commands);
            if added > 0 {
                self.emit_users(state, added, "add");
            }
        } else if kept > target {
            let (chosen, commands) = state.machine.retire(kept - target);
            self.perform(myself, state, commands);
            self.emit_users(state, chosen, "retire");
        }
    }

    /// From a master: more of its plan.
    pub(super) fn deal(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &mut State,
        dealing: Dealing,
    ) {
        let Dealing { began, words } = dealing;
        state.machine.reserve(&words.reserve);
        let Some(load) = state.run.as_mut().and_then(|run| run.load.as_mut()) else { return };
        load.gate.begin(began);
        load.gate.deal(words.deals);
        load.pause = words.pause;
        load.target = words.users;
        load.heard = words.message;
        load.over = words.over;
        // Arrivals that waited for ids.
        let arrivals = load.gate.ended(0);
        let run = state.run.as_ref().map_or(0, ActiveRun::number);
        self.arrive(state, run, &arrivals, true);
        self.follow(myself, state, run);
    }

    /// Tells users that they are no longer needed, and those that do not end to stop, later.
    pub(super) fn retired(
        &self,
        myself: &ActorRef<ControllerMessage>,
        state: &State,
        ids: IdSet,
        timer: Timer,
    ) {
        let ids = Arc::new(ids);
        state.tell_supervisors(|| SupervisorMessage::Retire(ids.clone()));
        let Some(run) = &state.run else { return };
        let Some(load) = &run.load else { return };
        let (grace, controller, number) = (load.graceful_stop, myself.clone(), run.number());
        run.services().spawn_for_run(async move {
            tokio::time::sleep(grace).await;
            // Fails only when the controller is gone, and its users with it.
            let _ = controller.cast(ControllerMessage::Overdue { run: number, timer });
        });
    }
}

impl State {
    /// Refuses a verb that would disturb a plan.
    pub(super) fn without_plan(&self, verb: &str) -> Result<(), Refusal> {
        match self.run.as_ref().and_then(|run| run.load.as_ref()) {
            Some(_) => Err(has_a_plan(verb)),
            None => Ok(()),
        }
    }

    /// What became of arrivals here.
    pub(super) fn tallies(&self) -> Tallies {
        let load = self.run.as_ref().and_then(|run| run.load.as_ref());
        load.map(|load| load.gate.standing().tallies).unwrap_or_default()
    }

    /// How a master's plan stands here.
    pub(super) fn plan_beat(&self) -> PlanBeat {
        let Some(load) = self.run.as_ref().and_then(|run| run.load.as_ref()) else {
            return PlanBeat::default();
        };
        let Standing { tallies, users, serving } = load.gate.standing();
        let population = self.machine.population();
        PlanBeat {
            heard: load.heard,
            kept: population.kept_living(),
            serving,
            coming: users.saturating_sub(population.arrived()),
            reserved: population.reserved().unwrap_or(0),
            tallies,
        }
    }
}
