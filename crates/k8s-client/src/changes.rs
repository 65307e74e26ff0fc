//! What is to be written so that an API server has a plan's objects: pure.

use std::collections::BTreeMap;

use flatnet_k8s_api::{Kind, Object};

use crate::Listed;

/// What is to be written, in this order, and what is left alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Objects that are not there, sites before what is in them.
    pub create: Vec<Object>,
    /// Objects that are there and differ.
    pub update: Vec<Object>,
    /// Objects that were applied from this plan and are not in it any more; what is in others first.
    pub delete: Vec<Listed>,
    /// Objects that are not in the plan and were made by somebody else. They stay, and they are part of what
    /// the daemons read.
    pub foreign: Vec<Object>,
    /// How many objects are as they are to be.
    pub same: usize,
}

impl Changes {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.update.is_empty() && self.delete.is_empty()
    }
}

/// What makes `listed` to `desired`. `plan` is the label's value of the plan's own objects.
///
/// Guarantees: nothing is to be written where they are alike; only objects that bear the plan's label are
/// deleted.
pub fn changes(plan: &str, desired: &[Object], listed: &[Listed]) -> Changes {
    let key = |o: &Object| (o.kind, o.name.clone());
    let mut there: BTreeMap<(Kind, String), &Listed> =
        listed.iter().map(|l| (key(&l.object), l)).collect();
    let mut found = Changes::default();
    let mut desired: Vec<&Object> = desired.iter().collect();
    desired.sort_by_cached_key(|o| key(o));
    for object in desired {
        match there.remove(&key(object)) {
            None => found.create.push(object.clone()),
            Some(old) if old.object == *object => found.same += 1,
            Some(_) => found.update.push(object.clone()),
        }
    }
    for (_, left) in there.into_iter().rev() {
        match left.object.plan.as_deref() == Some(plan) {
            true => found.delete.push(left.clone()),
            false => found.foreign.push(left.object.clone()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn object(kind: Kind, name: &str, plan: Option<&str>, value: u32) -> Object {
        Object {
            kind,
            name: name.to_owned(),
            plan: plan.map(str::to_owned),
            spec: Map::from_iter([("value".to_owned(), json!(value))]),
        }
    }

    fn listed(object: &Object) -> Listed {
        Listed {
            object: object.clone(),
            uid: Some("uid".to_owned()),
            version: Some("7".to_owned()),
        }
    }

    fn names(objects: &[Object]) -> Vec<String> {
        objects.iter().map(Object::reference).collect()
    }

    #[test]
    fn alike_is_nothing_to_write() {
        let all = [
            object(Kind::Site, "idc", Some("p"), 1),
            object(Kind::Host, "idc1", Some("p"), 1),
        ];
        let found = changes("p", &all, &all.clone().map(|o| listed(&o)));
        assert!(found.is_empty());
        assert_eq!((found.same, found.foreign.len()), (2, 0));
    }

    #[test]
    fn sites_come_before_hosts_and_go_after_them_and_what_is_foreign_stays() {
        let desired = [
            object(Kind::Host, "new", Some("p"), 1),
            object(Kind::Site, "new", Some("p"), 1),
            object(Kind::Site, "kept", Some("p"), 2),
            object(Kind::Vlan, "taken", Some("p"), 1),
        ];
        let there = [
            object(Kind::Site, "kept", Some("p"), 1),
            object(Kind::Site, "gone", Some("p"), 1),
            object(Kind::HostRange, "gone", Some("p"), 1),
            object(Kind::Host, "foreign", None, 1),
            object(Kind::Host, "others", Some("q"), 1),
            object(Kind::Vlan, "taken", None, 1),
        ];
        let found = changes("p", &desired, &there.map(|o| listed(&o)));
        assert_eq!(names(&found.create), ["Site/new", "Host/new"]);
        assert_eq!(names(&found.update), ["Site/kept", "Vlan/taken"]);
        let gone: Vec<Object> = found.delete.iter().map(|l| l.object.clone()).collect();
        assert_eq!(names(&gone), ["HostRange/gone", "Site/gone"]);
        assert_eq!(names(&found.foreign), ["Host/others", "Host/foreign"]);
    }
}
