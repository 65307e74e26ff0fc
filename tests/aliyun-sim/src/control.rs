//! What a test asks of the simulator: `/_sim/…`.

use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{AccessKey, Entry, Instance, Throttling, Timings};
use crate::faults::Fault;
use crate::gateway::{Key, Request};
use crate::sim::{Reply, Sim};
use crate::time::Timestamp;
use crate::world::{Cause, Health};

/// The body of `POST /_sim/faults`: it replaces what was set before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FaultPlan {
    /// The faults; none ends all.
    pub faults: Vec<Fault>,
    /// How far the service's clock is ahead, in seconds; negative: behind.
    pub clock_skew_seconds: i64,
    /// What chance grows from.
    pub seed: u64,
}

/// One step of the body of `POST /_sim/world`, a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum WorldStep {
    /// Another user makes an entry; it is Available at once.
    AddEntry {
        /// ID of the route table, `vtb-…`.
        table: String,
        /// What the entry is made of.
        entry: Entry,
    },
    /// Another user deletes an entry; it is gone at once.
    RemoveEntry {
        /// `rte-…`.
        id: String,
    },
    /// A VPC, vSwitch, route table or next hop becomes busy, or good again.
    SetHealth {
        /// Its ID.
        id: String,
        /// The new state.
        health: Health,
    },
    /// A machine is there from now on, or has other addresses.
    PutInstance {
        /// The VPC.
        vpc: String,
        /// The instance as it is from then on.
        instance: Instance,
    },
    /// A table's quota changes.
    SetQuota {
        /// ID of the route table, `vtb-…`.
        table: String,
        /// The new quota.
        quota: usize,
    },
    /// A table lists these entries as they stand, beside its own: prefix lists, unknown types of
    /// next hops, numbers as text. They replace those that were set before, and use up quota.
    SetForeign {
        /// ID of the route table, `vtb-…`.
        table: String,
        /// Members of `RouteEntrys.RouteEntry`.
        entries: Vec<Value>,
    },
    /// Things take another time from now on.
    SetTimings {
        /// All of them.
        timings: Timings,
    },
    /// Other numbers of calls are let through from now on.
    SetThrottling {
        /// All of them.
        throttling: Throttling,
    },
    /// A key is added or replaced.
    PutKey {
        /// ID, secret and rights of the access key.
        key: AccessKey,
    },
    /// A key is taken away.
    RemoveKey {
        /// Its ID.
        id: String,
    },
    /// The metadata service forgets its tokens.
    DropMetadataTokens,
}

impl Sim {
    pub(crate) fn control(&mut self, now: Timestamp, request: &Request) -> Reply {
        self.service.world.advance(now);
        let after = number(request, "since");
        let world = &self.service.world;
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/_sim/log") => {
                let first = usize::try_from(after).unwrap_or(usize::MAX);
                good(&self.log.get(first..).unwrap_or_default())
            }
            ("GET", "/_sim/events") => good(&world.history().after(after)),
            ("GET", "/_sim/tables") => good(&world.view()),
            ("GET", "/_sim/path") => self.path(request),
            ("GET", "/_sim/faults") => good(&json!({
                "faults": self.faults.list(),
                "clockSkewSeconds": self.faults.clock_skew_ms / 1000,
            })),
            ("POST", "/_sim/faults") => self.set_faults(&request.body),
            ("DELETE", "/_sim/faults") => self.set_faults(b"{}"),
            ("POST", "/_sim/world") => self.change(now, &request.body),
            (_, path) => bad(404, &format!("there is no {} {path}", request.method)),
        }
    }

    /// `GET /_sim/path?table=…&address=…`: what the address's next hops were over time, and
    /// the most entries that the table held.
    fn path(&self, request: &Request) -> Reply {
        let params = request.params();
        let table = params.get("table").unwrap_or_default();
        let world = &self.service.world;
        if !world.tables().contains_key(table) {
            return bad(404, &format!("there is no table {table:?}"));
        }
        let Some(address) = params.get("address").and_then(|a| a.parse::<IpAddr>().ok()) else {
            return bad(400, "address is missing or not an IP address");
        };
        good(&json!({
            "spans": world.history().path_of(table, address),
            "peak": world.history().peak(table),
        }))
    }

    fn set_faults(&mut self, body: &[u8]) -> Reply {
        match parse::<FaultPlan>(body) {
            Err(reply) => reply,
            Ok(plan) => {
                self.faults.set(plan.faults, plan.seed);
                self.faults.clock_skew_ms = plan.clock_skew_seconds.saturating_mul(1000);
                good(&json!({}))
            }
        }
    }

    /// Does the steps in order; answers what each made, or stops at the first that is wrong.
    fn change(&mut self, now: Timestamp, body: &[u8]) -> Reply {
        let steps = match parse::<Vec<WorldStep>>(body) {
            Ok(steps) => steps,
            Err(reply) => return reply,
        };
        let mut done = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            match self.step(now, step) {
                Ok(value) => done.push(value),
                Err(why) => return bad(409, &format!("step {n}: {why}")),
            }
        }
        good(&done)
    }

    fn step(&mut self, now: Timestamp, step: WorldStep) -> Result<Value, String> {
        let world = &mut self.service.world;
        let said = |error: crate::error::ApiError| format!("{}: {error}", error.code());
        match step {
            WorldStep::AddEntry { table, entry } => {
                let id = world
                    .insert(now, Cause::Hand, &table, &entry)
                    .map_err(said)?;
                return Ok(json!({ "id": id }));
            }
            WorldStep::RemoveEntry { id } => world.remove(now, &id).map_err(said)?,
            WorldStep::PutInstance { vpc, instance } => world
                .put_instance(&vpc, &instance)
                .map_err(|e| e.to_string())?,
            WorldStep::SetHealth { id, health } => world.set_health(&id, health).map_err(said)?,
            WorldStep::SetQuota { table, quota } => world.set_quota(&table, quota).map_err(said)?,
            WorldStep::SetForeign { table, entries } => {
                world.set_foreign(&table, entries).map_err(said)?;
            }
            WorldStep::SetTimings { timings } => world.set_timings(timings),
            WorldStep::SetThrottling { throttling } => self.gateway.set_throttling(throttling),
            WorldStep::PutKey { key } => self.gateway.keys_mut().put(Key::from_file(&key, now)),
            WorldStep::RemoveKey { id } => {
                let gone = self.gateway.keys_mut().remove(&id);
                gone.ok_or_else(|| format!("there is no key {id}"))?;
            }
            WorldStep::DropMetadataTokens => {
                let service = self.metadata.as_mut();
                service
                    .ok_or("the world has no metadata service")?
                    .drop_tokens();
            }
        }
        Ok(json!({}))
    }
}

fn number(request: &Request, name: &str) -> u64 {
    let params = request.params();
    params.get(name).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    serde_json::from_slice(body).map_err(|e| bad(400, &e.to_string()))
}

fn good<T: Serialize + ?Sized>(value: &T) -> Reply {
    match serde_json::to_string(value) {
        Ok(body) => Reply {
            status: 200,
            media: "application/json",
            body,
        },
        Err(error) => bad(500, &error.to_string()),
    }
}

fn bad(status: u16, why: &str) -> Reply {
    Reply {
        status,
        media: "application/json",
        body: json!({ "error": why }).to_string(),
    }
}
