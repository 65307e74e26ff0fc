//! The application in the played pods: a real HTTP server at each pod's address, whose answers depend on its image.
//!
//! All addresses are of the namespace's loopback, which is one network to who is in it. An image of eights has no health, one
//! of nines answers its users 500.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::netns;
use crate::suites::kit::server::Server;

/// The port that the application listens at.
pub(super) const PORT: u16 = 8080;
/// The digit of the digest of an image without health.
pub(super) const SICK: u8 = 8;
/// The digit of the digest of an image that fails its users.
pub(super) const WRONG: u8 = 9;
/// How long a server that nobody calls waits until it looks again.
const LOOK: Duration = Duration::from_millis(5);
/// From one request of the users to the next: the rate of their load.
const USERS: Duration = Duration::from_millis(20);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);

struct Instance {
    revision: String,
    image: String,
    serves: bool,
}

#[derive(Default)]
struct State {
    by_address: BTreeMap<Ipv4Addr, Instance>,
    by_pod: BTreeMap<String, Ipv4Addr>,
    made: u16,
    /// Requests and errors, by revision.
    counts: BTreeMap<String, (u64, u64)>,
    users: usize,
}

/// Addresses of pods, and who answers there.
#[derive(Default)]
pub(super) struct Instances(Mutex<State>);

/// The server and its users; they end when it is dropped.
pub(super) struct Serving {
    _servers: [Server; 2],
}

impl Instances {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of a pod, the same each time.
    pub(super) fn address(&self, pod: &str, revision: &str, image: &str, serves: bool) -> Ipv4Addr {
        let mut state = self.state();
        let made = state.made;
        let address = *state.by_pod.entry(pod.to_owned()).or_insert_with(|| {
            let [high, low] = (made + 1).to_be_bytes();
            Ipv4Addr::new(127, 1, high, low)
        });
        if !state.by_address.contains_key(&address) {
            state.made += 1;
        }
        let instance = Instance {
            revision: revision.to_owned(),
            image: image.to_owned(),
            serves,
        };
        state.by_address.insert(address, instance);
        address
    }

    /// A pod is gone; its address is nobody's again.
    pub(super) fn gone(&self, pod: &str) {
        let mut state = self.state();
        if let Some(address) = state.by_pod.remove(pod) {
            state.by_address.remove(&address);
        }
    }

    /// Listens at all addresses of a namespace, and lets users ask those that are in service.
    pub(super) fn serve(self: &Arc<Self>, netns: &Path) -> Result<Serving> {
        let any = (Ipv4Addr::UNSPECIFIED, PORT);
        let listener = netns::enter(netns, || TcpListener::bind(any))?;
        let listener = listener.with_context(|| format!("listen at port {PORT}"))?;
        listener.set_nonblocking(true)?;
        let (this, users, netns) = (Arc::clone(self), Arc::clone(self), netns.to_owned());
        let server = Server::start(move || match listener.accept() {
            // A caller that went away is none of the server's business.
            Ok((stream, _)) => drop(this.answer(stream)),
            Err(_) => std::thread::sleep(LOOK),
        });
        let users = Server::start(move || {
            // One that is gone meanwhile answers nothing.
            drop(users.use_one(&netns));
            std::thread::sleep(USERS);
        });
        Ok(Serving {
            _servers: [server, users],
        })
    }

    fn use_one(&self, netns: &Path) -> Result<()> {
        let address = {
            let mut state = self.state();
            let serving = state.by_address.iter().filter(|(_, i)| i.serves);
            let serving: Vec<Ipv4Addr> = serving.map(|(a, _)| *a).collect();
            state.users += 1;
            let turn = state.users % serving.len().max(1);
            serving.get(turn).copied()
        };
        let Some(address) = address else {
            return Ok(());
        };
        let to = SocketAddr::from((address, PORT));
        let mut stream = netns::enter(netns, || TcpStream::connect_timeout(&to, LIMIT))??;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }

    fn answer(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut head = [0; 2048];
        let read = stream.read(&mut head)?;
        let head = String::from_utf8_lossy(&head[..read]);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let IpAddr::V4(at) = stream.local_addr()?.ip() else {
            return Ok(());
        };
        let (status, body) = self.page(at, path);
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )?;
        Ok(())
    }

    fn page(&self, at: Ipv4Addr, path: &str) -> (u16, String) {
        let mut state = self.state();
        if path == "/metrics" {
            return (200, metrics(&state));
        }
        let Some(instance) = state.by_address.get(&at) else {
            return (503, "nobody is here\n".to_owned());
        };
        let is = |digit: u8| instance.image.ends_with(&digit.to_string().repeat(64));
        let (sick, wrong) = (is(SICK), is(WRONG));
        let revision = instance.revision.clone();
        match path {
            "/health" if sick => (500, "sick\n".to_owned()),
            "/health" => (200, "well\n".to_owned()),
            _ => {
                let (requests, errors) = state.counts.entry(revision).or_default();
                *requests += 1;
                *errors += u64::from(wrong);
                let status = if wrong { 500 } else { 200 };
                (status, "a page\n".to_owned())
            }
        }
    }
}

/// What the instances count, as Prometheus reads it. A revision that failed nobody says so: it has errors, 0.
fn metrics(state: &State) -> String {
    let mut out = String::new();
    for (revision, (requests, errors)) in &state.counts {
        // Writing to a String never fails.
        let _ = writeln!(
            out,
            "web_requests_total{{revision=\"{revision}\"}} {requests}"
        );
        let _ = writeln!(out, "web_errors_total{{revision=\"{revision}\"}} {errors}");
    }
    out
}
