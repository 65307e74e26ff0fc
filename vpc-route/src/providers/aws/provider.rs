//! Route tables by the API's calls.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::api::{Answer, Ec2Error, Parameters, Route};
use super::fake::Region;
use crate::diff::{InPlace, Op, QuotaKind};
use crate::model::{
    ClusterName, Entry, EntryKind, Generation, NextHop, NextHopKind, NextHops, NotUnderstood,
    Owner, Prefix, Status, Table, TableId, is_covered,
};
use crate::providers::{
    Call, Capabilities, ErrorKind, Failure, Observer, Provider, ProviderError, TableScope,
};

/// The tag of a table in which entries may be managed; its value is the cluster's name.
pub(super) const TAG: &str = "flatnet:cluster";
/// Destinations that the API refuses: link-local services and `fd00:ec2::/32`.
const RESERVED: [&str; 2] = ["169.254.168.0/22", "fd00:ec2::/32"];

/// A provider for one region.
pub(super) struct Ec2 {
    region: Arc<Region>,
    cluster: ClusterName,
    observer: Option<Arc<dyn Observer>>,
    /// The tables whose tag was right when they were listed last.
    tagged: Mutex<BTreeSet<TableId>>,
}

/// A write to a table that is not tagged as the cluster's.
#[derive(Debug, thiserror::Error)]
#[error("{table} is not tagged {TAG}={cluster}: tag it if this cluster is to keep it")]
struct NotTagged {
    table: TableId,
    cluster: ClusterName,
}

/// A route cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[error("{0}: a route has no name; one that the pools cover is managed as it is")]
struct NoNames(Prefix);

impl Ec2 {
    pub(super) fn new(
        region: Arc<Region>,
        cluster: ClusterName,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            region,
            cluster,
            observer,
            tagged: Mutex::default(),
        }
    }

    async fn call(&self, action: &'static str, with: Parameters) -> Result<Answer, Ec2Error> {
        let started = Instant::now();
        let answer = self.region.call(action, &with).await;
        if let Some(observer) = &self.observer {
            let code = answer.as_ref().err().map_or("ok", Ec2Error::code);
            observer.called(action, code, started.elapsed());
        }
        answer
    }

    /// The name of a managed entry, made up: a route has none.
    fn name(&self) -> String {
        let owner = Owner {
            cluster: self.cluster.clone(),
            generation: Generation(0),
            label: "aws".to_owned(),
        };
        owner.name()
    }

    fn is_managed(&self, entry: &Entry, tagged: bool, pools: &[Prefix]) -> bool {
        let ours = |hop: &NextHop| {
            matches!(
                hop.kind,
                NextHopKind::Instance | NextHopKind::RouterInterface
            )
        };
        tagged
            && entry.kind == EntryKind::Custom
            && entry.next_hops.iter().all(ours)
            && is_covered(entry.destination, pools.iter().copied())
    }

    fn tagged(&self) -> std::sync::MutexGuard<'_, BTreeSet<TableId>> {
        self.tagged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A route's destination and next hop, or what of it is not understood.
fn read(route: &Route) -> Result<Entry, NotUnderstood> {
    let v4 = route.destination_cidr_block.as_ref();
    let shown = v4.or(route.destination_ipv6_cidr_block.as_ref());
    let destination: Option<Prefix> = shown.and_then(|cidr| cidr.parse().ok());
    let kind = match route.origin.as_str() {
        "CreateRouteTable" => EntryKind::System,
        "EnableVgwRoutePropagation" => EntryKind::Learned,
        _ => EntryKind::Custom,
    };
    // A route to an instance is listed with its network interface, too.
    let targets = [
        (NextHopKind::Instance, &route.instance_id),
        (NextHopKind::NetworkInterface, &route.network_interface_id),
        (NextHopKind::RouterInterface, &route.gateway_id),
        (NextHopKind::RouterInterface, &route.transit_gateway_id),
        (NextHopKind::NatGateway, &route.nat_gateway_id),
    ];
    let target = targets
        .into_iter()
        .find_map(|(kind, id)| id.clone().map(|id| (kind, id)));
    match (destination, target) {
        (Some(destination), Some((hop, id))) => Ok(Entry {
            destination,
            next_hops: NextHops::one(hop, id),
            name: String::new(),
            id: None,
            status: Status::Available,
            kind,
        }),
        (destination, _) => Err(NotUnderstood {
            entry: shown
                .or(route.destination_prefix_list_id.as_ref())
                .cloned()
                .unwrap_or_default(),
            destination,
            counts: kind == EntryKind::Custom,
            why: "its destination or its target is of another kind".to_owned(),
        }),
    }
}

