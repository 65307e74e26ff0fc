//! CHECK: whether an attachment is still as ADD made it.

use std::collections::BTreeSet;

use flatnet_ipam::RecordState;
use flatnet_types::api::{CheckReply, CheckRequest};

use super::add::step;
use super::engine::{Engine, spec_of};
use super::error::AttachError;
use super::plan::{Attachment, AttachmentSpec};
use crate::flows::cookie;
use crate::node_ops::{ContainerActual, NodeOps};

impl<N: NodeOps> Engine<N> {
    /// Compares the container's interface, the link, the port, its VLAN, the flows and the
    /// reservation with what was attached and with what the runtime remembers.
    ///
    /// # Errors
    /// [`AttachError::Differs`] with a line for each difference.
    pub async fn check(&self, request: &CheckRequest) -> Result<CheckReply, AttachError> {
        let _held = self.state.lock(&request.key).await;
        let unknown = || AttachError::Unknown {
            key: request.key.clone(),
        };
        let record = self.state.ipam().get(&request.key).ok_or_else(unknown)?;
        if record.state != RecordState::Committed {
            return Err(unknown());
        }
        let attachment = Attachment::from_record(&record)?;
        let target = spec_of(&self.state, &attachment)?;

        let netns = step(
            "open the container's namespace",
            self.state.node().open_netns(&request.netns),
        )?;
        let observed = self
            .state
            .node()
            .observe_container(&netns, &request.key.ifname)
            .await;
        let mut differences = check_prev_result(request, &attachment);
        let observed = step("read the container's interface", observed)?;
        differences.extend(check_interface(request, &target, observed));
        differences.extend(self.check_host_side(&target, attachment.generation).await?);
        if differences.is_empty() {
            return Ok(CheckReply {});
        }
        Err(AttachError::Differs {
            key: request.key.clone(),
            differences,
        })
    }

    /// The differences on the host's side: link, port, flows.
    async fn check_host_side(
        &self,
        target: &AttachmentSpec,
        generation: u64,
    ) -> Result<Vec<String>, AttachError> {
        let mut differences = Vec::new();
        let link = &target.link;
        let up = self
            .state
            .node()
            .link_up(&link.host_name, link.host_ifindex)
            .await;
        match step("read the links", up)? {
            None => differences.push(format!("link {} is not on the host", link.host_name)),
            Some(false) => differences.push(format!("link {} of the host is down", link.host_name)),
            Some(true) => {}
        }
        match self.state.node().observe_port(&target.row.name) {
            None => differences.push(format!("port {} is not on the bridge", target.row.name)),
            Some(row) if row.tag != target.row.tag || row.trunks != target.row.trunks => {
                let tag = |t: Option<_>| {
                    t.map_or("no VLAN".to_owned(), |v: flatnet_types::VlanId| {
                        format!("VLAN {v}")
                    })
                };
                differences.push(format!(
                    "port {} is in {}, and {} was planned",
                    target.row.name,
                    tag(row.tag),
                    tag(target.row.tag)
                ));
            }
            Some(_) => {}
        }
        let flows = step(
            "read the flows",
            self.state.node().observe_flows(cookie(generation)).await,
        )?;
        let present: BTreeSet<_> = flows.into_iter().collect();
        let Some(number) = self.state.node().port_number(&target.row.name) else {
            differences.push(format!(
                "the switch has no number for port {}",
                target.row.name
            ));
            return Ok(differences);
        };
        let wanted = target.flows_at(number);
        let mut missing = wanted.iter().filter(|f| !present.contains(f));
        if let Some(first) = missing.next() {
            differences.push(format!(
                "{} of {} flows are missing, of them first: {first}",
                1 + missing.count(),
                wanted.len()
            ));
        }
        Ok(differences)
    }
}

/// The differences between the runtime's `prevResult` and what was reserved.
fn check_prev_result(request: &CheckRequest, attachment: &Attachment) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(mac) = request.mac
        && mac != attachment.detail.mac
    {
        differences.push(format!(
            "prevResult has MAC {mac}, and {} was attached",
            attachment.detail.mac
        ));
    }
    for ip in &request.ips {
        if !attachment.addresses.iter().any(|a| a.address == *ip) {
            differences.push(format!(
                "prevResult has {ip}, which is not reserved for this attachment"
            ));
        }
    }
    differences
}

/// The differences of the container's interface. It must still have everything that ADD gave it; a
/// later plugin of the chain may have added to that, and may have changed the MTU (`tuning`). A
/// changed MAC always counts: port security drops what the container sends with it.
///
/// A route that `prevResult` does not list may be missing: another interface had it first, or a
/// later plugin moved it to a table of its own (`sbr`).
fn check_interface(
    request: &CheckRequest,
    target: &AttachmentSpec,
    observed: Option<ContainerActual>,
) -> Vec<String> {
    let name = &target.container.ifname;
    let Some(observed) = observed else {
        return vec![format!("interface {name} is not in the container")];
    };
    let mut differences = Vec::new();
    if observed.mac != Some(target.link.container_mac) {
        let is = observed.mac.map_or("none".to_owned(), |m| m.to_string());
        differences.push(format!(
            "{name} has MAC {is}, and {} was given",
            target.link.container_mac
        ));
    }
    if !observed.up {
        differences.push(format!("{name} is down"));
    }
    for address in &target.container.addresses {
        if !observed.addresses.contains(address) {
            differences.push(format!("{name} lacks the address {address}"));
        }
    }
    for (dst, via) in &target.container.routes {
        let in_prev_result = request.routes.iter().any(|r| r.dst == *dst);
        if in_prev_result
            && !observed
                .routes
                .iter()
                .any(|(d, v)| d == dst && (via.is_none() || v == via))
        {
            let via = via.map_or(String::new(), |v| format!(" via {v}"));
            differences.push(format!("{name} lacks the route {dst}{via}"));
        }
    }
    differences
}
