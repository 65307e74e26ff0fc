//! The proof on the wire: captures at places that every packet between nodes has to pass.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::SiteType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cluster::Endpoint;
use super::frame::{self, Probe};
use super::pcap;
use crate::paths::{EDGE, namespace, netns_path};
use crate::runtime::netns;

/// How much of each frame is kept: headers and mark, with room for any tunnel's headers.
const SNAP_LENGTH: &str = "256";

/// Where frames are captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// In words.
    pub(super) name: String,
    /// The namespace's file.
    pub(super) netns: PathBuf,
    pub(super) interface: String,
}

/// The uplink of every node, the trunks between switches and to the edge, the leased lines.
/// Probes have to be seen at each: [`places`] leaves out where none is expected.
pub(super) fn places(plan: &NetworkPlan) -> Vec<Place> {
    let place = |name: String, member: &str, interface: &str| Place {
        name,
        netns: netns_path(&namespace(member)),
        interface: interface.to_owned(),
    };
    let hosts = &plan.spec.hosts;
    let mut places: Vec<Place> = hosts
        .iter()
        .map(|host| {
            let (node, uplink) = (host.name.as_str(), host.uplink.interface.as_str());
            place(format!("{node} uplink {uplink}"), node, uplink)
        })
        .collect();
    let populated = |site: &str| hosts.iter().any(|h| h.site == site);
    for site in &plan.spec.sites {
        if site.site_type != SiteType::Idc || !populated(&site.name) {
            continue;
        }
        // The edge hangs on the first switch, the others behind it in a row.
        let on = |switch: &str| {
            hosts
                .iter()
                .any(|h| h.uplink.switch.as_deref() == Some(switch))
        };
        if let Some(first) = site.switches.first() {
            let name = format!("{} trunk to the edge", first.name);
            places.push(place(name, &first.name, EDGE));
        }
        for (number, pair) in site.switches.windows(2).enumerate() {
            let behind = &site.switches[number + 1..];
            if behind.iter().any(|s| on(&s.name)) {
                let name = format!("{} trunk to {}", pair[0].name, pair[1].name);
                places.push(place(name, &pair[0].name, &pair[1].name));
            }
        }
    }
    for (number, line) in plan.spec.links.iter().enumerate() {
        // The lab routes everything over the first line.
        if number == 0 && populated(&line.idc) && populated(&line.vpc) {
            let name = format!("leased line {}", line.name);
            places.push(place(name, EDGE, &format!("line{number}")));
        }
    }
    places
}

/// What a capture held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Frames of any kind.
    pub(super) frames: usize,
    /// Our echo requests and replies among them.
    pub(super) probes: usize,
    /// Frames in anything but one 802.1Q tag.
    pub(super) encapsulated: usize,
    /// Probes whose source or destination was not the endpoints' own.
    pub(super) rewritten: usize,
    /// The VLANs of the tags.
    pub(super) vlans: BTreeSet<u16>,
}

impl Tally {
    /// Whether the place proves what it is to prove.
    pub(super) fn ok(&self) -> bool {
        self.probes > 0 && self.encapsulated == 0 && self.rewritten == 0
    }

    /// Counts frames; probes of other runs are frames like any other.
    pub(super) fn of(frames: &[&[u8]], run: u32, endpoints: &[Endpoint]) -> Self {
        let mut tally = Self::default();
        for bytes in frames {
            let frame = frame::read(bytes);
            tally.frames += 1;
            tally.vlans.extend(frame.vlan);
            tally.encapsulated += usize::from(frame.encapsulated);
            if let Some(probe) = frame.probe.filter(|p| p.mark.run == run) {
                tally.probes += 1;
                tally.rewritten += usize::from(!genuine(&probe, endpoints));
            }
        }
        tally
    }
}

/// Whether a probe bears the addresses of those who sent it and whom it is for.
fn genuine(probe: &Probe, endpoints: &[Endpoint]) -> bool {
    let has = |index: u16, address| {
        endpoints
            .get(usize::from(index))
            .is_some_and(|e| e.addresses.contains(&address))
    };
    let (asking, asked) = (probe.mark.from, probe.mark.to);
    let (sender, receiver) = match probe.reply {
        false => (asking, asked),
        true => (asked, asking),
    };
    has(sender, probe.source) && has(receiver, probe.destination)
}

/// A tcpdump that runs.
#[derive(Debug)]
pub(super) struct Capture {
    place: Place,
    child: Child,
    frames: Option<JoinHandle<Vec<u8>>>,
    log: Option<JoinHandle<String>>,
}

