//! The JSON Schema of types of other crates.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{API_VERSION, KIND};

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
        "pattern": "^(([0-9]{1,3}\\.){3}[0-9]{1,3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F]*:[0-9a-fA-F:.]*/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$",
        "examples": ["10.100.0.0/16", "fd10:100::/64"]
    })
);
stands_for!(
    /// An IPv4 or IPv6 address.
    Address,
    json_schema!({
        "type": "string",
        "description": "An IPv4 or IPv6 address.",
        "pattern": "^(([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*)$",
        "examples": ["10.100.0.1", "fd10:100::1"]
    })
);
stands_for!(
    /// A name of the plan's own.
    Name,
    json_schema!({
        "type": ["string", "integer"],
        "description": "A name, without spaces at its ends.",
        "pattern": "^\\S(.*\\S)?$"
    })
);
stands_for!(
    /// A node's or a network's name ([`flatnet_types::NodeName`]).
    PlainName,
    json_schema!({
        "type": ["string", "integer"],
        "description": "Letters, digits, '_', '.' and '-', a letter or digit first.",
        "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        "maxLength": 253
    })
);
stands_for!(
    /// An interface's name ([`flatnet_types::IfName`]).
    Interface,
    json_schema!({
        "type": ["string", "integer"],
        "description": "A network interface, at most 15 bytes.",
        "pattern": "^[^/:\\s]+$",
        "maxLength": 15
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
    /// A port of TCP or UDP.
    TransportPort,
    json_schema!({
        "type": "integer",
        "description": "A port of TCP or UDP.",
        "minimum": 1,
        "maximum": 65535
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
    /// A day of the calendar.
    Day,
    json_schema!({
        "type": "string",
        "description": "A day, written as 2026-12-31.",
        "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
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
stands_for!(
    /// A MAC address that an interface can have: no group's (IEEE 802-2014 §8.2.2).
    InterfaceMac,
    json_schema!({
        "type": "string",
        "description": "A MAC address of one interface.",
        "pattern": "^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$"
    })
);
stands_for!(
    /// A host with a port.
    Endpoint,
    json_schema!({
        "type": "string",
        "description": "A name or an address, a colon, a port; an address of IPv6 in brackets.",
        "pattern": "^(\\[[0-9a-fA-F:.]+\\]|[^\\[\\]:/\\s]+):[1-9][0-9]{0,4}$",
        "examples": ["10.10.0.2:6443", "[fd10:10::2]:6443"]
    })
);
