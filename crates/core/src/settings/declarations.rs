//! All settings of a scenario: its own and those of the groups it takes in.

use std::collections::BTreeMap;

use super::{Declaration, Fault, FaultKind, Faults};
use crate::suggestion::did_you_mean;

/// The owner of settings that the runtime declares.
pub const RUNTIME: &str = "crowd";

/// The tail of `CROWD_CONFIG`, which is no setting and cannot be one.
const CONFIG: &str = "config";

/// Declared settings in order.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    /// In order of declaration.
    pub all: Vec<Declaration>,
    owner: String,
    /// What went wrong in composing them, told by [`Declarations::check`].
    problems: Vec<Fault>,
}

impl Declarations {
    /// Declarations of nothing. `owner` is the struct that declares what is put in.
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), ..Self::default() }
    }

    /// Declares a setting.
    #[must_use]
    pub fn with(mut self, declaration: impl Into<Declaration>) -> Self {
        let mut declaration = declaration.into();
        if declaration.owner.is_empty() {
            declaration.owner = self.owner.clone();
        }
        self.all.push(declaration);
        self
    }

    /// Takes in the settings of a group; it stays their owner.
    #[must_use]
    pub fn include(mut self, group: Self) -> Self {
        self.all.extend(group.all);
        self.problems.extend(group.problems);
        self
    }

    /// Puts another declaration in the place of the one of the same name, all of it but its type.
    /// The last one wins.
    #[must_use]
    pub fn replace(self, declaration: impl Into<Declaration>) -> Self {
        let new = declaration.into();
        let name = new.name.clone();
        let type_of = |one: &Declaration| match one.optional {
            true => format!("{} that may be absent", one.type_name),
            false => one.type_name.clone(),
        };
        let mut mismatch = None;
        let mut replaced = self.amend(&name, |old| {
            let (before, after) = (type_of(old), type_of(&new));
            if before == after {
                *old = new;
            } else {
                let reason =
                    format!("is, as `{}` declares it, of type {before}, not {after}", old.owner);
                mismatch = Some(reason);
            }
        });
        replaced.problems.extend(mismatch.map(|reason| Fault::of_declaration(&name, reason)));
        replaced
    }

    /// Changes a part of a declaration; whoever does so owns it from then on.
    #[must_use]
    pub fn amend(mut self, name: &str, change: impl FnOnce(&mut Declaration)) -> Self {
        match self.all.iter_mut().find(|declaration| declaration.name == name) {
            Some(declaration) => {
                change(declaration);
                declaration.owner = self.owner.clone();
            }
            None => {
                let near = did_you_mean(name, self.names());
                let reason =
                    format!("is replaced by `{}`, but no group declares it{near}", self.owner);
                self.problems.push(Fault::of_declaration(name, reason));
            }
        }
        self
    }

    /// The declaration of that name.
    pub fn get(&self, name: &str) -> Option<&Declaration> {
        self.all.iter().find(|declaration| declaration.name == name)
    }

    /// The names, in order of declaration.
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ {
        self.all.iter().map(|declaration| declaration.name.as_str())
    }

    /// Whether they go together: every name is declared once, can be the tail of an environment
    /// variable, and is none of those that are `reserved`; every setting is described.
    ///
    /// # Errors
    /// Every fault (`parameter-overriding`), with the owners of what clashes.
    pub fn check(&self, reserved: &[&str]) -> Result<(), Faults> {
        let mut faults = self.problems.clone();
        let mut owners = BTreeMap::<&str, &str>::new();
        for declaration in &self.all {
            let Declaration { name, owner, .. } = declaration;
            let other = owners.insert(name, owner);
            let runtime = |owner: &str| owner == RUNTIME;
            if !runtime(owner) && (name == CONFIG || reserved.contains(&name.as_str())) {
                let reason =
                    format!("is declared by `{owner}`, but is a setting of the node (`{RUNTIME}`)");
                faults.push(Fault::of_declaration(name, reason));
            } else if let Some(other) = other
                // A clash with the runtime is told where the name is found to be reserved.
                && runtime(owner) == runtime(other)
            {
                let reason = format!("is declared by `{other}` and by `{owner}`");
                faults.push(Fault::of_declaration(name, reason));
            }
            if !is_identifier(name) {
                let reason = format!(
                    "of `{owner}` is not a name of lower-case letters, digits and `_`, a letter \
                     first"
                );
                faults.push(Fault::of_declaration(name, reason));
            }
            if declaration.description.trim().is_empty() {
                faults.push(Fault::of_declaration(name, format!("of `{owner}` is not described")));
            }
        }
        Faults(faults).none_or(())
    }
}

fn is_identifier(name: &str) -> bool {
    let letter =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(letter)
}

impl Fault {
    fn of_declaration(name: &str, reason: String) -> Self {
        Self {
            setting: name.to_owned(),
            kind: FaultKind::Declaration,
            value: None,
            origin: None,
            reason,
        }
    }
}
