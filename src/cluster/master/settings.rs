//! The settings of the run as the master knows them: checked here before any worker is asked.

use std::sync::Arc;

use crowd_core::{
    refusal::{Code, Refusal},
    settings::{Change, Declarations, Values},
};
use crowd_plan::run_settings::check_thresholds;
use crowd_plan::{
    load::plan::Plan,
    run_settings::{
        LoadSettings, RATES, USER_RATE, check_change_of_iteration_rate, check_iteration_rate,
    },
};

use super::{MasterOptions, core::plan::Load};
use crate::{
    controller::{message::SettingView, run::full_declarations},
    scenario::settings,
};

/// The checked settings of a run.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    declarations: Declarations,
    values: Values,
}

impl Resolved {
    /// Checks the settings of a `do`.
    ///
    /// # Errors
    /// If there is no such scenario, or any setting is refused.
    pub(super) fn new(
        options: &MasterOptions,
        scenario: &str,
        given: &[(String, String)],
    ) -> Result<Self, Refusal> {
        let registered = options.catalog.get(scenario)?;
        let declarations = full_declarations(&*registered, &options.user_rate);
        let values = settings::resolve(&declarations, given, &*options.environment)?;
        let values = settings::with_rate_of_profile(values);
        check_thresholds(&values)?;
        check_iteration_rate(&values)?;
        Ok(Self { declarations, values })
    }

    /// What the workers are given: what was given here, and the rate that is the same for all.
    pub(super) fn for_workers(&self, given: Vec<(String, String)>) -> Vec<(String, String)> {
        let mut all = given;
        if !all.iter().any(|(name, _)| name == USER_RATE)
            && let Some(rate) = self.values.get(USER_RATE)
        {
            all.push((USER_RATE.to_owned(), rate.to_owned()));
        }
        all
    }

    /// The load profile, if there is one.
    ///
    /// # Errors
    /// If its settings are not among those resolved, which cannot happen.
    pub(super) fn load(&self) -> Result<Option<Load>, Refusal> {
        let settings = LoadSettings::of(&self.values)?;
        let graceful_stop = settings.graceful_stop;
        let plan = Plan::of(&settings).map(Arc::new);
        Ok(plan.map(|plan| Load { plan, graceful_stop }))
    }

    /// Checks changed settings.
    ///
    /// # Errors
    /// If any is refused, or one that is the same for all is to change on some nodes only.
    pub(super) fn change(
        &self,
        given: &[(String, String)],
        nodes: &[String],
    ) -> Result<Change, Refusal> {
        let is_rate = |(name, _): &&(String, String)| RATES.contains(&name.as_str());
        if let Some((name, _)) = given.iter().find(is_rate).filter(|_| !nodes.is_empty()) {
            let message = format!("`{name}` is one for all nodes; set it without naming any");
            return Err(Refusal::new(Code::BadUsage, message));
        }
        let change = settings::update(&self.declarations, &self.values, given)?;
        check_change_of_iteration_rate(&self.values, &change)?;
        Ok(change)
    }

    /// These hold from now on.
    pub(super) fn apply(&mut self, given: &[(String, String)]) {
        // They were checked, and nothing has changed since but by the same way.
        if let Ok(change) = settings::update(&self.declarations, &self.values, given) {
            self.values = change.values;
        }
    }

    /// All settings with their values, in the order of declaration.
    pub(super) fn views(&self) -> Vec<SettingView> {
        let all = self.declarations.all.iter();
        all.filter_map(|declaration| {
            let value = self.values.all.get(&declaration.name)?.clone();
            Some(SettingView { declaration: declaration.clone(), value })
        })
        .collect()
    }

    /// All settings as texts that may be shown.
    pub(super) fn texts(&self) -> Vec<(String, Option<String>)> {
        let views = self.views().into_iter();
        views
            .map(|SettingView { declaration, value }| {
                let shown = value.text.as_ref().map(|_| declaration.shown(&value).into_owned());
                (declaration.name, shown)
            })
            .collect()
    }
}
