//! Exact integer arithmetic for schedules: no floats, so nothing drifts however long a run takes.

/// A number of slots in fixed point: 64 bits before the point and 64 after it. Arithmetic
/// saturates; what has more slots than 2⁶⁴ has passed anything a machine can release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slots(u128);

impl Slots {
    /// None.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1 << 64);
    /// As many as there can be.
    pub const MAX: Self = Self(u128::MAX);

    /// So many whole ones.
    pub fn new(whole: u64) -> Self {
        Self(u128::from(whole) << 64)
    }

    /// `a × b ÷ divisor`, rounded down.
    pub fn ratio(a: u128, b: u128, divisor: u128) -> Self {
        let (whole, rest) = mul_div_rem(a, b, divisor);
        Self::from_parts(whole, rest, divisor)
    }

    /// `whole + rest ÷ divisor`, rounded down; `rest` is less than `divisor`.
    pub fn from_parts(whole: u128, rest: u128, divisor: u128) -> Self {
        match u64::try_from(whole) {
            Ok(whole) => Self(u128::from(whole) << 64 | fraction(rest, divisor)),
            Err(_) => Self::MAX,
        }
    }

    /// The whole ones.
    pub fn whole(self) -> u64 {
        (self.0 >> 64) as u64
    }

    #[must_use]
    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    #[must_use]
    /// With so many whole ones more.
    pub fn plus_whole(self, slots: u64) -> Self {
        Self(self.0.saturating_add(u128::from(slots) << 64))
    }

    /// The difference, or zero if there are more.
    #[must_use]
    pub fn minus_whole(self, slots: u64) -> Self {
        Self(self.0.saturating_sub(u128::from(slots) << 64))
    }

    /// The difference, or zero if `other` is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// For estimates and for printing only.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 18_446_744_073_709_551_616.0
    }

    /// The least whole `n` with `n × count ÷ interval ≥ self`; `None` if no `u64` is enough.
    pub fn least_factor(self, count: u64, interval: u64) -> Option<u64> {
        if self.0 == 0 {
            return Some(0);
        }
        if count == 0 {
            return None;
        }
        let (whole, rest) = mul_div_rem(self.0, u128::from(interval), u128::from(count) << 64);
        u64::try_from(whole.saturating_add(u128::from(rest > 0))).ok()
    }
}

/// `rest ÷ divisor` as 64 bits after the point, rounded down and never falling as `rest` grows.
/// Divisors beyond 64 bits are cut to their upper 64 bits first.
fn fraction(rest: u128, divisor: u128) -> u128 {
    let excess = 64_u32.saturating_sub(divisor.leading_zeros());
    if excess == 0 {
        return (rest << 64) / divisor;
    }
    ((rest >> excess) << 64) / ((divisor >> excess) + 1)
}

/// Quotient and remainder of `a × b ÷ divisor` without overflow in between; a quotient beyond
/// `u128` saturates.
pub fn mul_div_rem(a: u128, b: u128, divisor: u128) -> (u128, u128) {
    if let Some(product) = a.checked_mul(b) {
        return (product / divisor, product % divisor);
    }
    let (high, low) = wide_mul(a, b);
    if high >= divisor {
        return (u128::MAX, 0);
    }
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127;
        rest = rest << 1 | (low >> bit & 1);
        quotient <<= 1;
        if carry == 1 || rest >= divisor {
            rest = rest.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    (quotient, rest)
}

fn wide_mul(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (ah, al, bh, bl) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let (ll, lh, hl) = (al * bl, al * bh, ah * bl);
    let middle = (ll >> 64) + (lh & LOW) + (hl & LOW);
    (ah * bh + (lh >> 64) + (hl >> 64) + (middle >> 64), middle << 64 | ll & LOW)
}

/// The sum of `⌊(a × i + b) ÷ m⌋` over `i < n`, in as many steps as Euclid's algorithm takes.
pub fn floor_sum(n: u128, m: u128, a: u128, b: u128) -> u128 {
    let (mut n, mut m, mut a, mut b) = (n, m, a, b);
    let mut sum = 0_u128;
    while n > 0 {
        // n (n − 1) ÷ 2 without the overflow of the product.
        let pairs = if n % 2 == 0 { n / 2 * (n - 1) } else { (n - 1) / 2 * n };
        sum += pairs * (a / m) + n * (b / m);
        a %= m;
        b %= m;
        let top = a * n + b;
        if top < m {
            break;
        }
        n = top / m;
        b = top % m;
        (m, a) = (a, m);
    }
    sum
}

/// The greatest common divisor.
pub const fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The slow path of the division agrees with the definition: `a b = q d + r`, `r < d`.
        #[test]
        fn wide_division_is_division(a: u128, b: u128, d in 1..=u128::MAX) {
            let (quotient, rest) = mul_div_rem(a, b, d);
            let product = wide_mul(a, b);
            prop_assume!(product.0 < d);
            prop_assert!(rest < d);
            let (high, low) = wide_mul(quotient, d);
            let (low, carry) = low.overflowing_add(rest);
            prop_assert_eq!((high + u128::from(carry), low), product);
        }

        #[test]
        fn floor_sum_is_the_sum(n in 0..60_u128, m in 1..50_u128, a in 0..200_u128, b in 0..200_u128) {
            let sum: u128 = (0..n).map(|i| (a * i + b) / m).sum();
            prop_assert_eq!(floor_sum(n, m, a, b), sum);
        }

        /// A least factor is enough, and one less is not.
        #[test]
        fn least_factor_is_least(whole in 0..1_u64 << 40, part: u64, count in 1..=u64::MAX, interval in 1..1_u64 << 60) {
            let slots = Slots(u128::from(whole) << 64 | u128::from(part));
            if let Some(n) = slots.least_factor(count, interval) {
                let at = |n: u64| Slots::ratio(u128::from(n), u128::from(count), u128::from(interval));
                prop_assert!(at(n) >= slots);
                prop_assert!(n == 0 || at(n - 1) < slots);
            }
        }

        #[test]
        fn fractions_never_fall(a in 0..u128::MAX, divisor in 2..=u128::MAX) {
            let a = a % (divisor - 1);
            prop_assert!(fraction(a, divisor) <= fraction(a + 1, divisor));
            prop_assert!(fraction(a + 1, divisor) < 1 << 64);
        }
    }
}
