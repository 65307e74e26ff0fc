//! Objects as a plan: one document, and of each of its lines which object it is of.
//!
//! The document is text, so that the plan's own reader and check see what is declared, with the codes and
//! the hints of `flatctl plan check`; its digest is the revision.

mod blame;
pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};

use flatnet_plan::model::{API_VERSION, KIND};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use crate::object::{Kind, Object};
use crate::status::DiagnosticStatus;
use text::Text;

pub use blame::Blamed;

/// A plan's document, made of objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// The document, in YAML.
    pub text: String,
    /// What keeps objects from having a place in a document: errors.
    pub misplaced: Vec<DiagnosticStatus>,
    /// Of each object: its reference, the lines of it, and how the plan's names become its fields.
    lines: Vec<Lines>,
}

/// Lines of an object.
#[derive(Debug, Clone, PartialEq)]
struct Lines {
    object: String,
    /// Whether the plan's `name` is the object's own.
    by_object: bool,
    /// From 1, the last one excluded.
    first: usize,
    last: usize,
}

/// Joins objects to a document. Their order does not matter.
pub fn join(objects: &[Object]) -> Joined {
    let mut sorted: Vec<&Object> = objects.iter().collect();
    sorted.sort_by_cached_key(|o| (o.kind, key(o), o.name.clone()));
    let mut joining = Joining {
        text: Text::default(),
        misplaced: Vec::new(),
    };
    let head = joining.head(&sorted);
    joining.misplaced(&sorted);
    joining.document(head, &sorted);
    joining.text.finish(joining.misplaced)
}

