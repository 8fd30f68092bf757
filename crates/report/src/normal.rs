//! The normal distribution.

/// The point that a standard normal number exceeds with this probability (0 to 1, neither
/// included): 1.96 for 0.025. By Acklam's rational approximation (2003), whose relative error is below
/// 1.2e-9.
pub(super) fn upper_point(tail: f64) -> f64 {
    -lower_point(tail)
}

/// The point that a standard normal number stays below with this probability (0 to 1, neither
/// included).
pub(crate) fn lower_point(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    /// Below this the tail has a formula of its own.
    const TAIL: f64 = 0.024_25;
    let horner = |coefficients: &[f64], x: f64| {
        coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
    };
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    };
    if p < TAIL {
        tail(p)
    } else if p > 1.0 - TAIL {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / horner(&B, r)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        for (tail, point) in [
            (0.5, 0.0),
            (0.025, 1.959_963_985),
            (0.975, -1.959_963_985),
            (0.005, 2.575_829_304),
            (0.000_05, 3.890_591_886),
        ] {
            assert!((upper_point(tail) - point).abs() < 1e-7, "{tail}");
        }
    }
}
