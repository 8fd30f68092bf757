//! Random draws that are the same on every machine and in every version: a comparison of the same
//! two files always says the same.

use std::f64::consts::TAU;

/// A stream of draws: xoshiro256++ (Blackman and Vigna, 2021), filled by SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Draws {
    state: [u64; 4],
    /// The second normal number of the last pair.
    spare: Option<f64>,
}

impl Draws {
    /// The stream of that name: one for each number that is compared, so that what else is compared
    /// does not matter.
    pub(super) fn named(parts: &[&str]) -> Self {
        // FNV-1a, with something between the parts that no name holds.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for part in parts {
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Self::seeded(hash)
    }

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

    /// Gamma of that shape, at least 1, with scale 1 (Marsaglia and Tsang, 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta of these shapes, each at least 1.
    pub(super) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        x / (x + y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let drawn: Vec<f64> = (0..40_000).map(|_| draw()).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        (mean, variance)
    }

    #[test]
    fn draws_have_the_moments_they_should() {
        let mut draws = Draws::seeded(1);
        let (mean, variance) = moments(|| draws.uniform());
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 12.0).abs() < 0.002);
        let (mean, variance) = moments(|| draws.normal());
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let (a, b) = (95.0, 6.0);
        let (mean, variance) = moments(|| draws.beta(a, b));
        let wanted: f64 = a * b / ((a + b) * (a + b) * (a + b + 1.0));
        assert!((mean - a / (a + b)).abs() < 0.001, "{mean}");
        assert!((variance / wanted - 1.0).abs() < 0.05, "{variance} for {wanted}");
    }

    #[test]
    fn a_stream_never_changes() {
        // What these are does not matter, but that they stay: else old answers change.
        let mut draws = Draws::named(&["get", "p95"]);
        let first = [draws.next(), draws.next(), draws.next()];
        let mut again = Draws::named(&["get", "p95"]);
        assert_eq!(first, [again.next(), again.next(), again.next()]);
        assert_ne!(first[0], Draws::named(&["getp", "95"]).next());
        insta::assert_debug_snapshot!(first[0], @"7199486031596156059");
    }
}
