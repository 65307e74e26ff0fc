//! FRR as its sockets show it: staticd's configuration, zebra's table, and what the kernel had
//! at every moment. It can fail at any command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::model::{ClusterName, Prefix};
use crate::providers::frr::{FrrConfig, FrrRouter};

/// What goes wrong at a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// It is refused.
    Refuse,
    /// The connection ends before its effect.
    CutBefore,
    /// The connection ends after its effect.
    CutAfter,
}

/// Destination → the next hops in force.
pub(super) type Fib = BTreeMap<Prefix, BTreeSet<String>>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    destination: Prefix,
    hop: String,
    tag: u32,
    distance: u8,
}

/// What FRR holds.
#[derive(Default)]
pub(super) struct State {
    routes: Vec<Route>,
    /// Next hops that zebra cannot reach.
    pub(super) unreachable: BTreeSet<String>,
    /// The kernel's routes after each change, and in the midst of one.
    pub(super) history: Vec<Fib>,
    /// The configuring commands that were given.
    pub(super) lines: Vec<String>,
    /// Fails at the n-th of them from now, from 0.
    pub(super) fault: Option<(usize, Fault)>,
    /// The daemons that were connected to, one entry a connection.
    pub(super) connections: Vec<&'static str>,
}

impl State {
    fn fib(&self) -> Fib {
        let mut best: BTreeMap<Prefix, u8> = BTreeMap::new();
        let alive = |r: &&Route| !self.unreachable.contains(&r.hop);
        for route in self.routes.iter().filter(alive) {
            let least = best.entry(route.destination).or_insert(u8::MAX);
            *least = route.distance.min(*least);
        }
        let mut fib = Fib::new();
        for route in self.routes.iter().filter(alive) {
            if best.get(&route.destination) == Some(&route.distance) {
                let hops = fib.entry(route.destination).or_default();
                hops.insert(route.hop.clone());
            }
        }
        fib
    }

    /// `ip route P HOP [tag N] [DISTANCE]`, as 8.4 does it: a path (destination, distance) has
    /// one tag, and a next hop is in one path of its destination.
    pub(super) fn configure(&mut self, line: &str) -> &'static str {
        let before = self.fib();
        let (no, rest) = match line.strip_prefix("no ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let words: Vec<&str> = rest.split(' ').collect();
        let [_, "route", destination, hop, options @ ..] = words.as_slice() else {
            return "% Unknown command";
        };
        let (tag, distance) = match options {
            [] => (0, 1),
            ["tag", tag] => (tag.parse().unwrap(), 1),
            ["tag", tag, distance] => (tag.parse().unwrap(), distance.parse().unwrap()),
            [distance] => (0, distance.parse().unwrap()),
            _ => return "% Unknown command",
        };
        let destination: Prefix = destination.parse().unwrap();
        let count = self.routes.len();
        self.routes
            .retain(|r| (r.destination, r.hop.as_str()) != (destination, hop));
        if no && self.routes.len() == count {
            return "% Refusing to remove a non-existent route\n";
        }
        if !no {
            let path = |r: &&mut Route| (r.destination, r.distance) == (destination, distance);
            self.routes
                .iter_mut()
                .filter(path)
                .for_each(|r| r.tag = tag);
            self.routes.push(Route {
                destination,
                hop: (*hop).to_owned(),
                tag,
                distance,
            });
        }
        let after = self.fib();
        let changed = before.get(&destination) != after.get(&destination);
        if destination.is_ipv6() && changed && before.contains_key(&destination) {
            // Deleted, and added anew.
            let mut midst = after.clone();
            midst.remove(&destination);
            self.history.push(midst);
        }
        self.history.push(after);
        ""
    }

    fn running(&self) -> String {
        let mut text = "frr version 8.4.4\n!\n".to_owned();
        for r in &self.routes {
            let word = if r.destination.is_ipv6() {
                "ipv6"
            } else {
                "ip"
            };
            text.push_str(&format!("{word} route {} {}", r.destination, r.hop));
            if r.tag != 0 {
                text.push_str(&format!(" tag {}", r.tag));
            }
            if r.distance != 1 {
                text.push_str(&format!(" {}", r.distance));
            }
            text.push('\n');
        }
        text + "!\n"
    }

