//! Columns of Open vSwitch's database that influence forwarding and must have their default values
//! (ovs-vswitchd.conf.db(5)). Not every version has all of them.

use std::collections::BTreeMap;

use flatnet_ovs::ovsdb::{Atom, Datum, Row};

/// The default value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DefaultValue {
    Set,
    Map,
    False,
    Zero,
}

const COLUMNS: &[(&str, &str, DefaultValue)] = &[
    // Setting or clearing it makes the switch delete all flows.
    ("Bridge", "controller", DefaultValue::Set),
    ("Bridge", "stp_enable", DefaultValue::False),
    ("Bridge", "rstp_enable", DefaultValue::False),
    ("Bridge", "mcast_snooping_enable", DefaultValue::False),
    ("Port", "cvlans", DefaultValue::Set),
    ("Port", "qos", DefaultValue::Set),
    ("Port", "protected", DefaultValue::False),
    ("Port", "fake_bridge", DefaultValue::False),
    ("Port", "lacp", DefaultValue::Set),
    ("Port", "other_config", DefaultValue::Map),
    ("Interface", "ingress_policing_rate", DefaultValue::Zero),
    ("Interface", "ingress_policing_burst", DefaultValue::Zero),
    (
        "Interface",
        "ingress_policing_kpkts_rate",
        DefaultValue::Zero,
    ),
    (
        "Interface",
        "ingress_policing_kpkts_burst",
        DefaultValue::Zero,
    ),
];

impl DefaultValue {
    fn value(self) -> Datum {
        match self {
            Self::Set => Datum::empty(),
            Self::Map => Datum::Map(BTreeMap::new()),
            Self::False => false.into(),
            Self::Zero => 0.into(),
        }
    }
}

fn of(table: &str) -> impl Iterator<Item = (&'static str, DefaultValue)> {
    COLUMNS
        .iter()
        .filter(move |(of, ..)| *of == table)
        .map(|(_, column, default)| (*column, *default))
}

/// The columns of a table.
pub(super) fn columns(table: &str) -> impl Iterator<Item = &'static str> {
    of(table).map(|(column, _)| column)
}

/// The columns that do not have their default, with their values as text.
pub(super) fn altered(table: &str, row: &Row) -> BTreeMap<String, String> {
    of(table)
        .filter_map(|(column, default)| Some((column, row.get(column)?, default)))
        .filter(|(_, is, default)| **is != default.value())
        .map(|(column, is, _)| (column.to_owned(), display(is)))
        .collect()
}

/// Adds the columns that do not have their default to an update, with the default.
pub(super) fn reset(table: &str, is: &Row, to: &mut Row) {
    for (column, default) in of(table) {
        if is.get(column).is_some_and(|v| *v != default.value()) {
            to.set(column, default.value());
        }
    }
}

fn display(datum: &Datum) -> String {
    let pairs = match datum {
        Datum::Set(atoms) => atoms.iter().map(atom).collect::<Vec<_>>(),
        Datum::Map(map) => map
            .iter()
            .map(|(k, v)| format!("{}={}", atom(k), atom(v)))
            .collect(),
    };
    pairs.join(" ")
}

fn atom(atom: &Atom) -> String {
    match atom {
        Atom::Integer(n) => n.to_string(),
        Atom::Real(n) => n.0.to_string(),
        Atom::Boolean(b) => b.to_string(),
        Atom::String(s) => s.clone(),
        Atom::Uuid(u) => u.to_string(),
        Atom::NamedUuid(name) => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altered_columns_are_shown_and_reset_and_nothing_else() {
        let row = Row::new()
            .with("stp_enable", true)
            .with("rstp_enable", false)
            .with("controller", "x");
        let altered_columns = altered("Bridge", &row);
        let display: Vec<(&str, &str)> = altered_columns
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(display, [("controller", "x"), ("stp_enable", "true")]);
        let mut back = Row::new();
        reset("Bridge", &row, &mut back);
        let wanted = Row::new()
            .with("stp_enable", false)
            .with("controller", Datum::empty());
        assert_eq!(back, wanted);
    }

    #[test]
    fn a_column_that_this_version_does_not_have_is_not_altered() {
        assert!(altered("Interface", &Row::new()).is_empty());
    }
}
