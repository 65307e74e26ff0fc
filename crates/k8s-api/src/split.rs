//! A plan as objects.

use flatnet_plan::NetworkPlan;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::kinds::{
    HostRangeSpec, HostSpec, LeasedLineSpec, NetworkPlanSpec, NetworkSpec, RouteTableSpec,
    SiteSpec, SwitchSpec, VlanSpec,
};
use crate::object::{Kind, Object};
use crate::{name, plan};

/// Why a plan cannot be objects.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum SplitError {
    /// Objects name their cluster.
    #[error(
        "{what} names no Kubernetes cluster: write `cluster: NAME` in the plan's `spec`, or there"
    )]
    NoCluster { what: String },
    /// The plan still has groups.
    #[error("the plan has host groups, which are written out first")]
    Groups,
    /// Two things of the plan would be one object.
    #[error("two things of the plan would be the object {0}")]
    Twice(String),
    /// A part of the plan has no form in JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        what: String,
        #[source]
        source: serde_json::Error,
    },
}

/// The objects of a plan whose groups are written out, as [`flatnet_plan::load`] gives it; in the order of
/// kinds and names.
///
/// # Errors
/// [`SplitError`].
pub fn split(plan: NetworkPlan) -> Result<Vec<Object>, SplitError> {
    if !plan.spec.host_groups.is_empty() {
        return Err(SplitError::Groups);
    }
    let plan = plan::resolved(plan);
    let mut found = Objects {
        plan: name::label(&plan.metadata.name),
        objects: Vec::new(),
    };
    let NetworkPlan { metadata, spec, .. } = plan;
    found.sites(&spec.sites)?;
    for network in &spec.networks {
        let what = network.name.as_str();
        for pool in &network.pools {
            named(&pool.cluster, || format!("pool {} of {what}", pool.prefix))?;
        }
        let part = network.clone();
        found.add(Kind::Network, &[what], &NetworkSpec { part })?;
    }
    for line in &spec.links {
        let part = line.clone();
        found.add(Kind::LeasedLine, &[&line.name], &LeasedLineSpec { part })?;
    }
    for host in &spec.hosts {
        found.host(host)?;
    }
    found.add(
        Kind::NetworkPlan,
        &[&metadata.name],
        &NetworkPlanSpec { part: spec },
    )?;
    found.finish()
}

fn named(cluster: &Option<String>, what: impl FnOnce() -> String) -> Result<(), SplitError> {
    match cluster {
        Some(_) => Ok(()),
        None => Err(SplitError::NoCluster { what: what() }),
    }
}

struct Objects {
    plan: String,
    objects: Vec<Object>,
}

impl Objects {
    fn sites(&mut self, sites: &[flatnet_plan::model::Site]) -> Result<(), SplitError> {
        for site in sites {
            let part = site.clone();
            self.add(Kind::Site, &[&site.name], &SiteSpec { part })?;
            for switch in &site.switches {
                let spec = SwitchSpec {
                    site: site.name.clone(),
                    part: switch.clone(),
                };
                self.add(Kind::Switch, &[&site.name, &switch.name], &spec)?;
            }
            for vlan in &site.vlans {
                let spec = VlanSpec {
                    site: site.name.clone(),
                    part: vlan.clone(),
                };
                self.add(Kind::Vlan, &[&site.name, &vlan.id.to_string()], &spec)?;
            }
            for table in &site.route_tables {
                named(&table.cluster, || format!("route table {}", table.name))?;
                let spec = RouteTableSpec {
                    site: site.name.clone(),
                    part: table.clone(),
                };
                self.add(Kind::RouteTable, &[&site.name, &table.name], &spec)?;
            }
        }
        Ok(())
    }

    fn host(&mut self, host: &flatnet_plan::model::Host) -> Result<(), SplitError> {
        let name = host.name.as_str();
        named(&host.cluster, || format!("host {name}"))?;
        let part = host.clone();
        self.add(Kind::Host, &[name], &HostSpec { part })?;
        for range in &host.ranges {
            let spec = HostRangeSpec {
                host: name.to_owned(),
                part: range.clone(),
            };
            let prefix = range.prefix.to_string().replace([':', '/'], "-");
            // Two networks may share a prefix in a wrong plan, and the check is to say so.
            self.add(
                Kind::HostRange,
                &[name, range.network.as_str(), &prefix],
                &spec,
            )?;
        }
        Ok(())
    }

    /// Adds an object that is of those names in the plan. Where the last is the object's own name, the spec
    /// does not repeat it.
    fn add(&mut self, kind: Kind, words: &[&str], spec: &impl Serialize) -> Result<(), SplitError> {
        let name = name::object(words);
        let written = serde_json::to_value(spec).map_err(|source| SplitError::Json {
            what: format!("{} {}", kind.as_str(), words.join(" ")),
            source,
        })?;
        let mut spec = match written {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        if kind == Kind::NetworkPlan && words != [name.as_str()] {
            spec.insert("name".to_owned(), words.join(" ").into());
        }
        if spec.get("name").and_then(Value::as_str) == Some(&name) {
            spec.remove("name");
        }
        self.objects.push(Object {
            kind,
            name,
            plan: Some(self.plan.clone()),
            spec,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Object>, SplitError> {
        let key = |o: &Object| (o.kind, o.name.clone());
        self.objects.sort_by_cached_key(key);
        let mut pairs = self.objects.windows(2);
        match pairs.find(|pair| key(&pair[0]) == key(&pair[1])) {
            Some(pair) => Err(SplitError::Twice(pair[0].reference())),
            None => Ok(self.objects),
        }
    }
}
