//! A listing's entries, read leniently: what is understood becomes an [`Entry`], what is not is
//! reported ([`NotUnderstood`]) and hides nothing of the rest.
//!
//! The API grows: prefix lists as destinations, new types of next hops, new states. Numbers come
//! as text and texts as `null`, as its SDKs differ. Such an entry is somebody else's for all that
//! follows: it is never changed, its destination is taken, and it uses up quota.

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use super::error::CallError;
use crate::model::{
    Entry, EntryKind, NextHop, NextHopKind, NextHops, NextHopsError, NotUnderstood, Owner, Prefix,
    Status, Table,
};

/// Characters of a foreign text that are shown.
const SHOWN: usize = 60;

type Object = Map<String, Value>;

/// One page of a listing.
pub(super) struct Page {
    /// Its entries, unread.
    pub(super) entries: Vec<Value>,
    /// Where the next page begins; `None` after the last.
    pub(super) next: Option<String>,
}

/// Cuts an answer into entries.
///
/// # Errors
/// [`CallError::Form`] where it is not to be seen which entries there are, or whether there are
/// more: nothing can be decided on half a listing.
pub(super) fn page(action: &'static str, answer: &Value) -> Result<Page, CallError> {
    let bad = |why: &str| CallError::Form {
        action,
        source: serde::de::Error::custom(why),
    };
    let next = match answer.get("NextToken") {
        None => None,
        Some(token) => text(token).map_err(|_| bad("NextToken is not text"))?,
    };
    let list = answer
        .get("RouteEntrys")
        .ok_or_else(|| bad("RouteEntrys is missing"))?;
    let list = match list {
        Value::Object(wrapped) => wrapped.get("RouteEntry").unwrap_or(&Value::Null),
        bare @ Value::Array(_) => bare,
        _ => return Err(bad("RouteEntrys is no list")),
    };
    let entries = match list {
        Value::Null => Vec::new(),
        Value::Array(entries) => entries.clone(),
        // A list of one, as what was XML before writes it.
        one @ Value::Object(_) => vec![one.clone()],
        _ => return Err(bad("RouteEntrys.RouteEntry is no list")),
    };
    Ok(Page {
        entries,
        next: next.filter(|token| !token.is_empty()),
    })
}

/// Reads one entry into a table.
pub(super) fn read(raw: &Value, into: &mut Table) {
    let Some(object) = raw.as_object() else {
        into.not_understood.push(NotUnderstood {
            entry: shorten(&raw.to_string()),
            destination: None,
            counts: true,
            why: "it is not a JSON object".to_owned(),
        });
        return;
    };
    let found = Found::read(object);
    if let Some(note) = found.note() {
        into.not_understood.push(note);
    }
    into.entries.extend(found.entry());
}

/// What was understood of an entry, and what was not.
struct Found {
    shown: String,
    destination: Option<Prefix>,
    kind: EntryKind,
    next_hops: Option<NextHops>,
    /// The next hops as they stand, for people.
    leads: String,
    name: String,
    id: Option<String>,
    status: Status,
    wrong: Vec<String>,
}

impl Found {
    fn read(object: &Object) -> Self {
        let mut wrong = Vec::new();
        let destination = field(object, "DestinationCidrBlock", &mut wrong);
        let id = field(object, "RouteEntryId", &mut wrong).filter(|id| !id.is_empty());
        let name = field(object, "RouteEntryName", &mut wrong).unwrap_or_default();
        let kind = kind(object, &mut wrong);
        let parsed = destination.as_deref().and_then(parse_prefix);
        if parsed.is_none() {
            let given = destination.as_deref().unwrap_or_default();
            wrong.push(format!(
                "its destination `{}` is not an IP prefix",
                shorten(given)
            ));
        }
        let status = status(object, &mut wrong);
        let (next_hops, leads) = hops(object, kind, &mut wrong);
        let words = [
            destination.unwrap_or_default(),
            id.clone().unwrap_or_default(),
        ];
        let shown = words.join(" ");
        Self {
            shown: match shown.trim() {
                "" => shorten(&Value::Object(object.clone()).to_string()),
                shown => shorten(shown),
            },
            destination: parsed,
            kind,
            next_hops,
            leads,
            name,
            id,
            status,
            wrong,
        }
    }

    fn note(&self) -> Option<NotUnderstood> {
        (!self.wrong.is_empty()).then(|| NotUnderstood {
            entry: self.shown.clone(),
            destination: self.destination,
            counts: self.kind == EntryKind::Custom,
            why: self.wrong.join("; "),
        })
    }

