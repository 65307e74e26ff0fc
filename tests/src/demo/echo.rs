//! The proof at the receiver: each container listens by TCP and answers with the address that
//! it saw the caller have.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::cluster::{Endpoint, Kind, Question};
use crate::interrupt::Interrupt;
use crate::runtime::netns;

/// The port that the containers listen on.
const PORT: u16 = 7;
/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(3);
/// How often a listener that has nothing to do looks whether it is over.
const NAP: Duration = Duration::from_millis(2);

/// What the callers were told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Echoes {
    /// Connections that were answered.
    pub(super) answered: usize,
    /// Answers with another address than the caller's own, in words.
    pub(super) rewritten: Vec<String>,
    /// Connections that failed, in words.
    pub(super) failed: Vec<String>,
}

impl Echoes {
    /// Whether every connection came about and showed the caller's own address.
    pub(super) fn ok(&self) -> bool {
        self.answered > 0 && self.rewritten.is_empty() && self.failed.is_empty()
    }

    fn merge(&mut self, other: Self) {
        self.answered += other.answered;
        self.rewritten.extend(other.rewritten);
        self.failed.extend(other.failed);
    }

    fn record(&mut self, caller: &Endpoint, own: IpAddr, callee: IpAddr, told: Result<IpAddr>) {
        match told {
            Ok(seen) => {
                self.answered += 1;
                if seen != own {
                    let name = &caller.name;
                    self.rewritten
                        .push(format!("{callee} saw {name} as {seen}, not as {own}"));
                }
            }
            Err(error) => self.failed.push(format!("{own} to {callee}: {error:#}")),
        }
    }
}

/// Lets containers call each other, where a question is about a container.
///
/// # Errors
/// If a container cannot listen, or the work is interrupted.
pub(super) fn call_all<'p>(
    endpoints: &[Endpoint],
    questions: &[Question],
    netns_of: impl Fn(usize) -> Option<&'p Path> + Sync,
    interrupt: &Interrupt,
) -> Result<Echoes> {
    let over = AtomicBool::new(false);
    let is_container = |index: usize| endpoints[index].kind == Kind::Container;
    let containers: Vec<usize> = (0..endpoints.len()).filter(|i| is_container(*i)).collect();
    std::thread::scope(|scope| {
        let (ready, listening) = mpsc::channel();
        for &index in &containers {
            let path = netns_of(index).context("a container without a namespace")?;
            let (ready, over) = (ready.clone(), &over);
            scope.spawn(move || listen(path, &ready, over));
        }
        drop(ready);
        let callers = || -> Result<Echoes> {
            for _ in &containers {
                listening.recv().map_err(|_| anyhow!("a listener died"))??;
            }
            let call_from = |index: usize| -> Result<Echoes> {
                interrupt.check()?;
                let path = netns_of(index).context("a container without a namespace")?;
                netns::enter(path)?;
                let caller = &endpoints[index];
                let mut echoes = Echoes::default();
                let calls = questions
                    .iter()
                    .filter(|q| q.from == index && is_container(q.to));
                for question in calls {
                    if let Some(own) = caller.in_family(question.address) {
                        let told = call(question.address);
                        echoes.record(caller, own, question.address, told);
                    }
                }
                Ok(echoes)
            };
            // A caller for each container: one that gets no answer keeps nobody else waiting.
            let callers: Vec<_> = containers
                .iter()
                .map(|&index| scope.spawn(move || call_from(index)))
                .collect();
            let mut all = Echoes::default();
            for caller in callers {
                let echoes = caller.join().map_err(|_| anyhow!("a caller panicked"))?;
                all.merge(echoes?);
            }
            Ok(all)
        };
        let echoes = callers();
        over.store(true, Ordering::SeqCst);
        echoes
    })
}

/// Listens in a namespace until it is over.
fn listen(path: &Path, ready: &mpsc::Sender<Result<()>>, over: &AtomicBool) {
    let listener = open(path);
    let listener = match listener {
        Ok(listener) => {
            let _ = ready.send(Ok(()));
            listener
        }
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    while !over.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((mut stream, peer)) => {
                // The caller reports what it does not get.
                let _ = stream.set_nonblocking(false);
                let _ = stream.write_all(peer.ip().to_canonical().to_string().as_bytes());
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(NAP),
            Err(_) => return,
        }
    }
}

/// A socket belongs to the namespace that it was made in.
fn open(path: &Path) -> Result<TcpListener> {
    netns::enter(path)?;
    // The IPv6 wildcard takes IPv4 too (RFC 3493 §5.3), where the kernel has IPv6.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))
        .with_context(|| format!("cannot listen in {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Calls, and gives the address that the other side says it saw.
fn call(address: IpAddr) -> Result<IpAddr> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, PORT), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut told = String::new();
    stream.read_to_string(&mut told)?;
    match told.parse() {
        Ok(seen) => Ok(seen),
        Err(_) => bail!("it answered {told:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Endpoint {
        Endpoint {
            name: "idc1/web/a".to_owned(),
            kind: Kind::Container,
            site: "idc".to_owned(),
            node: None,
            addresses: vec!["10.0.0.1".parse().expect("an address")],
        }
    }

    #[test]
    fn only_the_callers_own_address_will_do() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (own, callee) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let mut echoes = Echoes::default();
        assert!(!echoes.ok(), "nothing was answered yet");
        echoes.record(&caller(), own, callee, Ok(own));
        assert!(echoes.ok());
        echoes.record(&caller(), own, callee, Ok(ip("192.0.2.1")));
        assert_eq!(
            echoes.rewritten,
            ["10.0.0.2 saw idc1/web/a as 192.0.2.1, not as 10.0.0.1"]
        );
        echoes.record(&caller(), own, callee, Err(anyhow!("refused")));
        assert_eq!(echoes.failed, ["10.0.0.1 to 10.0.0.2: refused"]);
        assert!(!echoes.ok());
    }
}
