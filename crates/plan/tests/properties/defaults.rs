//! A field that is written out with what it is anyway changes nothing: no step there, and none back.
//!
//! ```text
//!   schema ─▶ every optional field ─▶ its row: what it is where it is not written, or that it says nothing
//!   generated plan, at each place of a field that is not written ── the row's value ─▶ diff has no step
//! ```
//!
//! The fields are those of the JSON Schema, so a field that is new has no row until it is given one.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use flatnet_plan::diff::{Phase, diff};
use flatnet_plan::expand::expand;
use flatnet_plan::model::{Host, NetworkPlan, Nic};
use flatnet_plan::{parse, schema};
use flatnet_types::VlanId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::plan_of;
use super::shape::shapes;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&schema::document()).expect("JSON"));

/// What a field is where it is not written.
enum Unwritten {
    /// Always that.
    Is(Value),
    /// What another field is, or what follows from the rest of the plan.
    Follows(fn(&Place<'_>) -> Option<Value>),
    /// Nothing is known then: there is no value that says the same.
    SaysNothing,
}

use Unwritten::{Follows, Is, SaysNothing};

/// An object of a document.
struct Place<'d> {
    plan: &'d NetworkPlan,
    document: &'d Value,
    /// A JSON pointer (RFC 6901).
    at: &'d str,
}

impl Place<'_> {
    fn own(&self) -> &Value {
        self.document.pointer(self.at).expect("an object")
    }

    /// The object that this one is in a list of.
    fn around(&self) -> &Value {
        let mut parts = self.at.rsplitn(3, '/');
        let at = parts.nth(2).expect("a list in an object");
        self.document.pointer(at).expect("an object")
    }

    fn spec(&self, key: &str) -> Option<Value> {
        self.document["spec"].get(key).cloned()
    }

    /// The hosts of an uplink: the one that has it, or the members of its group.
    fn hosts(&self) -> Vec<Host> {
        let parts: Vec<&str> = self.at.split('/').collect();
        let mut alone = self.plan.clone();
        let index: usize = parts[3].parse().expect("an index");
        match parts[2] {
            "hosts" => return vec![self.plan.spec.hosts[index].clone()],
            _ => {
                alone.spec.hosts.clear();
                let group = alone.spec.host_groups.swap_remove(index);
                alone.spec.host_groups = vec![group];
            }
        }
        expand(&alone).plan.spec.hosts
    }
}

/// The row of each field that has one; none: the field's own type says what it is.
fn row(of: &str, key: &str) -> Option<Unwritten> {
    let plans = |p: &Place<'_>| p.spec("mtu").or(Some(json!(1500)));
    Some(match (of, key) {
        ("Network" | "Vlan" | "Switch" | "Uplink" | "LeasedLine", "mtu") => Follows(plans),
        ("Port", "mtu") => Follows(|p| p.around().get("mtu").cloned().or(p.spec("mtu"))),
        ("Port", "native") => Follows(|p| p.around().get("native").cloned()),
        ("Host" | "HostGroup" | "Pool" | "RouteTable", "cluster") => Follows(|p| p.spec("cluster")),
        ("Host" | "HostGroup" | "Network", "density") => Follows(|p| p.spec("density")),
        ("Network", "neighbourRate") => Is(json!(500)),
        ("Network", "egress") => Is(json!([{"to": "0.0.0.0/0"}, {"to": "::/0"}])),
        ("LeasedLine", "accept") => {
            let all = ["0.0.0.0/0", "::/0"];
            Is(json!({"fromIdc": all, "fromVpc": all}))
        }
        ("Vbr", "routeTable") => Follows(|p| p.own().get("id").cloned()),
        ("Vbr" | "RouteTable", "aggregate") => Is(json!(true)),
        ("RouteTable", "vSwitches") => Follows(unbound),
        ("Site", "edgeRouter") => Follows(edge_router),
        ("Switch", "trunk") => Follows(switch_trunk),
        ("Switch", "peerTrunk") => Is(json!((1..=4094).collect::<Vec<u16>>())),
        ("Uplink", "trunk") => Follows(uplink_trunk),
        ("Uplink", "migrate") => Is(json!("manual")),
        ("Switch", "spanningTree") | ("Trunk", "any") | ("Uplink", "untagged") => Is(json!(false)),
        ("HostGroup", "first") => Is(json!(1)),
        ("HostGroup", "hostsPerRack") => Follows(|p| p.own().get("count").cloned()),
        ("Host" | "HostGroup", "location" | "labels") | ("PlanSpec", "budgets") => Is(json!({})),
        ("Allow", "mac")
        | ("Allowance", "at" | "until")
        | ("Destination", "protocol")
        | ("EdgeRouter", "quota")
        | ("Host" | "HostGroup", "instanceId" | "vSwitch")
        | ("LeasedLine", "routerInterface" | "vbr")
        | ("Location", "rack" | "room" | "unit")
        | ("Network", "vlan")
        | ("Nic" | "Uplink", "port" | "switch")
        | ("PlanSpec", "apiServer" | "cluster" | "density")
        | ("Pool", "sliceLength")
        | ("RouteTable" | "VSwitch", "id")
        | ("Site", "region" | "vpcId")
        | ("Switch", "macTableSize" | "native")
        | ("Uplink", "bond" | "mac")
        | ("VSwitch", "zone")
        | ("Vbr", "routerInterface") => SaysNothing,
        _ => return None,
    })
}

