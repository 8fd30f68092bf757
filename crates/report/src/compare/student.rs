//! Student's t distribution for whole degrees of freedom: exact for few of them and far out, where
//! three runs a side need it (Abramowitz and Stegun, *Handbook of Mathematical Functions*, 1964,
//! 26.7.3 and 26.7.4).

use std::f64::consts::FRAC_2_PI;

/// The probability that a t of so many degrees of freedom, at least 1, is farther from 0 than this.
pub(super) fn two_sided(t: f64, degrees: u32) -> f64 {
    let angle = (t.abs() / f64::from(degrees).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    // The series of 1 + ½cos² + … for even degrees, of cos + ⅔cos³ + … for odd ones.
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let mut at = if odd { 3 } else { 2 };
    while at <= degrees {
        sum += term;
        term *= f64::from(at - 1) / f64::from(at) * cosine * cosine;
        at += 2;
    }
    let within = if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum };
    (1.0 - within).max(0.0)
}

/// The t that is exceeded in either direction with this probability.
pub(super) fn critical(probability: f64, degrees: u32) -> f64 {
    let mut high = 1.0;
    while two_sided(high, degrees) > probability {
        high *= 2.0;
    }
    let mut low = 0.0;
    // As many halvings as a number has digits.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if two_sided(middle, degrees) > probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_those_of_the_tables() {
        for (probability, degrees, point) in [
            (0.05, 1, 12.706_205),
            (0.05, 2, 4.302_653),
            (0.05, 3, 3.182_446),
            (0.05, 4, 2.776_445),
            (0.01, 4, 4.604_095),
            (0.001, 4, 8.610_302),
            (0.01, 7, 3.499_483),
            (0.02, 30, 2.457_262),
            (0.05, 120, 1.979_930),
            (0.000_1, 1, 6_366.197_7),
        ] {
            let found = critical(probability, degrees);
            assert!((found / point - 1.0).abs() < 1e-6, "{degrees}: {found} is not {point}");
            assert!((two_sided(point, degrees) / probability - 1.0).abs() < 1e-5, "{degrees}");
        }
        assert_eq!(two_sided(0.0, 4), 1.0);
        assert_eq!(two_sided(f64::INFINITY, 5), 0.0);
    }
}
