//! Pure: how another node's clock stands to ours.

mod filter;
mod speed;

pub(crate) use self::filter::ClockFilter;
use self::speed::Speed;

/// How the clock of another node stands to ours, and how fast it runs, as far as is known. See
/// [`super::mesh::Mesh::now`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// The moment it is of, on our clock.
    pub(crate) at: u64,
    /// What to add to our time for theirs then, in nanoseconds.
    pub(crate) offset: i64,
    /// How far off that may be, in nanoseconds.
    pub(crate) error: u64,
    /// How fast theirs runs at least, and at most.
    slowest: Speed,
    fastest: Speed,
    /// The last round trip, in nanoseconds.
    pub(crate) round_trip: u64,
}

impl ClockReading {
    /// Of a clock that goes with ours, known to so many nanoseconds.
    pub(crate) fn alike(error: u64) -> Self {
        let (slowest, fastest) = (Speed::ALIKE, Speed::ALIKE);
        Self { at: 0, offset: 0, error, slowest, fastest, round_trip: 2 * error }
    }

    /// What theirs shows at the least at a time of ours.
    pub(crate) fn least(&self, ours: u64) -> u64 {
        let since = i128::from(ours) - i128::from(self.at);
        let speed = if since < 0 { self.fastest } else { self.slowest };
        clamp(self.known(-i128::from(self.error)) + speed.pass(since))
    }

    /// What theirs shows at the most at a time of ours.
    pub(crate) fn most(&self, ours: u64) -> u64 {
        let since = i128::from(ours) - i128::from(self.at);
        let speed = if since < 0 { self.slowest } else { self.fastest };
        clamp(self.known(i128::from(self.error)) - speed.pass(-since))
    }

    /// How much is not known of what theirs shows at a time of ours.
    pub(crate) fn doubt(&self, ours: u64) -> u64 {
        self.most(ours).saturating_sub(self.least(ours))
    }

    /// From when on, on our clock, theirs has certainly come to that time.
    pub(crate) fn certain(&self, theirs: u64) -> u64 {
        let ahead = i128::from(theirs) - self.known(-i128::from(self.error));
        let speed = if ahead < 0 { self.fastest } else { self.slowest };
        clamp(i128::from(self.at) + speed.takes(ahead) + 1)
    }

    /// From when on, on our clock, theirs may have come to that time.
    pub(crate) fn possible(&self, theirs: u64) -> u64 {
        let ahead = i128::from(theirs) - self.known(i128::from(self.error));
        let speed = if ahead < 0 { self.slowest } else { self.fastest };
        clamp(i128::from(self.at) + speed.takes(ahead))
    }

    /// A time of theirs on our clock, as well as is known.
    pub(crate) fn here(&self, theirs: u64) -> u64 {
        theirs.saturating_add_signed(self.offset.saturating_neg())
    }

    fn known(&self, off: i128) -> i128 {
        i128::from(self.at) + i128::from(self.offset) + off
    }
}

fn clamp(time: i128) -> u64 {
    u64::try_from(time.max(0)).unwrap_or(u64::MAX)
}