/// The vSwitches of a table that lists none: those that no other one lists.
fn unbound(p: &Place<'_>) -> Option<Value> {
    let site = p.around();
    let tables = site["routeTables"].as_array()?;
    let listed = |name: &Value| {
        let mut lists = tables.iter().filter_map(|t| t.get("vSwitches")?.as_array());
        lists.any(|l| l.contains(name))
    };
    let names = site["vSwitches"]
        .as_array()?
        .iter()
        .map(|v| v["name"].clone());
    Some(names.filter(|n| !listed(n)).collect())
}

/// A data centre's router is called `edge` where nothing is said of it.
fn edge_router(p: &Place<'_>) -> Option<Value> {
    (p.own()["type"] == "IDC").then(|| json!({"name": "edge"}))
}

/// The VLANs that a host uses.
fn used(plan: &NetworkPlan, host: &Host) -> BTreeSet<VlanId> {
    let site = plan.site(&host.site);
    let own = site.and_then(|s| s.host_vlan_of(host)).map(|v| v.id);
    let networks = plan.spec.networks.iter().filter(|n| {
        let sliced = n.pools.iter().any(|p| p.slice_length.is_some());
        n.site == host.site && (sliced || host.ranges.iter().any(|r| r.network == n.name))
    });
    let each = networks.flat_map(|n| n.vlan.into_iter().chain(n.trunk.iter().map(|t| t.vlan)));
    own.into_iter().chain(each).collect()
}

/// What the ports carry that an uplink is in, or what its hosts use where that is not said.
fn uplink_trunk(p: &Place<'_>) -> Option<Value> {
    let hosts = p.hosts();
    let plan = expand(p.plan).plan;
    let first = hosts.first()?;
    let site = plan.site(&first.site)?;
    let list = |cable: &Nic| {
        let switch = site.switch(cable.switch.as_deref()?)?;
        let port = switch
            .ports
            .iter()
            .find(|p| Some(&p.name) == cable.port.as_ref());
        port.map(|p| p.trunk.clone())
            .or_else(|| switch.trunk.clone())
    };
    let lists: Vec<Vec<VlanId>> = first.uplink.cables().iter().filter_map(list).collect();
    let carried = match lists.split_first() {
        None => used(&plan, first).into_iter().collect(),
        Some((one, others)) => {
            let all = one
                .iter()
                .filter(|id| others.iter().all(|o| o.contains(id)));
            all.copied().collect::<Vec<_>>()
        }
    };
    Some(json!(carried))
}

