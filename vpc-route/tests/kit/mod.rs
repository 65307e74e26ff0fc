//! The Aliyun simulator in this process, and what a test asks of it.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod router;
pub(crate) mod site;

use std::sync::Arc;
use std::time::Duration;

use flatnet_aliyun_sim::config::WorldFile;
use flatnet_aliyun_sim::gateway::Request;
use flatnet_aliyun_sim::server::{self, Shared};
use flatnet_aliyun_sim::sim::Sim;
use flatnet_aliyun_sim::time::Timestamp;
use flatnet_clock::System;
use flatnet_vpc_route::providers::aliyun::{
    Client, ClientConfig, Credential, Credentials, Http, Metadata, Secret, SignatureVersion, Source,
};
use serde_json::{Value, json};

/// A running simulator.
pub(crate) struct Cloud {
    shared: Shared,
    /// `http://127.0.0.1:…`
    pub(crate) address: String,
}

impl Cloud {
    /// A world of one VPC with the table `vtb-1` and the instances `i-0` to `i-7`.
    pub(crate) async fn small(quota: usize, timings: Value) -> Self {
        let instances: Vec<Value> = (0..8)
            .map(|i| {
                json!({"id": format!("i-{i}"), "vSwitch": "vsw-1",
                    "addresses": [format!("10.0.0.{}", 10 + i)]})
            })
            .collect();
        let world = json!({
            "region": "cn-test",
            "accessKeys": [{"id": "testid", "secret": "testsecret"}],
            "timings": timings,
            "vpcs": [{
                "id": "vpc-1", "cidr": "10.0.0.0/16", "ipv6Cidr": "fd00::/56",
                "vSwitches": [{"id": "vsw-1", "cidr": "10.0.0.0/24"}],
                "routeTables": [{"id": "vtb-1", "type": "System", "quota": quota}],
                "instances": instances,
            }],
            "metadata": {"instance": "i-0", "role": "routes", "allow": ["vpc:*"]},
        });
        Self::start(&world.to_string()).await
    }

    /// The world of a YAML text.
    pub(crate) async fn start(world: &str) -> Self {
        let file = WorldFile::parse(world).unwrap();
        let shared = Shared::new(Sim::new(&file, Timestamp::now()).unwrap());
        let (listener, bound) = server::listen("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        tokio::spawn(server::serve(listener, shared.clone()));
        Self {
            shared,
            address: format!("http://{bound}"),
        }
    }

    /// A client of it.
    pub(crate) fn client(&self, source: Source, timeout: Duration) -> Client {
        let config = ClientConfig {
            endpoint: self.address.clone(),
            region: "cn-test".into(),
            signature: SignatureVersion::V3,
        };
        let http = Http::new(timeout).unwrap();
        let (clock, rng) = (Arc::new(System), Arc::new(System));
        Client::new(config, http, Credentials::new(source), clock, rng)
    }

    /// The key that every world here has.
    pub(crate) fn key() -> Source {
        Source::Static(Credential {
            key_id: "testid".into(),
            secret: Secret::new("testsecret"),
            token: None,
            expires: None,
        })
    }

    /// The role of the instance, by the metadata service.
    pub(crate) fn role(&self) -> Source {
        let http = Http::new(Duration::from_secs(5)).unwrap();
        Source::Instance {
            metadata: Metadata::new(http, &self.address),
            role: None,
        }
    }

    async fn ask(&self, method: &str, path: &str, query: &str, body: &Value) -> Value {
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        let reply = self.shared.handle(request).await.reply.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    /// Sets the faults, and no others.
    pub(crate) async fn faults(&self, faults: Value) {
        let plan = json!({"faults": faults, "seed": 7});
        self.ask("POST", "/_sim/faults", "", &plan).await;
    }

    /// Sets the service's clock ahead, in seconds.
    pub(crate) async fn skew(&self, seconds: i64) {
        let plan = json!({"clockSkewSeconds": seconds});
        self.ask("POST", "/_sim/faults", "", &plan).await;
    }

    /// Another user's doing.
    pub(crate) async fn change(&self, steps: Value) {
        self.ask("POST", "/_sim/world", "", &steps).await;
    }

    /// Every state of every entry.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let events = self.ask("GET", "/_sim/events", "", &Value::Null).await;
        events.as_array().unwrap().clone()
    }

    /// What a table holds: each destination, and its next hops by ID.
    pub(crate) async fn entries(&self, table: &str) -> Vec<(String, String)> {
        let tables = self.ask("GET", "/_sim/tables", "", &Value::Null).await;
        let mut tables = tables.as_array().unwrap().iter();
        let found = tables.find(|t| t["id"] == table).unwrap();
        let entries = found["entries"].as_array().unwrap().iter();
        let ids = |entry: &Value| {
            let hops = entry["nextHops"].as_array().unwrap().iter();
            hops.map(|h| h["id"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        entries
            .map(|e| (e["destination"].as_str().unwrap().to_owned(), ids(e)))
            .collect()
    }

    /// Every call.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let log = self.ask("GET", "/_sim/log", "", &Value::Null).await;
        log.as_array().unwrap().clone()
    }

    /// How many calls there were of these names.
    pub(crate) async fn calls(&self, actions: &[&str]) -> usize {
        let log = self.log().await;
        let is_one = |call: &&Value| actions.contains(&call["action"].as_str().unwrap_or_default());
        log.iter().filter(is_one).count()
    }

    /// The next hops of an address over time, and the most entries the table ever held.
    pub(crate) async fn path(&self, table: &str, address: &str) -> (Vec<Vec<String>>, u64) {
        let query = format!("table={table}&address={address}");
        let answer = self.ask("GET", "/_sim/path", &query, &Value::Null).await;
        let ids = |span: &Value| -> Vec<String> {
            let hops = span["nextHops"].as_array().unwrap();
            hops.iter()
                .map(|h| h["id"].as_str().unwrap().to_owned())
                .collect()
        };
        let spans = answer["spans"].as_array().unwrap();
        (
            spans.iter().map(ids).collect(),
            answer["peak"].as_u64().unwrap(),
        )
    }
}