    fn json(&self, ipv6: bool) -> String {
        let routes = self.fib().into_iter().filter(|(p, _)| p.is_ipv6() == ipv6);
        let routes = routes.map(|(destination, hops)| {
            let hop = |ip: &String| serde_json::json!({"ip": ip, "fib": true, "active": true});
            let hops: Vec<_> = hops.iter().map(hop).collect();
            let route = serde_json::json!([{"selected": true, "installed": true,
                "nexthops": hops}]);
            (destination.to_string(), route)
        });
        serde_json::Value::Object(routes.collect()).to_string()
    }
}

/// A running FRR; it ends with its runtime.
pub(super) struct Fake {
    pub(super) state: Arc<Mutex<State>>,
    directory: TempDir,
}

impl Fake {
    /// One with these lines in its configuration.
    pub(super) fn start(lines: &[&str]) -> Self {
        let mut state = State::default();
        for line in lines {
            assert_eq!(state.configure(line), "");
        }
        state.history.clear();
        let fake = Self {
            state: Arc::new(Mutex::new(state)),
            directory: tempfile::tempdir().unwrap(),
        };
        for daemon in ["zebra", "staticd"] {
            let path = fake.directory.path().join(format!("{daemon}.vty"));
            let listener = UnixListener::bind(path).unwrap();
            let state = Arc::clone(&fake.state);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    state.lock().unwrap().connections.push(daemon);
                    tokio::spawn(serve(stream, Arc::clone(&state)));
                }
            });
        }
        fake
    }

    pub(super) fn sockets(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn router(&self) -> FrrRouter {
        let cluster: ClusterName = "prod".parse().unwrap();
        let config = FrrConfig {
            sockets: self.sockets().to_owned(),
            ..FrrConfig::default()
        };
        FrrRouter::new(config, cluster)
    }
}

async fn serve(mut stream: UnixStream, state: Arc<Mutex<State>>) {
    let mut heard = Vec::new();
    let mut enabled = false;
    while stream.read_buf(&mut heard).await.is_ok_and(|n| n > 0) {
        while let Some(end) = heard.iter().position(|b| *b == 0) {
            let line: Vec<u8> = heard.drain(..=end).collect();
            let command = String::from_utf8(line[..end].to_vec()).unwrap();
            enabled |= command == "enable";
            let Some((said, code)) = obey(&command, enabled, &state) else {
                return;
            };
            let mut answer = said.into_bytes();
            answer.extend([0, 0, 0, code]);
            // In two pieces: an answer is no datagram.
            let (head, tail) = answer.split_at(answer.len() / 2);
            for piece in [head, tail] {
                if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// What is said, and the code; none where the connection ends.
fn obey(command: &str, enabled: bool, state: &Mutex<State>) -> Option<(String, u8)> {
    let mut state = state.lock().unwrap();
    let said = match command {
        "enable" | "configure terminal" | "end" => String::new(),
        "show running-config" if enabled => state.running(),
        "show ip route static json" => state.json(false),
        "show ipv6 route static json" => state.json(true),
        "show ip route connected json" | "show ipv6 route connected json" => "{}".to_owned(),
        line if enabled && line.contains(" route ") => {
            state.lines.push(line.to_owned());
            let fault = match &mut state.fault {
                Some((0, fault)) => Some(*fault),
                Some((left, _)) => {
                    *left -= 1;
                    None
                }
                None => None,
            };
            if fault.is_some() {
                state.fault = None;
            }
            match fault {
                Some(Fault::Refuse) => {
                    return Some(("% Configuration failed.\n\nno reason\n".to_owned(), 13));
                }
                Some(Fault::CutBefore) => return None,
                Some(Fault::CutAfter) => {
                    state.configure(line);
                    return None;
                }
                None => state.configure(line).to_owned(),
            }
        }
        other => return Some((format!("% [STATIC] Unknown command: {other}\n"), 2)),
    };
    Some((said, 0))
}