impl Capture {
    /// Starts capturing; frames are seen from when this returns.
    ///
    /// # Errors
    /// If tcpdump does not start or does not find the interface.
    pub(super) fn start(place: Place) -> Result<Self> {
        let mut command = Command::new("tcpdump");
        command
            // Not promiscuous: on a veth it changes nothing that is seen.
            .args(["-p", "-n", "-U", "--immediate-mode", "-Z", "root"])
            .args(["-s", SNAP_LENGTH, "-B", "8192", "-w", "-"])
            .args(["-i", &place.interface])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child =
            netns::within(&place.netns, || command.spawn())?.context("cannot run tcpdump")?;
        let frames = child.stdout.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut all = Vec::new();
                // What was read until an error is what there is.
                let _ = pipe.read_to_end(&mut all);
                all
            })
        });
        let stderr = child.stderr.take();
        let mut capture = Self {
            place,
            child,
            frames,
            log: None,
        };
        let mut stderr = BufReader::new(stderr.context("tcpdump has no stderr")?);
        let mut said = String::new();
        while !said.contains("listening on") {
            if stderr.read_line(&mut said)? == 0 {
                bail!("tcpdump at {}: {}", capture.place.name, said.trim());
            }
        }
        capture.log = Some(std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = stderr.read_to_string(&mut rest);
            rest
        }));
        Ok(capture)
    }

    /// Ends the capture and counts.
    ///
    /// # Errors
    /// If the kernel dropped frames, or the capture cannot be read: no proof then.
    pub(super) fn finish(mut self, run: u32, endpoints: &[Endpoint]) -> Result<(String, Tally)> {
        self.interrupt();
        self.child.wait()?;
        let name = self.place.name.clone();
        let read = self.frames.take().map(JoinHandle::join);
        let capture = read
            .and_then(Result::ok)
            .ok_or_else(|| anyhow!("{name}: the capture was lost"))?;
        let log = self.log.take().map(JoinHandle::join);
        let log = log.and_then(Result::ok).unwrap_or_default();
        if let Some(dropped) = dropped(&log).filter(|n| *n > 0) {
            bail!("{name}: the kernel dropped {dropped} frames of the capture");
        }
        let frames = pcap::frames(&capture).with_context(|| name.clone())?;
        let tally = Tally::of(&frames, run, endpoints);
        Ok((name, tally))
    }

    fn interrupt(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Not waited for yet, so the number is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `3 packets dropped by kernel`, in tcpdump's last words.
fn dropped(log: &str) -> Option<u64> {
    let line = log.lines().find(|l| l.contains("dropped by kernel"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::cluster::Kind;
    use super::super::mark::Mark;
    use super::*;

    fn plan() -> NetworkPlan {
        flatnet_plan::load(include_str!("../../../examples/lab.yaml")).expect("the lab's plan")
    }

    fn names(plan: &NetworkPlan) -> Vec<String> {
        places(plan).into_iter().map(|p| p.name).collect()
    }

    #[test]
    fn every_uplink_trunk_and_line_of_the_lab_is_watched() {
        assert_eq!(
            names(&plan()),
            [
                "idc1 uplink eth0",
                "idc2 uplink eth0",
                "vpc1 uplink eth0",
                "vpc2 uplink eth0",
                "tor1 trunk to the edge",
                "tor1 trunk to tor2",
                "leased line line1"
            ]
        );
    }

    #[test]
    fn where_nothing_can_pass_nothing_is_watched() {
        let mut plan = plan();
        plan.spec.hosts.retain(|h| h.name.as_str() == "idc1");
        assert_eq!(names(&plan), ["idc1 uplink eth0", "tor1 trunk to the edge"]);
    }

    fn endpoint(address: &str) -> Endpoint {
        Endpoint {
            name: address.to_owned(),
            kind: Kind::Container,
            site: "idc".to_owned(),
            node: None,
            addresses: vec![address.parse().expect("an address")],
        }
    }

    fn probe(reply: bool, source: &str, destination: &str) -> Probe {
        Probe {
            mark: Mark {
                from: 0,
                to: 1,
                run: 9,
            },
            reply,
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
        }
    }

    #[test]
    fn a_masqueraded_probe_is_found_out() {
        let ends = [endpoint("10.0.0.1"), endpoint("10.0.0.2")];
        assert!(genuine(&probe(false, "10.0.0.1", "10.0.0.2"), &ends));
        assert!(genuine(&probe(true, "10.0.0.2", "10.0.0.1"), &ends));
        assert!(!genuine(&probe(false, "192.0.2.1", "10.0.0.2"), &ends));
        assert!(!genuine(&probe(true, "10.0.0.1", "10.0.0.2"), &ends));
    }

    #[test]
    fn silence_proves_nothing() {
        assert!(!Tally::of(&[], 9, &[]).ok());
    }

    #[test]
    fn the_kernels_drops_are_read() {
        let log = "5 packets captured\n7 packets received by filter\n2 packets dropped by kernel\n";
        assert_eq!(dropped(log), Some(2));
        assert_eq!(dropped(""), None);
    }
}