/// What the hosts use that are in a switch's ports.
fn switch_trunk(p: &Place<'_>) -> Option<Value> {
    let plan = expand(p.plan).plan;
    let (site, switch) = (p.around()["name"].as_str()?, p.own()["name"].as_str()?);
    let ports = p.own().get("ports").and_then(Value::as_array);
    let differs = |cable: &Nic| {
        let mut ports = ports.into_iter().flatten();
        ports.any(|p| p["name"].as_str() == cable.port.as_deref())
    };
    let hosts = plan.spec.hosts.iter().filter(|h| {
        let cables = h.uplink.cables();
        let mut here = cables
            .iter()
            .filter(|c| c.switch.as_deref() == Some(switch));
        h.site == site && here.any(|c| !differs(c))
    });
    let all: BTreeSet<VlanId> = hosts.flat_map(|h| used(&plan, h)).collect();
    Some(json!(all))
}

/// What a field of a type is by the schema alone: its default, or nothing in it.
fn by_type(field: &Value) -> Option<Value> {
    match field.get("default") {
        Some(default) => Some(default.clone()),
        None if field["type"] == "array" => Some(json!([])),
        None => None,
    }
}

/// The optional fields of a type of the schema, with their schemas.
fn optional(of: &str) -> Vec<(&'static str, &'static Value)> {
    let definition = &SCHEMA["$defs"][of];
    let required = definition["required"].as_array();
    let is_required = |key: &str| required.is_some_and(|r| r.iter().any(|k| k == key));
    let fields = definition["properties"].as_object();
    let fields = fields.into_iter().flatten();
    fields
        .filter(|(key, _)| !is_required(key))
        .map(|(key, field)| (key.as_str(), field))
        .collect()
}

/// Every object of a document with its type of the schema.
fn objects(schema: &Value, value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    if let Some(of) = schema["$ref"].as_str() {
        let name = of.rsplit('/').next().unwrap_or_default();
        let definition = &SCHEMA["$defs"][name];
        if definition.get("properties").is_some() {
            found.push((name.to_owned(), at.to_owned()));
        }
        return objects(definition, value, at, found);
    }
    let any = schema["anyOf"].as_array().into_iter().flatten();
    for one in any.filter(|_| !value.is_null()) {
        objects(one, value, at, found);
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        objects(&schema["items"], item, &format!("{at}/{i}"), found);
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        objects(
            &schema["properties"][key],
            inner,
            &format!("{at}/{key}"),
            found,
        );
    }
}

#[test]
fn each_optional_field_says_what_it_is_where_it_is_not_written() {
    let definitions = SCHEMA["$defs"].as_object().expect("definitions");
    let mut lacking = Vec::new();
    let mut known = 0;
    for of in definitions.keys() {
        for (key, field) in optional(of) {
            known += 1;
            if row(of, key).is_none() && by_type(field).is_none() {
                lacking.push(format!("{of}.{key}"));
            }
        }
    }
    assert!(lacking.is_empty(), "no row: {lacking:?}");
    assert!(known > 80, "{known}");
}

/// The steps from one plan to another, and back, without those that are for the record alone.
fn steps(old: &NetworkPlan, new: &NetworkPlan) -> Vec<String> {
    let (old, new) = (expand(old).plan, expand(new).plan);
    let both = [diff(&old, &new), diff(&new, &old)];
    let changes = both.into_iter().flat_map(|d| d.expect("routes").changes);
    let steps = changes.filter(|c| c.phase != Phase::Record);
    steps
        .map(|c| format!("{} {:?}", c.what, c.details))
        .collect()
}

