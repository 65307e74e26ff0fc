//! The document's JSON Schema: generated from the types, so that it cannot differ from them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};

use crate::model::{API_VERSION, KIND, NetworkPlan};

/// The schema of the whole document, as JSON Schema 2020-12 in indented JSON.
pub fn document() -> String {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<NetworkPlan>();
    format!("{:#}\n", schema.as_value())
}

/// Declares a marker that stands in a schema for a type of another crate.
macro_rules! stands_for {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

stands_for!(
    /// [`API_VERSION`].
    ApiVersion,
    json_schema!({"type": "string", "const": API_VERSION})
);
stands_for!(
    /// [`KIND`].
    Kind,
    json_schema!({"type": "string", "const": KIND})
);
stands_for!(
    /// An IPv4 or IPv6 prefix, or an address with the length of its subnet.
    Prefix,
    json_schema!({
        "type": "string",
        "description": "An IPv4 or IPv6 prefix: an address, a slash, a length.",
        "pattern": "^[0-9a-fA-F:.]+/[0-9]{1,3}$",
        "examples": ["10.100.0.0/16", "fd10:100::/64"]
    })
);
stands_for!(
    /// An IPv4 or IPv6 address.
    Address,
    json_schema!({
        "type": "string",
        "description": "An IPv4 or IPv6 address.",
        "pattern": "^[0-9a-fA-F:.]+$",
        "examples": ["10.100.0.1", "fd10:100::1"]
    })
);
stands_for!(
    /// An 802.1Q VLAN ID.
    VlanId,
    json_schema!({
        "type": "integer",
        "description": "An 802.1Q VLAN ID.",
        "minimum": 1,
        "maximum": 4094
    })
);
stands_for!(
    /// A maximum transmission unit.
    Mtu,
    json_schema!({
        "type": "integer",
        "description": "A maximum transmission unit in bytes.",
        "minimum": flatnet_types::Mtu::MIN,
        "maximum": flatnet_types::Mtu::MAX
    })
);
stands_for!(
    /// A MAC address.
    Mac,
    json_schema!({
        "type": "string",
        "description": "A MAC address.",
        "pattern": "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"
    })
);
