//! A number of instances, plain or in percent.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of instances (`3`), or a share of all in percent (`"10%"`, 0 to 100).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Instances(u32),
    /// So many of a hundred.
    Percent(u8),
}

impl Amount {
    /// How many that is of `whole`, at most all; a share is rounded up, so that it is never nothing of something.
    ///
    /// ```
    /// use flatnet_platform_types::Amount;
    /// assert_eq!(Amount::Percent(10).of(25), 3);
    /// assert_eq!(Amount::Instances(30).of(25), 25);
    /// ```
    pub fn of(self, whole: u32) -> u32 {
        match self {
            Self::Instances(n) => n.min(whole),
            Self::Percent(p) => {
                let share = (u64::from(whole) * u64::from(p)).div_ceil(100);
                u32::try_from(share).unwrap_or(whole).min(whole)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instances(n) => write!(f, "{n}"),
            Self::Percent(p) => write!(f, "{p}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Instances(n) => serializer.serialize_u32(*n),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

struct Either;

impl Visitor<'_> for Either {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of instances, or a share from \"0%\" to \"100%\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        let number = u32::try_from(number).map_err(|_| E::custom("more than 2^32 instances"))?;
        Ok(Amount::Instances(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
        let number = u64::try_from(number).map_err(|_| E::custom("fewer than no instances"))?;
        self.visit_u64(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        let share = text.strip_suffix('%').and_then(|t| t.parse().ok());
        match share {
            Some(share @ 0..=100) => Ok(Amount::Percent(share)),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The pattern holds for texts only.
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": "^(100|[0-9]{1,2})%$",
            "minimum": 0,
            "maximum": u32::MAX,
        })
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Amount {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
        let share = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(100|[0-9]{1,2})%$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        let either = OneOfBuilder::new()
            .item(number)
            .item(share)
            .description(Some(
                "A number of instances, or a share of all in percent, rounded up",
            ));
        RefOr::T(Schema::OneOf(either.build()))
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Amount {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_never_more_than_all() {
        for (amount, whole, number) in [
            (Amount::Percent(10), 0, 0),
            (Amount::Percent(1), 3, 1),
            (Amount::Percent(100), 20, 20),
            (Amount::Instances(5), 3, 3),
        ] {
            assert_eq!(amount.of(whole), number, "{amount} of {whole}");
        }
    }

    #[test]
    fn it_is_a_number_or_a_share_in_json_and_nothing_else() {
        for (text, amount) in [
            ("3", Amount::Instances(3)),
            ("\"20%\"", Amount::Percent(20)),
        ] {
            let read: Amount = serde_json::from_str(text).expect(text);
            assert_eq!(read, amount);
            assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
        }
        for text in ["-1", "\"101%\"", "\"3\"", "\"%\"", "5000000000", "1.5"] {
            assert!(serde_json::from_str::<Amount>(text).is_err(), "{text}");
        }
    }
}
