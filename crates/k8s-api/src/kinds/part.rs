//! What all specs have in common: a part of the plan in its own JSON, fields added and left out.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, de, ser};
use serde_json::{Map, Value};

/// The JSON of a part of the plan without `left_out`, and where it stands.
///
/// # Errors
/// The serializer's; a part of the plan is always a mapping.
pub(super) fn write<P: Serialize, E: ser::Error>(
    part: &P,
    place: Option<(&str, &str)>,
    left_out: &[&str],
) -> Result<Map<String, Value>, E> {
    let Value::Object(mut fields) = serde_json::to_value(part).map_err(E::custom)? else {
        return Err(E::custom("a part of the plan is not a mapping"));
    };
    fields.retain(|key, _| !left_out.contains(&key.as_str()));
    if let Some((key, value)) = place {
        fields.insert(key.to_owned(), value.into());
    }
    Ok(fields)
}

/// The fields of a spec, and where it stands in the plan.
type Fields = (Map<String, Value>, Option<String>);

/// The fields of a spec, and where it stands in the plan.
///
/// # Errors
/// A field that is left out is unknown here, and the place must be there.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    place: Option<&'static str>,
    left_out: &[&str],
) -> Result<Fields, D::Error> {
    let mut fields = Map::deserialize(deserializer)?;
    if let Some(key) = left_out.iter().find(|key| fields.contains_key(**key)) {
        return Err(de::Error::custom(format!("unknown field `{key}`")));
    }
    let Some(key) = place else {
        return Ok((fields, None));
    };
    match fields.remove(key) {
        Some(Value::String(name)) => Ok((fields, Some(name))),
        Some(_) => Err(de::Error::custom(format!("`{key}` is not a string"))),
        None => Err(de::Error::missing_field(key)),
    }
}

/// The part of the plan with those fields; lists that are objects of their own are empty.
///
/// # Errors
/// As the plan's own types have it: unknown fields are refused.
pub(super) fn part<P: DeserializeOwned, E: de::Error>(
    mut fields: Map<String, Value>,
    empty: &[&str],
) -> Result<P, E> {
    for key in empty {
        fields.insert((*key).to_owned(), Value::Array(Vec::new()));
    }
    serde_json::from_value(Value::Object(fields)).map_err(said)
}

fn said<E: de::Error>(error: impl Display) -> E {
    E::custom(error)
}

/// The JSON Schema of a part of the plan, as schemars has it.
pub(super) fn schema<P: JsonSchema>() -> Value {
    let mut settings = schemars::generate::SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema = settings.into_generator().into_root_schema_for::<P>();
    schema.to_value()
}

/// Declares the spec of a kind: `of` a type of the plan, `in` what holds it there, `without` lists that
/// are kinds of their own; `empty`: those of them that the plan's type demands.
macro_rules! spec {
    (@place) => { None };
    (@place $place:ident) => { Some(stringify!($place)) };
    (@written $spec:ident) => { None };
    (@written $spec:ident $place:ident) => { Some((stringify!($place), $spec.$place.as_str())) };
    (
        $(#[doc = $about:literal])+
        #[derive($($derive:ident),*)]
        #[kube($($kube:tt)*)]
        pub struct $name:ident $(in $place:ident)? of $part:ty {
            without: [$($without:literal),*],
            empty: [$($empty:literal),*],
        }
    ) => {
        $(#[doc = $about])+
        #[derive($($derive),*)]
        #[kube($($kube)*)]
        pub struct $name {
            $(
                /// What it is of in the plan, by its name there.
                pub $place: String,
            )?
            /// The part of the plan.
            pub part: $part,
        }

        impl $name {
            /// The field that says what it is of.
            pub(crate) const PLACE: Option<&'static str> = spec!(@place $($place)?);
            /// What it is, for `kubectl explain`.
            pub(crate) const ABOUT: &'static str = concat!($($about),+);
            /// Fields of the plan's type that are not of this kind.
            pub(crate) const WITHOUT: &'static [&'static str] = &[$($without),*];

            /// The JSON Schema of the plan's type.
            pub(crate) fn part_schema() -> Value {
                part::schema::<$part>()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let place: Option<(&str, &str)> = spec!(@written self $($place)?);
                let fields = part::write::<_, S::Error>(&self.part, place, Self::WITHOUT)?;
                serde::Serialize::serialize(&fields, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (fields, place) = part::read(deserializer, Self::PLACE, Self::WITHOUT)?;
                $(let $place = place.clone().unwrap_or_default();)?
                let _ = place;
                Ok(Self {
                    $($place,)?
                    part: part::part::<_, D::Error>(fields, &[$($empty),*])?,
                })
            }
        }
    };
}

pub(super) use spec;
