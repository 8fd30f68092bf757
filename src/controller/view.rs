//! What the controller tells those who ask.

use crowd_core::{
    refusal::{Code, Refusal},
    user_id::UserId,
};
use crowd_plan::run_settings::USER_RATE;

use super::{
    State,
    message::{Account, ControllerOptions, SettingView, Status, UserView},
    run::ActiveRun,
};

impl State {
    pub(super) fn status(&self, options: &ControllerOptions) -> Status {
        let run = self.run.as_ref();
        Status {
            node: options.node.to_string(),
            state: self.machine.state(),
            reason: self.machine.reason().map(str::to_owned),
            scenario: run.map(|run| run.scenario().to_owned()),
            users: self.machine.population().counts(),
            highest_user_id: self.machine.population().highest_id(),
            user_rate: run.and_then(|run| run.values.get(USER_RATE).map(str::to_owned)),
            elapsed: run.map(ActiveRun::elapsed).unwrap_or_default(),
            // A part of a cluster's plan is not all of it: that is for the master to tell.
            profile: run.filter(|run| !run.follows()).and_then(ActiveRun::plan_status),
        }
    }

    pub(super) fn users(&self, options: &ControllerOptions, limit: usize) -> Vec<UserView> {
        let ids = self.machine.population().running_ids().take(limit);
        ids.filter_map(|id| self.user(options, id).ok()).collect()
    }

    pub(super) fn user(
        &self,
        options: &ControllerOptions,
        id: UserId,
    ) -> Result<UserView, Refusal> {
        let node = options.node.to_string();
        let view = |state: &str, age, failure| UserView {
            id,
            state: state.to_owned(),
            age,
            node,
            failure,
        };
        let population = self.machine.population();
        if let Some(state) = population.state_of(id) {
            let run = self.run.as_ref();
            let core = run.and_then(|run| run.services().directory.get(id));
            return Ok(view(state, core.map(|core| core.started().elapsed()), None));
        }
        if let Some(ending) = self.endings.of(id) {
            return Ok(view(ending.state, Some(ending.age), Some(ending.reason.clone())));
        }
        if id.0 >= 1 && id.0 <= population.highest_id() {
            return Ok(view("gone", None, None));
        }
        Err(Refusal::new(
            Code::NoSuchUser,
            format!("no user {id} was ever added; the highest id is {}", population.highest_id()),
        ))
    }
}

impl ActiveRun {
    pub(super) fn settings(&self) -> Vec<SettingView> {
        self.declarations
            .all
            .iter()
            .filter_map(|declaration| {
                let value = self.values.all.get(&declaration.name)?.clone();
                Some(SettingView { declaration: declaration.clone(), value })
            })
            .collect()
    }

    /// Everything a report tells of the run but what was measured.
    pub(super) fn account(&self, state: &State) -> Account {
        let texts = self.settings().into_iter().map(|SettingView { declaration, value }| {
            let shown = value.text.as_ref().map(|_| declaration.shown(&value).into_owned());
            (declaration.name, shown)
        });
        Account {
            number: self.number(),
            scenario: self.scenario(),
            settings: texts.collect(),
            state: state.machine.state(),
            reason: state.machine.reason().map(str::to_owned),
            started: self.started,
            began: self.began,
            elapsed: self.elapsed(),
            users: state.machine.population().counts(),
            endings: state.endings.counts(),
            arrivals: state.tallies(),
            profile_began: self.profile_began(),
            gate: self.load.as_ref().map(|load| load.gate.clone()),
            measure: self.services.measure.clone(),
            ended: self.ended.as_ref().map(|(_, ended)| ended.clone()),
        }
    }
}
