//! A plan of many hosts with the few that findings are about and a sample of the others: an edit is
//! tried on it in a fraction of the time. What it shows is verified on the whole plan.

use std::borrow::Cow;
use std::collections::BTreeSet;

use flatnet_types::{IfName, NodeName};

use crate::check::check_expanded;
use crate::expand::{Expanded, Origin, expand_owned};
use crate::finding::Finding;
use crate::model::{Host, NetworkPlan, Uplink};
use crate::source::{Path, Step};

/// Hosts that are written out, and members of groups, that stay.
const HOSTS: usize = 400;
const MEMBERS: usize = 400;
/// Hosts that findings are about: many that are wrong alike have one cause.
const SUBJECTS: usize = 200;

/// What edits are tried on: a plan, or a reduced one, in which hosts and groups have the indices that
/// they have in the whole plan.
pub(super) struct Trial<'p> {
    plan: Cow<'p, NetworkPlan>,
    /// The hosts that stay, by their index; none: all.
    kept: Option<BTreeSet<usize>>,
}

impl<'p> Trial<'p> {
    /// The plan itself.
    pub(super) fn whole(plan: &'p NetworkPlan) -> Self {
        Self {
            plan: Cow::Borrowed(plan),
            kept: None,
        }
    }

    /// The plan with fewer hosts; none where one cannot be made.
    pub(super) fn reduced(plan: &NetworkPlan, found: &[Finding]) -> Option<Self> {
        let mut kept: BTreeSet<usize> = BTreeSet::new();
        let places = found.iter().flat_map(|f| {
            let related = f.related.iter().map(|(place, _)| place);
            std::iter::once(&f.place).chain(related)
        });
        kept.extend(places.filter_map(host_of).take(SUBJECTS));
        let all = plan.spec.hosts.len();
        let step = all.div_ceil(HOSTS - SUBJECTS).max(1);
        kept.extend((0..all).step_by(step));
        let mut plan = plan.clone();
        let absent = absent()?;
        for (i, host) in plan.spec.hosts.iter_mut().enumerate() {
            if !kept.contains(&i) {
                host.clone_from(&absent);
            }
        }
        let members = MEMBERS / plan.spec.host_groups.len().max(1);
        let members = u32::try_from(members).unwrap_or(u32::MAX).max(2);
        for group in &mut plan.spec.host_groups {
            let end = group.first.saturating_add(members);
            group.count = group.count.min(members);
            group.except.retain(|n| *n < end);
        }
        Some(Self {
            plan: Cow::Owned(plan),
            kept: Some(kept),
        })
    }

    /// What the check finds as it stands.
    pub(super) fn check(&self) -> Vec<Finding> {
        self.check_with(&|_| {})
    }

    /// What the check finds with an edit.
    pub(super) fn check_with(&self, edit: &dyn Fn(&mut NetworkPlan)) -> Vec<Finding> {
        let mut next = NetworkPlan::clone(&self.plan);
        edit(&mut next);
        check_expanded(&self.expanded(next))
    }

    /// A plan's groups written out, without the hosts that do not stay.
    fn expanded(&self, mut plan: NetworkPlan) -> Expanded {
        let Some(kept) = &self.kept else {
            return expand_owned(plan);
        };
        let mut indices = 0..;
        let hosts = &mut plan.spec.hosts;
        hosts.retain(|_| indices.next().is_some_and(|i| kept.contains(&i)));
        let mut expanded = expand_owned(plan);
        for (origin, kept) in expanded.origins.iter_mut().zip(kept) {
            if let Origin::Written { index } = origin {
                *index = *kept;
            }
        }
        expanded
    }
}

/// The host that a place is in.
fn host_of(place: &Path) -> Option<usize> {
    match place.steps() {
        [_, Step::Key("hosts"), Step::Index(index), ..] => Some(*index),
        _ => None,
    }
}

/// What stands in the place of a host that does not stay.
fn absent() -> Option<Host> {
    Some(Host {
        name: NodeName::new("absent").ok()?,
        site: String::new(),
        v_switch: None,
        instance_id: None,
        cluster: None,
        location: None,
        labels: std::collections::BTreeMap::new(),
        addresses: Vec::new(),
        uplink: Uplink {
            interface: IfName::new("absent").ok()?,
            switch: None,
            port: None,
            bond: None,
            nics: Vec::new(),
            trunk: None,
            mtu: None,
            mac: None,
            untagged: false,
            migrate: crate::model::Migrate::Manual,
        },
        ranges: Vec::new(),
        density: None,
    })
}
