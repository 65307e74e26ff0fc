//! What stops packets on a host and is not netd's to change, or what netd waits for: `flatctl
//! trace` names it by its problem's code (docs/operations.md).

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::rig::{REPAIRED, Tables, attach, carry_out, clean, trace};
use crate::suites::kit::{eventually, output, say};
use crate::{LabGuard, Member, ProcessId};

/// A way to break a host by a command line.
struct Cause {
    code: &'static str,
    breaks: &'static str,
    /// Undoes it, where the command that is named is not the whole of it; empty otherwise.
    undoes: &'static str,
    /// What the machine must be able to do; empty if every one can.
    wants: &'static str,
}

const CAUSES: [Cause; 8] = [
    Cause {
        code: "arp-ignore",
        breaks: "sysctl -qw net.ipv4.conf.all.arp_ignore=8",
        undoes: "",
        wants: "",
    },
    Cause {
        code: "proxy-arp",
        breaks: "sysctl -qw net.ipv4.conf.all.proxy_arp=1",
        undoes: "",
        wants: "",
    },
    Cause {
        code: "route-diverted",
        breaks: "ip route add blackhole 172.30.16.0/20 table 77; ip rule add to 172.30.16.0/20 lookup 77 \
                 pref 77",
        undoes: "ip route flush table 77",
        wants: "",
    },
    Cause {
        code: "route-diverted",
        breaks: "ip rule add to 172.30.16.0/20 unreachable pref 78",
        undoes: "",
        wants: "",
    },
    Cause {
        code: "rp-filter",
        breaks: "sysctl -qw net.ipv4.conf.all.rp_filter=2",
        undoes: "",
        // Only there it lets frames past the flows.
        wants: "ovs-vsctl get Bridge br-flat datapath_type | grep -q netdev",
    },
    Cause {
        code: "conntrack-full",
        breaks: "sysctl -qw net.netfilter.nf_conntrack_max=1; ping -c 1 127.0.0.1",
        undoes: "sysctl -qw net.netfilter.nf_conntrack_max=65536",
        wants: "sysctl -qw net.netfilter.nf_conntrack_max=65536 && test $(sysctl -n \
                net.netfilter.nf_conntrack_count) -gt 0",
    },
    Cause {
        code: "forward-drop",
        breaks: "nft 'table ip guard { chain passing { type filter hook forward priority 0; policy drop; }; }'",
        undoes: "nft delete table ip guard",
        wants: "nft 'table ip th-try { chain passing { type filter hook forward priority 0; }; }' && nft delete \
                table ip th-try",
    },
    Cause {
        code: "forward-drop",
        breaks: "iptables-legacy -P FORWARD DROP",
        undoes: "iptables-legacy -P FORWARD ACCEPT; iptables-legacy -F FORWARD",
        wants: "iptables-legacy -S FORWARD",
    },
];

fn sh(member: &Member, line: &str) -> Result<String> {
    output(member.command("sh").args(["-c", line]))
}

pub(super) fn named(lab: &LabGuard) -> Result<()> {
    let one = attach(lab, "vpc1", "cloud", "one")?;
    let two = attach(lab, "vpc2", "cloud", "two")?;
    let (from, to) = (one.v4.into(), two.v4.into());
    let host = lab.member("vpc1")?;
    let names = |code: &str| {
        let (repair, _) = eventually(REPAIRED, || {
            let said = trace(lab, from, to, Tables::Asked)?;
            // A node whose switch hangs may be too late with its facts for one direction.
            let ways = ["there", "back"].map(|way| said.view[way]["hops"].as_array());
            let found = format!("netd names the problem {code}");
            let mut hops = ways.into_iter().flatten().flatten();
            let hop = hops.find(|hop| hop["found"] == found.as_str());
            let hop = hop.with_context(|| format!("{code} is not named: {:#}", said.view))?;
            ensure!(hop["verdict"] == "wrong" && said.code == 1, "{hop:#}");
            Ok(hop["repair"].clone())
        })?;
        say(&format!("{code}: {}", repair["command"]));
        Ok::<_, anyhow::Error>(repair)
    };
    let whole = || eventually(REPAIRED, || clean(lab, &one, to, Tables::Asked)).map(drop);
    whole()?;
    for cause in CAUSES {
        if !cause.wants.is_empty() && sh(&host, cause.wants).is_err() {
            say(&format!("not tried on this machine: {}", cause.breaks));
            continue;
        }
        sh(&host, cause.breaks)?;
        let repair = names(cause.code).with_context(|| cause.breaks.to_owned())?;
        carry_out(lab, &repair)?;
        sh(&host, cause.undoes)?;
        whole().with_context(|| format!("after {} was repaired", cause.breaks))?;
    }
    for (code, file) in [
        ("database-away", host.paths.ovsdb_pid()),
        ("switch-away", host.paths.vswitchd_pid()),
        ("datapath", host.paths.vswitchd_pid()),
    ] {
        let process = ProcessId::from_file(&file).with_context(|| format!("{}", file.display()))?;
        process.signal(Signal::SIGSTOP)?;
        let named = names(code);
        process.signal(Signal::SIGCONT)?;
        named.with_context(|| format!("{} is stopped", file.display()))?;
        whole().with_context(|| format!("after {} went on", file.display()))?;
    }
    one.detach()?;
    two.detach()
}
