//! Numbers with bounds of their own, which say what they are where something else stands.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU16;

use flatnet_types::{Mtu, VlanId};
use serde::{Deserialize, Deserializer, de};

/// A number with bounds of its own.
pub(super) trait Bounded: Sized {
    /// What it is, with its bounds and its unit.
    const WHAT: &'static str;

    /// The number, or why it is out of bounds.
    fn of(number: u64) -> Result<Self, String>;
}

impl Bounded for Mtu {
    const WHAT: &'static str = "an MTU from 68 to 65535 bytes";

    fn of(number: u64) -> Result<Self, String> {
        Self::new(number).map_err(|e| e.to_string())
    }
}

impl Bounded for VlanId {
    const WHAT: &'static str = "a VLAN ID from 1 to 4094";

    fn of(number: u64) -> Result<Self, String> {
        let id = u32::try_from(number).unwrap_or(u32::MAX);
        Self::new(id).map_err(|e| e.to_string())
    }
}

impl Bounded for NonZeroU16 {
    const WHAT: &'static str = "a port from 1 to 65535";

    fn of(number: u64) -> Result<Self, String> {
        let port = u16::try_from(number).ok().and_then(Self::new);
        port.ok_or_else(|| format!("{number} is not {}", Self::WHAT))
    }
}

/// A part of a whole.
struct Percent(u8);

impl Bounded for Percent {
    const WHAT: &'static str = "a percentage from 1 to 100";

    fn of(number: u64) -> Result<Self, String> {
        let percent = u8::try_from(number).ok();
        let percent = percent.filter(|p| (1..=100).contains(p));
        percent
            .map(Self)
            .ok_or_else(|| format!("{number} is not {}", Self::WHAT))
    }
}

/// Reads a percentage.
pub(super) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    one(deserializer).map(|Percent(percent)| percent)
}

/// Such a number in a list or an option.
struct Written<T>(T);

impl<'de, T: Bounded> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer).map(Self)
    }
}

struct Number<T>(PhantomData<T>);

impl<T: Bounded> de::Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::of(number).map_err(E::custom)
    }
}

/// Reads one number.
pub(super) fn one<'de, T: Bounded, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_u64(Number(PhantomData))
}

/// Reads one number, or null.
pub(super) fn optional<'de, T: Bounded, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let read = Option::<Written<T>>::deserialize(deserializer)?;
    Ok(read.map(|written| written.0))
}

/// Reads a list of numbers.
pub(super) fn list<'de, T: Bounded, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let all = Vec::<Written<T>>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|written| written.0).collect())
}

/// Reads a list of numbers, or null.
pub(super) fn optional_list<'de, T: Bounded, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let read = Option::<Vec<Written<T>>>::deserialize(deserializer)?;
    Ok(read.map(|all| all.into_iter().map(|written| written.0).collect()))
}
