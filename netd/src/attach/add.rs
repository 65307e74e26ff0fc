//! ADD.

use std::time::Instant;

use flatnet_ipam::{Record, ReserveError, ReserveRequest};
use flatnet_types::api::{AddReply, AddRequest};
use ipnetwork::IpNetwork;
use tracing::{debug, info, warn};

use super::engine::Engine;
use super::error::AttachError;
use super::macs;
use super::plan::{self, AttachPlan, Holding, host_ifindex, host_ifname};
use crate::flows::NodePorts;
use crate::world::{World, WorldError};

impl<W: World> Engine<W> {
    /// Attaches a container. Runs to its end once it was begun: the caller that goes away
    /// must not leave half an attachment, so run it in a task of its own.
    ///
    /// # Errors
    /// [`AttachError`]; nothing of the attachment is left, but where the undoing failed too,
    /// which the reconciler finishes.
    pub async fn add(&self, request: &AddRequest) -> Result<AddReply, AttachError> {
        if self.ports().is_err() {
            // What is refused anyway does not wait.
            plan::check(&self.spec(), request)?;
            self.wait_for_ports().await;
        }
        let spec = self.spec();
        let checked = plan::check(&spec, request)?;
        let ports = self.ports()?;
        let netns =
            self.world()
                .open_netns(&request.netns)
                .map_err(|source| AttachError::Step {
                    step: "open the container's namespace",
                    source,
                })?;

        let _held = self.lock(&request.key).await;
        self.check_mac(request, &ports).await?;
        let mtu = checked.mtu;
        let wanted = ReserveRequest {
            network: checked.network.name.clone(),
            ips: request.ips.clone(),
        };
        let reserve = || {
            self.ipam()
                .reserve_with(&request.key, &wanted, self.now(), |reservation| {
                    // A `Detail` holds nothing that JSON cannot say.
                    serde_json::to_value(plan::detail(request, mtu, reservation))
                        .unwrap_or_default()
                })
        };
        let (reservation, durable) = match reserve() {
            // Its container went without a DEL, and its link with it; or its DEL was answered while
            // netd was away, and waits in the spool.
            Err(ReserveError::Exists { record })
                if !self.has_link_of(&record).await? || self.has_spooled_del(&record).await =>
            {
                self.take_away(&record).await?;
                reserve()?
            }
            other => other?,
        };
        let holding = Holding {
            key: request.key.clone(),
            network: wanted.network,
            generation: reservation.generation,
            slot: reservation.slot,
            detail: plan::detail(request, mtu, &reservation),
            addresses: reservation.addresses,
        };
        let plan = match plan::plan(&spec, &ports, &holding) {
            Ok(plan) => plan,
            Err(e) => {
                self.give_back(&holding).await;
                return Err(e);
            }
        };
        match self.make(&netns, &holding, &plan, durable).await {
            Ok(left_out) => {
                self.made().made(holding.generation);
                self.world().announce(plan.announcements);
                if !holding.detail.trunk.is_empty() {
                    self.mend_soon();
                }
                info!(
                    addresses = ?plan.container.addresses,
                    port = %plan.link.host_name,
                    generation = holding.generation,
                    "attached"
                );
                let mut reply = plan.reply;
                reply.routes.retain(|route| !left_out.contains(&route.dst));
                Ok(reply)
            }
            Err(e) => {
                warn!(error = %e, generation = holding.generation, "attach failed; undoing it");
                self.undo(&holding, &plan).await;
                Err(e)
            }
        }
    }

