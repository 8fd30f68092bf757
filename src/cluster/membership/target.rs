//! An address that is dialled, and when it is dialled again.

use std::time::Duration;

use super::HEARSAY;
use crate::cluster::member::MemberId;

/// The pauses between two dials: they double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pause if both sides were at it at one moment.
const SHORT_PAUSE: Duration = Duration::from_millis(50);

/// The pause before this node looks again whether an address is still its own.
const ITSELF_PAUSE: Duration = Duration::from_secs(30);

/// So often a node may be busy before it is asked less often.
const PATIENCE: u32 = 20;

/// So often whoever takes a proof may say nothing before it has proven something: a node may be stopped at
/// that moment.
const MOST_MUTE: u32 = 5;

/// The same is said again after so long.
const REPEAT: Duration = Duration::from_secs(60);

/// Why a dial came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DialFault {
    /// No connection, or it broke.
    Unreachable(String),
    /// One of the two did not want it.
    Refused(Refused),
    /// Whoever is there has heard that this node knows the cookie, and said nothing.
    Mute(String),
    /// Whoever is there is no node, or does not prove that it knows the cookie.
    Unproven(String),
}

/// What a refusal means for the next dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is this node itself.
    Itself,
    /// That member is linked already, says the other side.
    Linked(Option<MemberId>),
    /// To be tried again at once.
    Busy,
    /// Nothing will change soon.
    Because(String),
}

/// How the last dial went, or how the last link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not dialled yet.
    None,
    /// It was linked.
    Linked,
    /// It was linked, until.
    Lost(String),
    /// No connection.
    Unreachable,
    /// It does not want us, or we not it.
    Refused(String),
    /// It is this node.
    Itself,
}

/// An address that is dialled while its node is not linked.
#[derive(Debug)]
pub(super) struct Target {
    /// Somebody asked for it: it is not forgotten.
    pub(super) seed: bool,
    /// The settings did: it is never given up.
    pub(super) lasting: bool,
    /// Somebody asked for it, and a stranger was there: it is not dialled any more.
    pub(super) given_up: bool,
    /// Who lives there, as far as is known.
    pub(super) member: Option<MemberId>,
    pub(super) outcome: Outcome,
    /// Why the last dial failed.
    pub(super) fault: Option<String>,
    /// The node that was there is lost, and why.
    pub(super) lost: Option<String>,
    pub(super) dialling: bool,
    pub(super) next: Duration,
    /// How many dials have ended since it was asked for, for whoever waits for one.
    pub(super) dials: u64,
    pub(super) told: Duration,
    tries: u32,
    busy: u32,
    mute: u32,
    said: Option<(String, Duration)>,
}

impl Target {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            seed: false,
            lasting: false,
            given_up: false,
            member: None,
            outcome: Outcome::None,
            fault: None,
            lost: None,
            dialling: false,
            next: now,
            dials: 0,
            told: now,
            tries: 0,
            busy: 0,
            mute: 0,
            said: None,
        }
    }

    /// That member is or will be linked.
    pub(super) fn linked(&mut self, id: &MemberId) {
        self.member = Some(id.clone());
        (self.outcome, self.dialling, self.given_up) = (Outcome::Linked, false, false);
        (self.fault, self.lost, self.mute) = (None, None, 0);
        self.dials += 1;
    }

    /// Somebody asks for it.
    pub(super) fn asked_for(&mut self, now: Duration) {
        (self.seed, self.given_up, self.next, self.mute) = (true, false, now, 0);
    }

    /// Messages pass: the next trouble is a new one.
    pub(super) fn up(&mut self) {
        (self.tries, self.busy, self.said) = (0, 0, None);
        (self.fault, self.lost) = (None, None);
    }

    /// Its member was up and is gone: it is dialled at once, since it may be back at once.
    pub(super) fn lost(&mut self, why: &str, next: Duration) {
        (self.tries, self.next, self.said) = (0, next, None);
        self.lost = Some(why.to_owned());
        self.outcome = Outcome::Lost(why.to_owned());
    }

    /// The link ended before messages passed.
    pub(super) fn dropped(&mut self, why: &str, now: Duration, dice: u64) {
        self.outcome = Outcome::Unreachable;
        self.fault = Some(why.to_owned());
        self.back_off(now, dice);
    }

    /// A dial came to nothing. What to tell the operator, if it is news.
    pub(super) fn failed(&mut self, fault: &DialFault, now: Duration, dice: u64) -> Option<String> {
        self.dialling = false;
        // Whoever refuses has proven that it may, as far as it gets here; who breaks off has not.
        match fault {
            DialFault::Mute(_) => self.mute = self.mute.saturating_add(1),
            DialFault::Refused(_) => self.mute = 0,
            DialFault::Unreachable(_) | DialFault::Unproven(_) => {}
        }
        let unproven = match fault {
            DialFault::Unproven(_) => true,
            DialFault::Mute(_) => self.mute >= MOST_MUTE,
            DialFault::Unreachable(_) | DialFault::Refused(_) => false,
        };
        let (outcome, why) = match fault {
            DialFault::Unproven(why) | DialFault::Mute(why)
                if unproven && self.seed && !self.lasting =>
            {
                (self.seed, self.given_up, self.told) = (false, true, now);
                let why = format!("{why}; it is not dialled any more");
                (Outcome::Refused(why.clone()), why)
            }
            DialFault::Unreachable(why) | DialFault::Mute(why) => {
                (Outcome::Unreachable, why.clone())
            }
            DialFault::Unproven(why) | DialFault::Refused(Refused::Because(why)) => {
                (Outcome::Refused(why.clone()), why.clone())
            }
            DialFault::Refused(Refused::Itself) => {
                (self.outcome, self.next) = (Outcome::Itself, now + ITSELF_PAUSE);
                self.dials += 1;
                return None;
            }
            DialFault::Refused(Refused::Busy | Refused::Linked(_)) => {
                if let DialFault::Refused(Refused::Linked(Some(id))) = fault {
                    self.member = Some(id.clone());
                }
                self.busy = self.busy.saturating_add(1);
                self.next = now + SHORT_PAUSE + share(2 * SHORT_PAUSE, dice);
                if self.busy > PATIENCE {
                    self.back_off(now, dice);
                }
                return None;
            }
        };
        self.outcome = outcome;
        self.fault = Some(why.clone());
        (self.busy, self.dials) = (0, self.dials + 1);
        self.back_off(now, dice);
        let repeated =
            self.said.as_ref().is_some_and(|(said, at)| *said == why && now < *at + REPEAT);
        (!repeated).then(|| {
            self.said = Some((why.clone(), now));
            why
        })
    }

    /// Whether it is time to dial it.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        !self.dialling && !self.given_up && self.next <= now
    }

    /// It was only hearsay, or was given up, and that is long ago.
    pub(super) fn forgotten(&self, now: Duration) -> bool {
        let known = self.seed || self.lost.is_some() || self.outcome == Outcome::Linked;
        (!known || self.given_up) && !self.dialling && now >= self.told + HEARSAY
    }

    fn back_off(&mut self, now: Duration, dice: u64) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(10)).min(LONGEST_PAUSE);
        self.tries = self.tries.saturating_add(1);
        // Three quarters to five quarters.
        self.next = now + pause * 3 / 4 + share(pause / 2, dice);
    }
}

/// Part of a duration, as the dice (32 bits of it) say.
pub(super) fn share(most: Duration, dice: u64) -> Duration {
    most.mul_f64((dice & 0xffff_ffff) as f64 / f64::from(u32::MAX))
}