/// Writes out what is not written in a plan, one field at one place after the other.
fn written(plan: &NetworkPlan) -> (Vec<String>, BTreeSet<String>) {
    let document = serde_json::to_value(plan).expect("JSON");
    let mut all = Vec::new();
    objects(&SCHEMA, &document, "", &mut all);
    let (mut wrong, mut fields) = (Vec::new(), BTreeSet::new());
    for (of, at) in &all {
        for (key, field) in optional(of) {
            let place = Place {
                plan,
                document: &document,
                at,
            };
            let value = match row(of, key) {
                Some(Is(value)) => Some(value),
                Some(Follows(follows)) => follows(&place),
                Some(SaysNothing) => None,
                None => by_type(field),
            };
            let Some(value) = value else { continue };
            let mut new = document.clone();
            let object = new.pointer_mut(at).and_then(Value::as_object_mut);
            let object = object.expect("an object");
            match object.get(key) {
                None => drop(object.insert(key.to_owned(), value)),
                // Written always: the plan is compared with one that leaves it out.
                Some(is) if *is == value => drop(object.remove(key)),
                Some(_) => continue,
            }
            fields.insert(format!("{of}.{key}"));
            let new = parse(&new.to_string()).expect("a plan");
            let found = steps(plan, &new);
            if !found.is_empty() {
                wrong.push(format!("{at}/{key}: {found:#?}"));
            }
        }
    }
    (wrong, fields)
}

proptest! {
    // Each case tries every field at every place.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_default_that_is_written_out_makes_no_step(shape in shapes()) {
        let (wrong, _) = written(&plan_of(&shape));
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn another_order_of_a_list_makes_no_step_that_anybody_notices(shape in shapes()) {
        let plan = plan_of(&shape);
        let document = serde_json::to_value(&plan).expect("JSON");
        let mut all = Vec::new();
        lists(&document, "", &mut all);
        for at in all {
            let mut new = document.clone();
            let list = new.pointer_mut(&at).and_then(Value::as_array_mut);
            list.expect("a list").reverse();
            // What is in a list by its place: the members' own addresses and instances.
            let Ok(new) = parse(&new.to_string()) else { continue };
            let found = steps(&plan, &new);
            let ordered = |s: &&String| !s.starts_with("order of ");
            let found: Vec<&String> = found.iter().filter(ordered).collect();
            prop_assert!(found.is_empty(), "{at}: {found:#?}");
        }
    }
}

fn lists(value: &Value, at: &str, found: &mut Vec<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        lists(inner, &format!("{at}/{key}"), found);
    }
    if let Some(items) = value.as_array() {
        found.push(at.to_owned());
        for (i, item) in items.iter().enumerate() {
            lists(item, &format!("{at}/{i}"), found);
        }
    }
}

/// One plan has every type of the schema, so that no row goes untried.
#[test]
fn each_row_is_tried() {
    let plan = parse(include_str!("../verdicts.yaml")).expect("a plan");
    let mut bare = plan.clone();
    for network in &mut bare.spec.networks {
        network.egress = None;
    }
    let (mut tried, mut wrong) = (BTreeSet::new(), Vec::new());
    let document = serde_json::to_value(&plan).expect("JSON");
    let mut all = Vec::new();
    objects(&SCHEMA, &document, "", &mut all);
    // As it is, and without each of its optional fields in turn.
    let mut plans = vec![plan.clone(), bare];
    for (of, at) in &all {
        for (key, _) in optional(of) {
            let mut less = document.clone();
            let object = less.pointer_mut(at).and_then(Value::as_object_mut);
            if object.expect("an object").remove(key).is_some() {
                plans.extend(parse(&less.to_string()));
            }
        }
    }
    for plan in plans {
        let plan = parse(&flatnet_plan::to_yaml(&plan).expect("YAML")).expect("a plan");
        if diff(&expand(&plan).plan, &expand(&plan).plan).is_err() {
            continue;
        }
        let (found, fields) = written(&plan);
        tried.extend(fields);
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let definitions = SCHEMA["$defs"].as_object().expect("definitions");
    let rows = definitions.keys().flat_map(|of| {
        let optional = optional(of).into_iter();
        optional.filter_map(move |(key, _)| match row(of, key) {
            Some(SaysNothing) => None,
            _ => Some(format!("{of}.{key}")),
        })
    });
    let untried: Vec<String> = rows.filter(|r| !tried.contains(r)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}