    /// The order is the fastest that was measured: the port's rows go to the database first,
    /// and the link is made while they travel. The switch then finds both in one pass over
    /// its ports; where it hears of the link first, it goes over all of them once more
    /// (docs/adr/0005). The flows follow when the switch has said which number the port has; until
    /// they are in, a port lets nothing through.
    ///
    /// Gives the destinations that are another interface's of the container.
    async fn make(
        &self,
        netns: &W::Netns,
        holding: &Holding,
        plan: &AttachPlan,
        reserved: flatnet_ipam::Durable,
    ) -> Result<Vec<IpNetwork>, AttachError> {
        let world = self.world();
        let started = Instant::now();
        let done = |step| debug!(step, at_us = started.elapsed().as_micros(), "done");
        let meanwhile = async {
            step(
                "create the link",
                world.create_link(netns, &plan.link).await,
            )?;
            done("link");
            let configured = world.configure(netns, &plan.link, &plan.container).await;
            let left_out = step("configure the container's interface", configured)?;
            done("addresses");
            reserved.await?;
            done("reserved");
            // From here on the attachment is whole but for its port and flows. A crash now is
            // repaired by the next start, which finds it committed.
            self.ipam()
                .commit(&holding.key, holding.generation)?
                .await?;
            done("committed");
            Ok::<_, AttachError>(left_out)
        };
        let port = async {
            let added = world.add_port(&plan.row, plan.zone()).await;
            let number = step("add the port to the bridge", added)?;
            done("port");
            // Flows name the number that the switch has given, never one that was guessed.
            let flows = world.send_flows(&plan.meters, &plan.flows_at(number));
            step("install the flows", flows.await)?;
            done("flows");
            if number != plan.row.number {
                // The row is to ask for the number that the port has, or the switch would move
                // the port once the other one is free.
                self.mend_soon();
            }
            Ok::<(), AttachError>(())
        };
        // Polled in this order, so the transaction is on its way before the link is made. One
        // that fails drops the other; `World::delete_port` sees also what is on its way.
        let ((), left_out) = tokio::try_join!(biased; port, meanwhile)?;
        Ok(left_out)
    }

    /// Takes away what an ADD made so far, last first; each part whether or not it was made.
    pub(super) async fn undo(&self, holding: &Holding, plan: &AttachPlan) {
        let world = self.world();
        let meters: Vec<u32> = plan.meters.iter().map(|m| m.id).collect();
        // Before the port goes: nobody else is to find flows at its number.
        let flows = world.delete_flows(plan.cookie(), &meters);
        if let Err(e) = world.delete_port(&plan.row.name, plan.zone()).await {
            warn!(error = %e, port = plan.row.name, "the port stays until the next reconcile");
            self.mend_soon();
        }
        let unlinked = world
            .delete_link(&plan.link.host_name, plan.link.host_ifindex)
            .await;
        if let Err(e) = flows.await {
            warn!(error = %e, "the flows stay until the next reconcile");
            self.mend_soon();
        }
        match unlinked {
            // The link is what a container could still use: as long as it may be there, the
            // address stays reserved, and the reconciler goes on.
            Err(e) => {
                warn!(error = %e, "the link stays, and its address, until the next reconcile");
                self.doom(&holding.key, holding.generation);
            }
            Ok(()) => self.give_back(holding).await,
        }
    }

    async fn give_back(&self, holding: &Holding) {
        let released = match self
            .ipam()
            .abort(&holding.key, holding.generation, self.now())
        {
            Ok(release) => release.durable().await.map_err(AttachError::from),
            Err(e) => Err(AttachError::from(e)),
        };
        if let Err(e) = released {
            warn!(error = %e, "the reservation stays until the next reconcile");
            self.doom(&holding.key, holding.generation);
        }
    }

    async fn has_link_of(&self, record: &Record) -> Result<bool, AttachError> {
        let (name, ifindex) = (host_ifname(record.generation), host_ifindex(record.slot));
        let link = step("read the links", self.world().link_up(&name, ifindex).await)?;
        Ok(link.is_some())
    }

    /// Whether a DEL of this attachment was answered and waits to be done. A spool that cannot be
    /// read has none: whoever replays it says so.
    async fn has_spooled_del(&self, record: &Record) -> bool {
        let Some(spool) = self.inner.spool.get().cloned() else {
            return false;
        };
        let key = record.key.clone();
        let found = tokio::task::spawn_blocking(move || spool.find(&key)).await;
        let created = record.created_at;
        found.is_ok_and(|del| del.is_some_and(|del| del.applies_to(created)))
    }

    /// A MAC that was asked for must be nobody else's: flows and switches tell containers apart by
    /// it, and neighbours would send the container what is for the other one.
    async fn check_mac(&self, request: &AddRequest, ports: &NodePorts) -> Result<(), AttachError> {
        let Some(mac) = request.mac else {
            return Ok(());
        };
        let owner = self.ipam().list().into_iter().find(|record| {
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
            self.world().bearers(mac).await,
        )?;
        let spec = self.spec();
        let owner = match neighbours
            .iter()
            .find(|ip| !macs::may_be_a_containers(&spec, **ip))
        {
            _ if mac == ports.mac => "this host".to_owned(),
            Some(ip) => format!("neighbour {ip}"),
            None => return Ok(()),
        };
        Err(AttachError::MacElsewhere { mac, owner })
    }
}

pub(super) fn step<T>(step: &'static str, result: Result<T, WorldError>) -> Result<T, AttachError> {
    result.map_err(|source| AttachError::Step { step, source })
}
