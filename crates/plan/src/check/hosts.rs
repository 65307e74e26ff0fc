//! Hosts: each has ranges, and each instance is one host.

use std::collections::HashMap;

use super::{Context, Findings};
use crate::finding::{DUPLICATE_INSTANCE, NO_INSTANCE, NO_RANGE};
use crate::model::{Network, SiteType};

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let mut instances: HashMap<&str, usize> = HashMap::new();
    for (i, host) in c.hosts().iter().enumerate() {
        // ipamd cuts a slice for it.
        let sliced =
            |n: &Network| n.site == host.site && n.pools.iter().any(|p| p.slice_length.is_some());
        if host.ranges.is_empty() && !c.plan.spec.networks.iter().any(sliced) {
            let message = format!("{} has no range", host.name);
            found.add(&NO_RANGE, c.host_at(i), message);
        }
        let table = c
            .site_of(i)
            .is_some_and(|(_, s)| s.site_type == SiteType::Vpc && !s.route_tables.is_empty());
        match &host.instance_id {
            Some(id) => {
                if let Some(first) = instances.get(id.as_str()) {
                    found.add_with(
                        &DUPLICATE_INSTANCE,
                        c.instance_at(i),
                        format!("{id} is also {}", c.hosts()[*first].name),
                        (c.instance_at(*first), "the first one"),
                    );
                } else {
                    instances.insert(id, i);
                }
            }
            None if table => {
                let message = format!("{} has no instanceId to lead its ranges to", host.name);
                found.add(&NO_INSTANCE, c.host_at(i), message);
            }
            None => {}
        }
    }
}
