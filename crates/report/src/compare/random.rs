//! Random draws for simulated runs, the same on every machine.

use std::{f64::consts::TAU, time::Duration};

use crowd_measure::timing::Timing;

/// A stream of draws: xoshiro256++ (Blackman and Vigna, 2021), filled by SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Draws {
    state: [u64; 4],
    /// The second normal number of the last pair.
    spare: Option<f64>,
}

impl Draws {
    /// The stream of that seed.
    pub(super) fn seeded(seed: u64) -> Self {
        let mut mixed = seed;
        let state = std::array::from_fn(|_| {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = mixed;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ (word >> 31)
        });
        Self { state, spare: None }
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Uniform, above 0 and below 1.
    pub(super) fn uniform(&mut self) -> f64 {
        // The middle of one of 2^53 steps.
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and variance 1 (Box and Muller, 1958).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sine, cosine) = (TAU * self.uniform()).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

/// Times like those of a server: log-normal around `median` milliseconds.
pub(super) fn times(count: usize, median: f64, seed: u64) -> Timing {
    let mut draws = Draws::seeded(seed);
    let mut timing = Timing::default();
    for _ in 0..count {
        timing.record(Duration::from_secs_f64(median / 1e3 * (0.5 * draws.normal()).exp()));
    }
    timing
}

#[test]
fn draws_have_the_moments_they_should() {
    let moments = |mut draw: Box<dyn FnMut() -> f64>| {
        let drawn: Vec<f64> = (0..40_000).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        (mean, variance)
    };
    let mut draws = Draws::seeded(1);
    let (mean, variance) = moments(Box::new(move || draws.uniform()));
    assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 12.0).abs() < 0.002);
    let mut draws = Draws::seeded(2);
    let (mean, variance) = moments(Box::new(move || draws.normal()));
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
}