    /// The entry; `None` where it has no destination. One that is not understood whole is
    /// nobody's of ours, whatever its name says, and leads to no place that could be desired.
    fn entry(self) -> Option<Entry> {
        let destination = self.destination?;
        if let (true, Some(next_hops)) = (self.wrong.is_empty(), self.next_hops) {
            return Some(Entry {
                destination,
                next_hops,
                name: self.name,
                id: self.id,
                status: self.status,
                kind: self.kind,
            });
        }
        let kind = NextHopKind::Other("not understood".to_owned());
        Some(Entry {
            destination,
            next_hops: NextHops::one(kind, self.leads),
            name: match Owner::parse(&self.name) {
                Some(_) => format!("not understood: {}", self.name),
                None => self.name,
            },
            id: self.id,
            // In no state that is waited for: it might never leave it.
            status: Status::Available,
            kind: self.kind,
        })
    }
}

/// The next hops, and how they are shown.
fn hops(object: &Object, kind: EntryKind, wrong: &mut Vec<String>) -> (Option<NextHops>, String) {
    let list = match object.get("NextHops") {
        Some(Value::Object(wrapped)) => wrapped.get("NextHop").unwrap_or(&Value::Null),
        Some(other) => other,
        None => &Value::Null,
    };
    let list = match list {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut found = Vec::new();
    let known = wrong.len();
    for raw in list {
        let Some(hop) = raw.as_object() else {
            wrong.push("a next hop is not a JSON object".to_owned());
            continue;
        };
        found.push(NextHop {
            kind: field(hop, "NextHopType", wrong).unwrap_or_default().into(),
            id: field(hop, "NextHopId", wrong).unwrap_or_default(),
            weight: weight(hop, wrong),
        });
    }
    let leads: Vec<String> = found.iter().map(NextHop::to_string).collect();
    let leads = shorten(&leads.join(" + "));
    if kind == EntryKind::Custom {
        for hop in &found {
            match &hop.kind {
                NextHopKind::Other(name) => wrong.push(format!(
                    "its next hop's type `{}` is not known",
                    shorten(name)
                )),
                _ if hop.id.is_empty() => wrong.push("its next hop has no ID".to_owned()),
                _ => {}
            }
        }
    }
    match NextHops::new(found) {
        Ok(hops) => (Some(hops), leads),
        // The cloud's own entries lead to a place without a name.
        Err(NextHopsError::None) if kind != EntryKind::Custom => {
            (Some(NextHops::one("local".to_owned().into(), "")), leads)
        }
        Err(error) => {
            if wrong.len() == known {
                wrong.push(error.to_string());
            }
            (None, leads)
        }
    }
}

/// Where an entry comes from. A type that is not known is taken for one that uses up quota.
fn kind(object: &Object, wrong: &mut Vec<String>) -> EntryKind {
    let word = field(object, "Type", wrong).unwrap_or_default();
    match word.as_str() {
        "Custom" => EntryKind::Custom,
        "System" => EntryKind::System,
        "BGP" | "CEN" | "ECR" => EntryKind::Learned,
        other => {
            wrong.push(format!("its type `{}` is not known", shorten(other)));
            EntryKind::Custom
        }
    }
}

/// The states, in the API's words and in its documentation's prose.
fn status(object: &Object, wrong: &mut Vec<String>) -> Status {
    let word = field(object, "Status", wrong).unwrap_or_default();
    match word.as_str() {
        "Available" | "Created" => Status::Available,
        "Pending" | "Creating" => Status::Pending,
        "Modifying" => Status::Modifying,
        "Deleting" => Status::Deleting,
        other => {
            wrong.push(format!("its status `{}` is not known", shorten(other)));
            Status::Available
        }
    }
}

/// A next hop's weight, as a number or as text; 0 where there is none.
fn weight(hop: &Object, wrong: &mut Vec<String>) -> u16 {
    let Some(word) = field(hop, "Weight", wrong).filter(|word| !word.is_empty()) else {
        return 0;
    };
    word.parse().unwrap_or_else(|_| {
        wrong.push(format!("its weight `{}` is not a number", shorten(&word)));
        0
    })
}

/// A field as text; what has no text is put among what is wrong.
fn field(object: &Object, name: &str, wrong: &mut Vec<String>) -> Option<String> {
    let value = object.get(name)?;
    text(value).unwrap_or_else(|()| {
        wrong.push(format!("{name} is neither text nor a number"));
        None
    })
}

/// A value as text: a number or a boolean as it is written; `None` for `null`.
pub(super) fn text(value: &Value) -> Result<Option<String>, ()> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(is) => Ok(Some(is.to_string())),
        Value::Array(_) | Value::Object(_) => Err(()),
    }
}

/// A prefix as the API writes it; `None` for what is none.
pub(super) fn parse_prefix(text: &str) -> Option<Prefix> {
    text.parse::<IpNetwork>().ok().map(Prefix::truncating)
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
