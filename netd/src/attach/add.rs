//! ADD: reserve addresses, make the link, the port and the flows, and undo all of it where a step
//! fails.

use std::time::Instant;

use flatnet_ipam::{Record, ReserveError, ReserveRequest};
use flatnet_types::api::{AddReply, AddRequest};
use ipnetwork::IpNetwork;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::cleanup::tear_down;
use super::engine::Engine;
use super::error::AttachError;
use super::macs;
use super::plan::{self, Attachment, AttachmentSpec, host_ifindex, host_ifname};
use crate::flows::NodePorts;
use crate::node_ops::{NodeOps, NodeOpsError, Pending};

/// From so many attachments on, a pass of the switch over its ports takes longer than the database's
/// answer (about 30 µs a port, and 1 ms).
const CROWDED: usize = 48;

impl<N: NodeOps> Engine<N> {
    /// Attaches a container. It must run to its end once it has begun, or half an attachment would
    /// be left: run it in a task of its own, which a client that disconnects does not cancel.
    ///
    /// # Errors
    /// [`AttachError`]. Nothing of the attachment is left, unless rolling back failed too; the
    /// reconciler finishes that.
    pub async fn add(&self, request: &AddRequest) -> Result<AddReply, AttachError> {
        if self.state.ports().is_err() {
            // A request that would be refused anyway is refused before waiting for the ports.
            plan::check(&self.state.spec(), request)?;
            self.state.wait_for_ports().await;
        }
        let spec = self.state.spec();
        let checked = plan::check(&spec, request)?;
        let ports = self.state.ports()?;
        let netns = self
            .state
            .node()
            .open_netns(&request.netns)
            .map_err(|source| AttachError::Step {
                step: "open the container's namespace",
                source,
            })?;

        let _held = self.state.lock(&request.key).await;
        self.check_mac(request, &ports).await?;
        let mtu = checked.mtu;
        let wanted = ReserveRequest {
            network: checked.network.name.clone(),
            ips: request.ips.clone(),
        };
        let reserve = || {
            self.state
                .ipam()
                .reserve_with(&request.key, &wanted, self.state.now(), |reservation| {
                    // A `Detail` always serializes to JSON.
                    serde_json::to_value(plan::detail(request, mtu, reservation))
                        .unwrap_or_default()
                })
        };
        let (reservation, durable) = match reserve() {
            // The earlier attachment of this key is dead: its container is gone without a DEL, and
            // so is its link; or its DEL was answered while netd was away and is still in the
            // spool.
            Err(ReserveError::Exists { record })
                if !self.has_link_of(&record).await? || self.has_spooled_del(&record).await =>
            {
                tear_down(&self.state, &record).await?;
                reserve()?
            }
            other => other?,
        };
        let attachment = Attachment {
            key: request.key.clone(),
            network: wanted.network,
            generation: reservation.generation,
            slot: reservation.slot,
            detail: plan::detail(request, mtu, &reservation),
            addresses: reservation.addresses,
        };
        let target = match plan::plan(&spec, &ports, &attachment) {
            Ok(target) => target,
            Err(e) => {
                self.release_reservation(&attachment).await;
                return Err(e);
            }
        };
        match self.create(&netns, &attachment, &target, durable).await {
            Ok(skipped_routes) => {
                self.state.add_log().record(attachment.generation);
                self.state.node().announce(target.announcements);
                if !attachment.detail.trunk.is_empty() {
                    self.state.request_repair();
                }
                info!(
                    addresses = ?target.container.addresses,
                    port = %target.link.host_name,
                    generation = attachment.generation,
                    "attached"
                );
                let mut reply = target.reply;
                reply
                    .routes
                    .retain(|route| !skipped_routes.contains(&route.dst));
                Ok(reply)
            }
            Err(e) => {
                warn!(error = %e, generation = attachment.generation, "attach failed; undoing it");
                self.roll_back(&attachment, &target).await;
                Err(e)
            }
        }
    }

    /// Makes the flows, the port and the link, and commits the reservation. The order is the fastest
    /// that was measured (docs/adr/0005). The flows are sent first, for the number that the port
    /// requests: a switch that goes over its ports would take them only afterwards. Then the port's
    /// rows are sent to the database, and the link is made meanwhile, so that the switch finds both in
    /// one pass. Where it learns of the link first, it goes over all of its ports for that, and
    /// again for the rows: on a crowded node the link waits until the database has the rows.
    ///
    /// Returns the destinations of default routes that were not set, because another interface of
    /// the container has them.
    async fn create(
        &self,
        netns: &N::Netns,
        attachment: &Attachment,
        target: &AttachmentSpec,
        reserved: flatnet_ipam::Durable,
    ) -> Result<Vec<IpNetwork>, AttachError> {
        let node = self.state.node();
        let started = Instant::now();
        let done = |step| debug!(step, at_us = started.elapsed().as_micros(), "done");
        let (stored, in_database) = oneshot::channel();
        let is_crowded = self.state.ipam().count() >= CROWDED;
        let meanwhile = async {
            if is_crowded {
                // It fails only with the port, and then this is dropped.
                let _ = in_database.await;
            }
            step(
                "create the link",
                node.create_link(netns, &target.link).await,
            )?;
            done("link");
            let configured = node.configure(netns, &target.link, &target.container).await;
            let skipped_routes = step("configure the container's interface", configured)?;
            done("addresses");
            reserved.await?;
            done("reserved");
            // From here on only the port and the flows may be missing. After a crash the next start
            // finds the attachment committed and adds them.
            self.state
                .ipam()
                .commit(&attachment.key, attachment.generation)?
                .await?;
            done("committed");
            Ok::<_, AttachError>(skipped_routes)
        };
        let port = async {
            let early = self.send_early_flows(target);
            let added = node.add_port(&target.row, target.zone(), stored).await;
            let number = step("add the port to the bridge", added)?;
            done("port");
            let installed = self.install_flows(target, number, early).await;
            step("install the flows", installed)?;
            done("flows");
            if number != target.row.number {
                // The row must request the number that the port has now; otherwise the switch
                // renumbers the port once the requested number is free.
                self.state.request_repair();
            }
            Ok::<(), AttachError>(())
        };
        // Polled in this order, so that the transaction is sent before the link is made. If one
        // fails, the other is dropped; `NodeOps::delete_port` also removes a port whose transaction
        // is still under way.
        let ((), skipped_routes) = tokio::try_join!(biased; port, meanwhile)?;
        Ok(skipped_routes)
    }

