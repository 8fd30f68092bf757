//! Changes of settings while a scenario runs.

use super::{
    Declaration, Declarations, Fault, FaultKind, Faults, Origin, Update, Value, Values,
    resolve::{called, checked, faults_of_keys},
};

/// What an update changes.
#[derive(Debug, Clone)]
pub struct Change {
    /// All values after it.
    pub values: Values,
    /// Names that really changed, in order of declaration.
    pub changed: Vec<String>,
    /// Those of them with a hook.
    pub hooks: Vec<String>,
}

/// Changes values during a run: all or nothing. A value that is the stored one already is dropped
/// without a check, whether the text is the stored one or only means the same; so is one that the
/// check turns into the stored one.
///
/// # Errors
/// Keys nobody declared, those that may not change (even if the value would stay as it is), and
/// those given twice are told together, and no check is called then. Otherwise with every value
/// that is refused. Nothing changes in either case.
pub fn update(
    declarations: &Declarations,
    values: &Values,
    given: &[(String, String)],
) -> Result<Change, Faults> {
    let mut faults = faults_of_keys(declarations, given);
    let asked: Vec<(&Declaration, &str)> = declarations
        .all
        .iter()
        .filter_map(|declaration| {
            let (_, text) = given.iter().find(|(name, _)| *name == declaration.name)?;
            Some((declaration, text.as_str()))
        })
        .collect();
    let fixed = asked.iter().filter(|(declaration, _)| declaration.update == Update::ReadOnly);
    faults.extend(fixed.map(|(declaration, _)| Fault {
        setting: declaration.name.clone(),
        kind: FaultKind::ReadOnly,
        value: None,
        origin: None,
        reason: format!("of `{}` cannot change during a run", declaration.owner),
    }));
    faults.sort_by_key(|fault| fault.kind);
    Faults(faults).none_or(())?;

    let mut change = Change { values: values.clone(), changed: Vec::new(), hooks: Vec::new() };
    let mut faults = Vec::new();
    for (declaration, text) in asked {
        match changed(declaration, values.all.get(&declaration.name), text) {
            Ok(None) => {}
            Ok(Some(value)) => {
                let name = &declaration.name;
                change.values.all.insert(name.clone(), value);
                change.changed.push(name.clone());
                if declaration.update == Update::Hook {
                    change.hooks.push(name.clone());
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    Faults(faults).none_or(change)
}

/// The new value, or `None` if it is the stored one.
fn changed(
    declaration: &Declaration,
    stored: Option<&Value>,
    text: &str,
) -> Result<Option<Value>, Fault> {
    let is_stored = |text: &str| {
        stored.is_some_and(|stored| stored.text.as_deref().unwrap_or_default() == text)
    };
    if is_stored(text) || is_stored(&called(declaration, &declaration.parse, text, &Origin::Set)?) {
        return Ok(None);
    }
    let value = checked(declaration, text, Origin::Set)?;
    Ok(Some(value).filter(|value| stored.is_none_or(|stored| stored.text != value.text)))
}