/// By what objects of a kind are in order: VLANs by number, ranges by network and address, all others by name.
fn key(object: &Object) -> (String, u64, Option<IpNetwork>, String) {
    let text = |field: &str| {
        let value = object.spec.get(field).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let number = object.spec.get("id").and_then(Value::as_u64);
    match object.kind {
        Kind::Vlan => (String::new(), number.unwrap_or(0), None, String::new()),
        Kind::HostRange => (
            text("network"),
            0,
            text("prefix").parse().ok(),
            text("prefix"),
        ),
        _ => (name(object), 0, None, String::new()),
    }
}

/// Its name in the plan.
fn name(object: &Object) -> String {
    let own = object.spec.get("name").and_then(Value::as_str);
    own.unwrap_or(&object.name).to_owned()
}

/// What it is of: a site, or a host.
fn place(object: &Object) -> &str {
    let field = match object.kind {
        Kind::HostRange => "host",
        _ => "site",
    };
    let place = object.spec.get(field).and_then(Value::as_str);
    place.unwrap_or_default()
}

struct Joining {
    text: Text,
    misplaced: Vec<DiagnosticStatus>,
}

impl Joining {
    /// The one head; what is wrong where there is none, or another.
    fn head<'o>(&mut self, objects: &[&'o Object]) -> Option<&'o Object> {
        let mut heads = objects.iter().filter(|o| o.kind == Kind::NetworkPlan);
        let Some(first) = heads.next() else {
            self.misplaced.push(fault(
                "FN0003",
                "NetworkPlan/",
                "metadata.name",
                "there is no object of kind NetworkPlan".to_owned(),
                "Make one: it is the plan's head, and `flatctl plan apply` makes it from a plan's file.",
            ));
            return None;
        };
        for other in heads {
            let message = format!("{} is a plan's head too, and there can be one", first.name);
            let hint = "Delete one of them; a cluster has one plan.";
            let fault = fault("FN0005", &other.reference(), "metadata.name", message, hint);
            self.misplaced.push(fault);
        }
        Some(first)
    }

    /// What is of a site or a host that is not there.
    fn misplaced(&mut self, objects: &[&Object]) {
        let named = |kind| {
            let all = objects.iter().filter(move |o| o.kind == kind);
            all.map(|o| name(o)).collect::<BTreeSet<String>>()
        };
        let (sites, hosts) = (named(Kind::Site), named(Kind::Host));
        for object in objects {
            let (what, known) = match object.kind {
                Kind::Switch | Kind::Vlan | Kind::RouteTable => ("site", &sites),
                Kind::HostRange => ("host", &hosts),
                _ => continue,
            };
            let place = place(object);
            if !known.contains(place) {
                let message = format!("there is no {what} {place}");
                let hint = format!("Correct `spec.{what}`, or make the {what}.");
                let field = format!("spec.{what}");
                let fault = fault("FN0006", &object.reference(), &field, message, &hint);
                self.misplaced.push(fault);
            }
        }
    }

    fn document(&mut self, head: Option<&Object>, objects: &[&Object]) {
        let text = &mut self.text;
        text.line(0, &format!("apiVersion: {API_VERSION}"));
        text.line(0, &format!("kind: {KIND}"));
        text.line(0, "metadata:");
        let mut spec = head.map(|h| h.spec.clone()).unwrap_or_default();
        let own = spec.remove("name");
        let name = head.map(|h| h.name.clone()).unwrap_or_default();
        let by_object = own.is_none();
        let metadata = Map::from_iter([("name".to_owned(), own.unwrap_or(name.into()))]);
        let reference = head.map_or_else(|| "NetworkPlan/".to_owned(), Object::reference);
        text.of(&reference, by_object, |t| t.fields(1, &metadata));
        text.line(0, "spec:");
        text.of(&reference, by_object, |t| t.fields(1, &spec));
        self.sites(objects);
        self.list("networks", 1, &of_kind(objects, Kind::Network), |_, _| {});
        let ranges = by_place(objects, Kind::HostRange);
        self.list(
            "hosts",
            1,
            &of_kind(objects, Kind::Host),
            |joining, host| {
                let none = Vec::new();
                let own = ranges.get(name_of(host).as_str()).unwrap_or(&none);
                joining.list("ranges", 3, own, |_, _| {});
            },
        );
        let lines = of_kind(objects, Kind::LeasedLine);
        if !lines.is_empty() {
            self.list("links", 1, &lines, |_, _| {});
        }
    }

    fn sites(&mut self, objects: &[&Object]) {
        let parts = [
            ("switches", by_place(objects, Kind::Switch)),
            ("vlans", by_place(objects, Kind::Vlan)),
            ("routeTables", by_place(objects, Kind::RouteTable)),
        ];
        self.list(
            "sites",
            1,
            &of_kind(objects, Kind::Site),
            |joining, site| {
                for (list, all) in &parts {
                    if let Some(own) = all.get(name_of(site).as_str()) {
                        joining.list(list, 3, own, |_, _| {});
                    }
                }
            },
        );
    }

    /// A list of objects, each with what `inside` writes behind its own fields.
    fn list(
        &mut self,
        list: &str,
        depth: usize,
        objects: &[&Object],
        inside: impl Fn(&mut Self, &Object),
    ) {
        if objects.is_empty() {
            return self.text.line(depth, &format!("{list}: []"));
        }
        self.text.line(depth, &format!("{list}:"));
        for object in objects {
            let mut spec = object.spec.clone();
            if matches!(
                object.kind,
                Kind::Switch | Kind::Vlan | Kind::RouteTable | Kind::HostRange
            ) {
                spec.remove(match object.kind {
                    Kind::HostRange => "host",
                    _ => "site",
                });
            }
            let nameless = object.kind == Kind::HostRange;
            let by_object = !nameless && !spec.contains_key("name");
            if by_object {
                spec.insert("name".to_owned(), object.name.clone().into());
            }
            let reference = object.reference();
            self.text
                .of(&reference, by_object, |t| t.item(depth + 1, &spec));
            inside(self, object);
        }
    }
}

fn name_of(object: &Object) -> String {
    name(object)
}

fn of_kind<'o>(objects: &[&'o Object], kind: Kind) -> Vec<&'o Object> {
    let all = objects.iter().filter(|o| o.kind == kind);
    all.copied().collect()
}

fn by_place<'o>(objects: &[&'o Object], kind: Kind) -> BTreeMap<&'o str, Vec<&'o Object>> {
    let mut all: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for object in of_kind(objects, kind) {
        all.entry(place(object)).or_default().push(object);
    }
    all
}

/// An error of an object that has no place in a document: as of a name that leads nowhere.
fn fault(code: &str, object: &str, field: &str, message: String, hint: &str) -> DiagnosticStatus {
    DiagnosticStatus {
        code: code.to_owned(),
        severity: "error".to_owned(),
        object: object.to_owned(),
        field: field.to_owned(),
        message,
        hint: hint.to_owned(),
    }
}
