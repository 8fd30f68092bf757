//! Settings that change while a scenario runs: all or nothing. After amoc's config_scenario suite.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crowd::{
    refusal::{Code, Refusal},
    scenario::settings::{
        Change, Declaration, Declarations, Faults, Origin, Update, Value, Values, resolve, update,
    },
};
use proptest::prelude::*;

/// Four numbers and an optional one; the checks of the first two are logged, and double the value.
struct Scene {
    declarations: Declarations,
    values: Values,
    calls: Arc<Mutex<Vec<(&'static str, u32)>>>,
}

impl Scene {
    fn new() -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let logged = |name: &'static str, change| {
            let calls = calls.clone();
            Declaration::of::<u32>(name).description("Doubled.").default(1).update(change).check(
                move |value| {
                    calls.lock().unwrap().push((name, value));
                    match value {
                        999 => panic!("999"),
                        0..=99 => Ok(value * 2),
                        _ => Err("not below 100"),
                    }
                },
            )
        };
        let declarations = Declarations::new("Scene")
            .with(logged("hooked", Update::Hook))
            .with(logged("free", Update::Free))
            .with(Declaration::of::<u32>("fixed").description("Fixed.").default(7))
            .include(
                Declarations::new("Group")
                    .with(Declaration::of::<u32>("group_fixed").description("Fixed.").default(7)),
            )
            .with(
                Declaration::of::<Option<u32>>("maybe")
                    .description("Perhaps.")
                    .update(Update::Hook),
            );
        let none = BTreeMap::new();
        let values = resolve(&declarations, &[], &none).unwrap();
        calls.lock().unwrap().clear();
        Self { declarations, values, calls }
    }

    fn update<const N: usize>(&self, given: [(&str, &str); N]) -> Result<Change, Faults> {
        let given: Vec<_> =
            given.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        update(&self.declarations, &self.values, &given)
    }

    fn refused<const N: usize>(&self, given: [(&str, &str); N]) -> (Code, Vec<String>) {
        let faults = self.update(given).unwrap_err();
        (faults.code(), faults.0.iter().map(ToString::to_string).collect())
    }

    fn calls(&self) -> Vec<(&'static str, u32)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

#[test]
fn changed_values_are_checked_once_and_told_in_order_of_declaration() {
    let scene = Scene::new();
    let change = scene.update([("maybe", "3"), ("free", "20"), ("hooked", "10")]).unwrap();
    assert_eq!(change.changed, ["hooked", "free", "maybe"]);
    assert_eq!(change.hooks, ["hooked", "maybe"]);
    assert_eq!(scene.calls(), [("hooked", 10), ("free", 20)]);
    let set = |text: &str| Value { text: Some(text.into()), origin: Origin::Set };
    assert_eq!(change.values.all["hooked"], set("20"));
    assert_eq!(change.values.all["free"], set("40"));
    assert_eq!(change.values.all["maybe"], set("3"));
    assert_eq!(change.values.all["fixed"], scene.values.all["fixed"]);
}

#[test]
fn of_two_given_values_only_the_changed_one_counts() {
    let scene = Scene::new();
    let change = scene.update([("hooked", "2"), ("free", "20")]).unwrap();
    assert_eq!((change.changed, change.hooks), (vec!["free".to_owned()], vec![]));
    assert_eq!(scene.calls(), [("free", 20)]);
    assert_eq!(change.values.all["hooked"].origin, Origin::Default);
}

#[test]
fn nothing_given_changes_nothing() {
    let scene = Scene::new();
    let change = scene.update([]).unwrap();
    assert!(change.changed.is_empty() && change.hooks.is_empty() && scene.calls().is_empty());
    assert_eq!(change.values, scene.values);
}

// The stored value of `hooked` is 2, because the check doubled the default.
#[test]
fn a_value_that_is_stored_already_is_neither_checked_nor_told() {
    let scene = Scene::new();
    for text in ["2", " 02 "] {
        let change = scene.update([("hooked", text), ("maybe", "")]).unwrap();
        assert!(change.changed.is_empty() && scene.calls().is_empty(), "{text}");
        assert_eq!(change.values, scene.values);
    }
}

// amoc compares before its check alone and would call the hook here.
#[test]
fn a_value_that_the_check_turns_into_the_stored_one_is_no_change() {
    let scene = Scene::new();
    let change = scene.update([("hooked", "1")]).unwrap();
    assert_eq!(scene.calls(), [("hooked", 1)]);
    assert!(change.changed.is_empty());
    assert_eq!(change.values, scene.values);
}

#[test]
fn an_optional_value_can_be_taken_away() {
    let mut scene = Scene::new();
    scene.values = scene.update([("maybe", "3")]).unwrap().values;
    let change = scene.update([("maybe", "")]).unwrap();
    assert_eq!(change.changed, ["maybe"]);
    assert_eq!(change.values.all["maybe"], Value { text: None, origin: Origin::Set });
}

#[test]
fn all_that_may_not_change_are_named_even_if_they_would_not() {
    let scene = Scene::new();
    let (code, faults) =
        scene.refused([("group_fixed", "7"), ("free", "20"), ("fixed", "8"), ("hooked", "500")]);
    assert_eq!(code, Code::ReadonlyParameters);
    assert_eq!(
        faults,
        [
            "`fixed` of `Scene` cannot change during a run",
            "`group_fixed` of `Group` cannot change during a run"
        ]
    );
    assert_eq!(scene.calls(), []);
}

#[test]
fn one_bad_value_among_two_refuses_both_and_every_bad_one_is_told() {
    let scene = Scene::new();
    let (code, faults) = scene.refused([("free", "100"), ("hooked", "5")]);
    assert_eq!(code, Code::ParametersVerificationFailed);
    assert_eq!(faults, ["`free` = `100`: not below 100"]);
    let (_, faults) = scene.refused([("maybe", "x"), ("hooked", "999")]);
    assert_eq!(
        faults,
        [
            "`hooked` = `999`: its check panicked: 999",
            "`maybe` = `x`: not a whole number from 0 to 4294967295"
        ]
    );
}

#[test]
fn keys_that_nobody_declared_or_that_are_given_twice_are_refused_before_any_check() {
    let scene = Scene::new();
    let (code, faults) =
        scene.refused([("fre", "1"), ("free", "1"), ("fixed", "1"), ("free", "2")]);
    assert_eq!(code, Code::UndefinedParameters);
    assert_eq!(
        faults,
        [
            "`fre` is not a setting of this scenario; did you mean `free`?",
            "`fixed` of `Scene` cannot change during a run",
            "`free` is given more than once",
        ]
    );
    assert_eq!(scene.calls(), []);
    let refusal = Refusal::from(scene.update([("free", "1"), ("free", "1")]).unwrap_err());
    assert_eq!(refusal.code, Code::ParametersVerificationFailed);
}

proptest! {
    /// Whatever is given: either everything that was asked for holds afterwards, or it was
    /// refused; and what is told as changed is exactly what differs.
    #[test]
    fn an_update_tells_exactly_what_differs(
        given in prop::collection::vec(
            (prop::sample::select(vec!["hooked", "free", "maybe", "fixed", "zz"]), 0u32..120),
            0..4,
        ),
    ) {
        let scene = Scene::new();
        let texts: Vec<_> =
            given.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        let before = scene.values.clone();
        if let Ok(change) = update(&scene.declarations, &scene.values, &texts) {
            for declaration in &scene.declarations.all {
                let name = &declaration.name;
                let differs = change.values.get(name) != before.get(name);
                prop_assert_eq!(differs, change.changed.contains(name));
                let hook = declaration.update == Update::Hook;
                prop_assert_eq!(differs && hook, change.hooks.contains(name));
            }
            for (name, value) in &given {
                let stored: u32 = change.values.get(name).unwrap().parse().unwrap();
                prop_assert!(stored == *value || *name != "maybe" && stored == value * 2);
            }
        } else {
            let wrong = |(name, value): &(&str, u32)| match *name {
                "fixed" | "zz" => true,
                "maybe" => false,
                _ => *value > 99,
            };
            let twice = given.iter().enumerate().any(|(index, (name, _))| {
                given.iter().take(index).any(|(other, _)| other == name)
            });
            prop_assert!(twice || given.iter().any(wrong));
        }
    }
}