/// The action and the parameters of an op.
fn request(table: &TableId, op: &Op) -> (&'static str, Parameters) {
    let destination = op.destination();
    let family = if destination.is_ipv6() {
        "DestinationIpv6CidrBlock"
    } else {
        "DestinationCidrBlock"
    };
    let mut with = vec![
        ("RouteTableId", table.0.clone()),
        (family, destination.to_string()),
    ];
    let (action, to) = match op {
        Op::Create { next_hops, .. } => ("CreateRoute", next_hops.single()),
        Op::Modify { to, .. } => ("ReplaceRoute", to.single()),
        Op::Delete { .. } => ("DeleteRoute", None),
    };
    if let Some(hop) = to {
        let target = match hop.kind {
            NextHopKind::Instance => "InstanceId",
            NextHopKind::NetworkInterface => "NetworkInterfaceId",
            NextHopKind::NatGateway => "NatGatewayId",
            _ if hop.id.starts_with("tgw-") => "TransitGatewayId",
            _ => "GatewayId",
        };
        with.push((target, hop.id.clone()));
    }
    (action, with)
}

impl Provider for Ec2 {
    fn capabilities(&self, _table: &TableScope) -> Capabilities {
        Capabilities {
            batch: 1,
            batch_modify: false,
            batch_equal_cost: false,
            in_place: InPlace::Single,
            equal_cost: 1,
            quota: QuotaKind::Family,
            reserved: RESERVED.iter().flat_map(|p| p.parse()).collect(),
        }
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        let with = vec![("RouteTableId.1", table.id.0.clone())];
        let answer = self.call("DescribeRouteTables", with).await;
        let answer = answer.map_err(|e| e.neutral(Call::List))?;
        let mut found = Table::new(table.id.clone());
        let Answer::Tables(tables) = answer else {
            return Ok(found);
        };
        for listed in tables {
            let mark = (TAG.to_owned(), self.cluster.to_string());
            let tagged = listed.tags.contains(&mark);
            if tagged {
                self.tagged().insert(table.id.clone());
            } else {
                self.tagged().remove(&table.id);
            }
            for route in &listed.routes {
                match read(route) {
                    Ok(mut entry) => {
                        if self.is_managed(&entry, tagged, &table.pools) {
                            entry.name = self.name();
                        }
                        found.entries.push(entry);
                    }
                    Err(strange) => found.not_understood.push(strange),
                }
            }
        }
        Ok(found)
    }

    async fn write(&self, table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        if !self.tagged().contains(&table.id) {
            let (table, cluster) = (table.id.clone(), self.cluster.clone());
            let error = NotTagged { table, cluster };
            return Err(ProviderError::new(ErrorKind::Refused, error));
        }
        let mut failures = Vec::new();
        for op in ops {
            let (action, with) = request(&table.id, op);
            match self.call(action, with).await {
                Ok(_) => {}
                // Deleting what is absent is what was wanted.
                Err(e) if e.code() == "InvalidRoute.NotFound" && action == "DeleteRoute" => {}
                // The listing was older than a write that took effect: the next one decides.
                Err(e) if e.code() == "RouteAlreadyExists" => failures.push(Failure {
                    destination: Some(op.destination()),
                    next_hop: String::new(),
                    code: e.code().to_owned(),
                    message: e.to_string(),
                    retryable: true,
                }),
                Err(e) => return Err(e.neutral(Call::Write)),
            }
        }
        Ok(failures)
    }

    async fn rename(&self, _: &TableScope, entry: &Entry, _: &str) -> Result<(), ProviderError> {
        let error = NoNames(entry.destination);
        let kind = ErrorKind::EntryRejected {
            code: "NoNames".to_owned(),
            message: error.to_string(),
        };
        Err(ProviderError::new(kind, error))
    }
}
