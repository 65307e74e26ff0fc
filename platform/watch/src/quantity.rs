//! Quantities of Kubernetes (`250m`, `1Gi`, `2e3`).

/// Powers of ten and of two that a suffix stands for, in thousandths.
const SUFFIXES: [(&str, u128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];

/// A quantity in thousandths, rounded down; none where it is none, or negative. Fractions are read to nine digits.
pub fn thousandths(text: &str) -> Option<u64> {
    let (number, unit) = SUFFIXES
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))?;
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<u32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| -> Option<u128> {
        match text.is_empty() {
            true => Some(0),
            false if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            false => None,
        }
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let fraction = fraction.get(..fraction.len().min(9))?;
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let value = digits(whole)?
        .checked_mul(scale)?
        .checked_add(digits(fraction)?)?;
    let value = value
        .checked_mul(unit)?
        .checked_mul(10_u128.checked_pow(exponent)?)?
        / scale;
    Some(u64::try_from(value).unwrap_or(u64::MAX))
}

/// A quantity in whole units, rounded down.
pub fn units(text: &str) -> Option<u64> {
    // Memory in thousandths of a byte fits: 2^64 thousandths are 18 petabytes.
    thousandths(text).map(|n| n / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_with_their_suffixes() {
        for (text, wanted) in [
            ("250m", Some(250)),
            ("2", Some(2000)),
            ("0.5", Some(500)),
            ("1Ki", Some(1_024_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2e3", Some(2_000_000)),
            ("1M", Some(1_000_000_000)),
            ("-1", None),
            ("", None),
            ("much", None),
        ] {
            assert_eq!(thousandths(text), wanted, "{text}");
        }
        assert_eq!(units("64Gi"), Some(64 << 30));
    }
}