    /// Sends the flows for the port number that is requested, before the port exists, unless another
    /// port has that number: its frames would match them.
    fn send_early_flows(&self, target: &AttachmentSpec) -> Option<Pending> {
        let (node, number) = (self.state.node(), target.row.number);
        let free = !node.has_port_number(number);
        free.then(|| node.send_flows(&target.meters, &target.flows_at(number)))
    }

    /// Has the flows match the number that the switch has assigned. Those that were sent early for
    /// another one are deleted before: the port that has it may be any.
    async fn install_flows(
        &self,
        target: &AttachmentSpec,
        number: u32,
        early: Option<Pending>,
    ) -> Result<(), NodeOpsError> {
        let node = self.state.node();
        let Some(early) = early else {
            let flows = node.send_flows(&target.meters, &target.flows_at(number));
            return flows.await;
        };
        if number == target.row.number {
            return early.await;
        }
        let deleted = node.delete_flows(target.cookie(), &[]);
        let flows = node.send_flows(&[], &target.flows_at(number));
        early.await?;
        deleted.await?;
        flows.await
    }

    /// Removes what an ADD has made so far, in reverse order. Each part is deleted whether or not
    /// it was made.
    pub(super) async fn roll_back(&self, attachment: &Attachment, target: &AttachmentSpec) {
        let node = self.state.node();
        let meters: Vec<u32> = target.meters.iter().map(|m| m.id).collect();
        // Before the port is deleted: the next port with its number must not match these flows.
        let flows = node.delete_flows(target.cookie(), &meters);
        if let Err(e) = node.delete_port(&target.row.name, target.zone()).await {
            warn!(error = %e, port = target.row.name, "the port stays until the next reconcile");
            self.state.request_repair();
        }
        let unlinked = node
            .delete_link(&target.link.host_name, target.link.host_ifindex)
            .await;
        if let Err(e) = flows.await {
            warn!(error = %e, "the flows stay until the next reconcile");
            self.state.request_repair();
        }
        match unlinked {
            // The container could still send by the link. While it may exist, the address stays
            // reserved, and the reconciler tries again.
            Err(e) => {
                warn!(error = %e, "the link stays, and its address, until the next reconcile");
                self.state
                    .defer_cleanup(&attachment.key, attachment.generation);
            }
            Ok(()) => self.release_reservation(attachment).await,
        }
    }

    async fn release_reservation(&self, attachment: &Attachment) {
        let released =
            match self
                .state
                .ipam()
                .abort(&attachment.key, attachment.generation, self.state.now())
            {
                Ok(release) => release.durable().await.map_err(AttachError::from),
                Err(e) => Err(AttachError::from(e)),
            };
        if let Err(e) = released {
            warn!(error = %e, "the reservation stays until the next reconcile");
            self.state
                .defer_cleanup(&attachment.key, attachment.generation);
        }
    }

    async fn has_link_of(&self, record: &Record) -> Result<bool, AttachError> {
        let (name, ifindex) = (host_ifname(record.generation), host_ifindex(record.slot));
        let link = step(
            "read the links",
            self.state.node().link_up(&name, ifindex).await,
        )?;
        Ok(link.is_some())
    }

    /// Whether the spool holds a DEL of this attachment. `false` if the spool cannot be read: the
    /// replayer reports that.
    async fn has_spooled_del(&self, record: &Record) -> bool {
        let Some(spool) = self.spool.clone() else {
            return false;
        };
        let key = record.key.clone();
        let found = tokio::task::spawn_blocking(move || spool.find(&key)).await;
        let created = record.created_at;
        found.is_ok_and(|del| del.is_some_and(|del| del.applies_to(created)))
    }

    /// Refuses a requested MAC that another container, the host or a neighbour has: flows and
    /// switches identify a container by its MAC, and neighbours would send it frames for the other
    /// one.
    async fn check_mac(&self, request: &AddRequest, ports: &NodePorts) -> Result<(), AttachError> {
        let Some(mac) = request.mac else {
            return Ok(());
        };
        let owner = self.state.ipam().list().into_iter().find(|record| {
            record.key != request.key
                && record.detail.get("mac").and_then(|m| m.as_str()) == Some(&mac.to_string())
        });
        if let Some(record) = owner {
            return Err(AttachError::MacTaken {
                mac,
                owner: record.key.clone(),
            });
        }
        let neighbours = step(
            "read the host's neighbours",
            self.state.node().neighbours_with_mac(mac).await,
        )?;
        let spec = self.state.spec();
        let owner = match neighbours
            .iter()
            .find(|ip| !macs::may_be_container(&spec, **ip))
        {
            _ if mac == ports.mac => "this host".to_owned(),
            Some(ip) => format!("neighbour {ip}"),
            None => return Ok(()),
        };
        Err(AttachError::MacOnNetwork { mac, owner })
    }
}

pub(super) fn step<T>(
    step: &'static str,
    result: Result<T, NodeOpsError>,
) -> Result<T, AttachError> {
    result.map_err(|source| AttachError::Step { step, source })
}
