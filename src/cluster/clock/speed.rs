//! How fast one clock runs on another: what it passes while that passes one, in parts of 2³².

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Speed(i128);

const ONE: i128 = 1 << 32;

impl Speed {
    pub(super) const ALIKE: Self = Self(ONE);
    /// What clocks are not slower or faster than: nearly all, and any.
    pub(super) const USUAL: [Self; 2] = [Self(ONE - ONE / 2_000), Self(ONE + ONE / 2_000)];
    pub(super) const ANY: [Self; 2] = [Self(ONE - ONE / 8), Self(ONE + ONE / 8)];

    /// Of a clock that passed so much while ours passed that, rounded down; `None` if ours passed
    /// nothing.
    pub(super) fn of(theirs: i128, ours: i128) -> Option<Self> {
        (ours > 0).then(|| Self((theirs << 32).div_euclid(ours)))
    }

    /// By so many parts in a million more.
    pub(super) fn plus_ppm(self, ppm: i128) -> Self {
        Self(self.0 + (ONE * ppm).div_euclid(1_000_000))
    }

    /// What it passes in such a time of ours, rounded down.
    pub(super) fn pass(self, ours: i128) -> i128 {
        (ours * self.0) >> 32
    }

    /// The time of ours in which it passes so much, rounded down.
    pub(super) fn takes(self, theirs: i128) -> i128 {
        (theirs << 32).div_euclid(self.0)
    }
}
