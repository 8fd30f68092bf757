//! From declarations, environment and arguments to checked values.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::env;
use super::{
    Check, Declaration, Declarations, Environment, Fault, FaultKind, Faults, Origin, RUNTIME,
    Value, Values,
};
use crate::{
    panic::{panic_text, untold},
    suggestion::did_you_mean,
};

/// Resolves all values: default < environment < given. An empty variable is taken for unset; an
/// empty text that is given means "none" where a value may be absent. Whatever value is used is
/// checked, once, and so are defaults.
///
/// Names in `reserved` cannot be declared by a scenario.
///
/// Of settings the runtime declares (`user_rate`) the environment is not asked: their default is
/// the node's setting, in which the environment had its say already.
///
/// # Errors
/// With every fault at once: keys nobody declared, keys given twice, and then, in the order of
/// declaration, values that are missing, are not of their type, or are refused by their check. A
/// value of the environment that cannot be used is a fault as well, never a reason to fall back
/// to the default.
pub fn resolve(
    declarations: &Declarations,
    given: &[(String, String)],
    environment: &dyn Environment,
    reserved: &[&str],
) -> Result<Values, Faults> {
    declarations.check(reserved)?;
    let mut faults = faults_of_keys(declarations, given);
    let mut values = Values::default();
    for declaration in &declarations.all {
        let texts: Vec<_> = given.iter().filter(|(name, _)| *name == declaration.name).collect();
        let resolved = match texts.as_slice() {
            [] => resolve_absent(declaration, environment),
            [(_, text)] => checked(declaration, text, Origin::Argument),
            // Told by `faults_of_keys`; which of them is meant nobody knows.
            _ => continue,
        };
        match resolved {
            Ok(value) => drop(values.all.insert(declaration.name.clone(), value)),
            Err(fault) => faults.push(fault),
        }
    }
    Faults(faults).none_or(values)
}

/// The faults of the keys themselves: nobody declared them, or they are given twice.
pub(super) fn faults_of_keys(
    declarations: &Declarations,
    given: &[(String, String)],
) -> Vec<Fault> {
    let (mut seen, mut told) = (BTreeSet::new(), BTreeSet::new());
    let (mut undefined, mut repeated) = (Vec::new(), Vec::new());
    for (name, _) in given {
        let first = seen.insert(name);
        if declarations.get(name).is_none() {
            if first {
                let reason = no_such_setting(name, declarations);
                undefined.push(fault(name, FaultKind::Undefined, reason));
            }
        } else if !first && told.insert(name) {
            repeated.push(fault(name, FaultKind::Repeated, "is given more than once".into()));
        }
    }
    undefined.extend(repeated);
    undefined
}

fn no_such_setting(name: &str, declarations: &Declarations) -> String {
    let near = did_you_mean(name, declarations.names());
    if !near.is_empty() {
        return format!("is not a setting of this scenario{near}");
    }
    let names: Vec<_> = declarations.names().collect();
    match names.is_empty() {
        true => "is not a setting of this scenario, which has none".into(),
        false => format!("is not a setting of this scenario (it has: {})", names.join(", ")),
    }
}

/// The value of a setting that no argument gives.
fn resolve_absent(
    declaration: &Declaration,
    environment: &dyn Environment,
) -> Result<Value, Fault> {
    let variable = env::variable(&declaration.name);
    let set = match declaration.owner.as_str() {
        RUNTIME => None,
        _ => environment.get(&variable).filter(|text| !text.is_empty()),
    };
    match (set, &declaration.default) {
        (Some(text), _) => checked(declaration, &text, Origin::Environment(variable)),
        (None, Some(text)) => checked(declaration, text, Origin::Default),
        (None, None) if declaration.optional => checked(declaration, "", Origin::Default),
        (None, None) => {
            let Declaration { name, type_name, description, allowed, .. } = declaration;
            let about = description.lines().next().unwrap_or_default();
            let kind = match allowed.is_empty() {
                true => type_name.clone(),
                false => format!("one of {}", allowed.join(", ")),
            };
            let reason = format!("must be given, as {name}=… or in {variable} ({kind}): {about}");
            Err(fault(name, FaultKind::Missing, reason))
        }
    }
}

fn fault(name: &str, kind: FaultKind, reason: String) -> Fault {
    Fault { setting: name.to_owned(), kind, value: None, origin: None, reason }
}

/// Reads and checks a text: the one call of a setting's check.
pub(super) fn checked(
    declaration: &Declaration,
    text: &str,
    origin: Origin,
) -> Result<Value, Fault> {
    let canonical = called(declaration, &declaration.check, text, &origin)?;
    Ok(declaration.value(canonical, origin))
}

/// Calls the scenario's code, which may refuse or panic. The panic is logged too, by its place.
pub(super) fn called(
    declaration: &Declaration,
    check: &Check,
    text: &str,
    origin: &Origin,
) -> Result<String, Fault> {
    let (kind, reason) = match untold(|| catch_unwind(AssertUnwindSafe(|| check(text)))) {
        Ok(Ok(canonical)) => return Ok(canonical),
        Ok(Err(reason)) => (FaultKind::Refused, reason),
        Err(panic) => (FaultKind::Panicked, format!("its check panicked: {}", panic_text(&*panic))),
    };
    Err(Fault {
        setting: declaration.name.clone(),
        kind,
        value: Some(declaration.secrecy.masked(text).into_owned()),
        origin: Some(origin.clone()),
        reason: declaration.secrecy.unquoted(&reason, text),
    })
}
