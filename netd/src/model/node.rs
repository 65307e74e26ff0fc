//! What the reconciler uses of the model: observing the node, and applying ops.

use flatnet_ovs::openflow::{Flow, Match};
use flatnet_types::Mtu;

use super::{ModelNode, State, timed_out, unmanaged_flows};
use crate::flows;
use crate::node_ops::NodeOpsError;
use crate::reconcile::{Actual, Op, ReconcileOps, SwitchActual, TimeoutsActual, ZoneTimeouts};

impl ReconcileOps for ModelNode {
    async fn observe(&self, sysctls: &[String]) -> Result<Actual, NodeOpsError> {
        let mut state = self.state();
        if state.departing > 0 {
            let left = Match::new().in_port(60_000 + u32::from(state.departing));
            let cookie = flows::cookie(900 + u64::from(state.departing));
            state
                .flows
                .insert(Flow::new(0, 1).matching(left).cookie(cookie));
            state.departing -= 1;
        }
        let mut ports = state.ports.clone();
        if state.observations_without_numbers > 0 {
            state.observations_without_numbers -= 1;
            ports.values_mut().for_each(|p| p.ofport = None);
        }
        let value = |key: &String| {
            // A link's sysctls exist only while the link exists.
            let dev = key
                .strip_prefix("ipv6/conf/")
                .or(key.strip_prefix("ipv4/conf/"));
            let dev = dev.and_then(|k| k.split('/').next());
            if dev.is_some_and(|d| d != "all" && d != "default" && !state.links.contains_key(d)) {
                return None;
            }
            Some((
                key.clone(),
                state
                    .sysctls
                    .get(key)
                    .cloned()
                    .unwrap_or_else(|| "0".into()),
            ))
        };
        Ok(Actual {
            database: true,
            bridge: state.bridge.clone(),
            ports,
            elsewhere: state.elsewhere.clone(),
            links: state.links.values().cloned().collect(),
            addresses: state.addresses.clone(),
            marked: state
                .marked
                .intersection(&state.addresses)
                .cloned()
                .collect(),
            writers: Vec::new(),
            routes: state.routes.clone(),
            unmanaged_routes: state.unmanaged_routes.clone(),
            sysctls: sysctls.iter().filter_map(value).collect(),
            flows: state.bridge.is_some().then(|| state.flows.clone()),
            switch_error: None,
            meters: state.meters.clone(),
            switch: SwitchActual {
                zones: Some(true),
                unmanaged_flows: unmanaged_flows(&state.flows),
                ..state.switch.clone()
            },
            timeouts: TimeoutsActual {
                supported: Some(!state.without_timeouts),
                zones: state.zones.clone(),
            },
        })
    }

    async fn apply(&self, op: &Op) -> Result<(), NodeOpsError> {
        let op = op.clone();
        self.step("apply", move |state| {
            if state.refused == Some(op.to_string()) {
                return Err(timed_out());
            }
            state.apply(op);
            Ok(())
        })
        .await
    }

    async fn change_flows(&self, ops: &[&Op]) -> Result<(), NodeOpsError> {
        let ops: Vec<Op> = ops.iter().map(|op| (*op).clone()).collect();
        self.step("change_flows", move |state| {
            let refused = |op: &Op| state.refused == Some(op.to_string());
            if ops.iter().any(refused) {
                return Err(timed_out());
            }
            ops.into_iter().for_each(|op| state.apply(op));
            Ok(())
        })
        .await
    }
}

impl State {
    fn apply(&mut self, op: Op) {
        let state = self;
        match op {
            Op::CreateBridge { bridge, host } => {
                state.bridge = Some(bridge);
                state.put_port(&host);
            }
            Op::SetBridge { bridge, .. } => state.set_bridge(bridge),
            Op::DeleteUnmanagedFlows(flows) => {
                let gone = |f: &Flow| {
                    let mut heads = flows.iter();
                    heads.any(|h| (h.table, h.cookie) == (f.table, f.cookie))
                };
                state.flows.retain(|f| !gone(f));
                state.switch.unmanaged_flows.clear();
            }
            Op::SetFragments(mode) => state.switch.fragments = Some(mode),
            Op::SetGroup(_) => state.switch.groups = Some(vec![flows::group()]),
            Op::SetTimeouts { set, gone } => {
                state.remove_zones(gone);
                let set = set.into_iter().map(|zone| (zone, ZoneTimeouts::Current));
                state.zones.extend(set);
            }
            Op::OpenPort(name) => state.switch.restricted.retain(|p| *p != name),
            Op::EndRestore => state.switch.restore = None,
            Op::AddPort { row, .. } | Op::SetPort { row, .. } => state.put_port(&row),
            Op::DeletePorts(names) => state.ports.retain(|n, _| !names.contains(n)),
            Op::DeleteLink { name, ifindex } => state.delete_link(name.as_str(), ifindex),
            Op::CreatePair { name, peer, mtu } => {
                for name in [name, peer] {
                    state.add_link(name, mtu.get());
                }
            }
            Op::SetLink { name, mtu } => {
                if let Some(link) = state.links.get_mut(name.as_str()) {
                    link.up = true;
                    link.mtu = mtu.map_or(link.mtu, Mtu::get);
                }
            }
            Op::AddAddress { dev, address } => {
                state.marked.insert((dev.clone(), address));
                state.addresses.insert((dev, address));
            }
            Op::DeleteAddress { dev, address } => {
                let at = (dev, address);
                state.addresses.remove(&at);
                state.marked.remove(&at);
            }
            // As the kernel does it: a route is replaced, and deleted wherever it leads.
            Op::AddRoute(route) => {
                state.routes.retain(|r| r.dst != route.dst);
                state.routes.insert(route);
            }
            Op::DeleteRoute(route) => state.routes.retain(|r| r.dst != route.dst),
            Op::SetSysctl { key, value } => {
                state.sysctls.insert(key, value);
            }
            Op::DeleteMeters(ids) => state.meters.retain(|m| !ids.contains(&m.id)),
            Op::ChangeFlows {
                meters,
                adds,
                deletes,
                ..
            } => {
                state.put_flows(&meters, &adds);
                state
                    .flows
                    .retain(|f| !deletes.contains(&(f.cookie, f.key())));
            }
        }
    }
}

impl State {
    /// Deletes a veth link, and with it its other end.
    pub(crate) fn delete_link(&mut self, name: &str, ifindex: u32) {
        let Some(link) = self.links.get(name).filter(|l| l.ifindex == ifindex) else {
            return;
        };
        if let Some((alias, netns)) = link.alias.as_deref().and_then(|a| a.split_once(" @")) {
            let ifname = alias.rsplit('/').next().unwrap_or_default().to_owned();
            self.containers.remove(&(netns.to_owned(), ifname));
        }
        self.links.remove(name);
    }
}
