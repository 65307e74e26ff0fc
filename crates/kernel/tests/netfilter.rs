//! What netfilter does to forwarded packets, set by `nft` and `iptables` and read by the adapter.

mod common;

use std::process::Command;

use common::{Ns, wanted, with_kernel};
use flatnet_kernel::netfilter::{Condition, ForwardChain, Name, Tool, Verdict};

/// Runs a tool in the namespace; `false` if this machine or its kernel has no such thing.
fn tool(host: &Ns, args: &[&str]) -> bool {
    let out = Command::new("ip")
        .args(["netns", "exec", &host.name])
        .args(args)
        .output();
    let done = out.as_ref().is_ok_and(|o| o.status.success());
    if !done {
        eprintln!("skipped: {args:?} does not work here: {out:?}");
    }
    done
}

fn name(text: &str, not: bool) -> Name {
    Name {
        text: text.to_owned(),
        prefix: false,
        not,
    }
}

/// Conditions and verdict of each rule.
fn rules(chain: &ForwardChain) -> Vec<(Vec<Condition>, Verdict)> {
    chain
        .rules
        .iter()
        .map(|r| (r.when.clone(), r.verdict))
        .collect()
}

#[test]
fn the_chains_of_nftables_at_the_forward_hook_are_read_with_what_they_decide() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    let script = "table inet guard {
        set allowed { type ifname; elements = { flat0 } }
        chain more { oifname \"eth*\" accept; reject; }
        chain passing {
            type filter hook forward priority 0; policy drop;
            ct state established,related accept
            iifname \"flat0\" counter accept
            oifname != \"docker0\" jump more
            iifname @allowed accept
            ip saddr 10.100.0.0/24 accept
            counter drop
        }
        chain input { type filter hook input priority 0; policy drop; }
    }";
    if !tool(&host, &["nft", script]) {
        return;
    }
    with_kernel(&host, |kernel| async move {
        let before = kernel.forward_filters().await.expect("read").generation;
        assert!(before.is_some());
        let chains = kernel.nftables_forward().await.expect("read");
        let [chain] = chains.as_slice() else {
            panic!("one chain: {chains:?}");
        };
        assert_eq!(
            (
                chain.tool,
                chain.family,
                chain.table.as_str(),
                chain.chain.as_str(),
                chain.drops
            ),
            (Tool::Nft, "inet", "guard", "passing", true)
        );
        let found = rules(chain);
        assert_eq!(found[0], (vec![Condition::Other], Verdict::Accept));
        assert_eq!(
            found[1],
            (vec![Condition::In(name("flat0", false))], Verdict::Accept)
        );
        let way = Condition::Out(name("docker0", true));
        let ethernet = Condition::Out(Name {
            prefix: true,
            ..name("eth", false)
        });
        assert_eq!(found[2], (vec![way.clone(), ethernet], Verdict::Accept));
        assert_eq!(found[3], (vec![way], Verdict::Drop));
        assert_eq!(found[4], (vec![Condition::Unknown], Verdict::Accept));
        assert!(
            found[5].0.contains(&Condition::Address(vec![10, 100, 0])),
            "{:?}",
            found[5]
        );
        assert_eq!(found[6], (Vec::new(), Verdict::Drop));
    });
    assert!(tool(&host, &["nft", "flush", "ruleset"]));
    with_kernel(&host, |kernel| async move {
        assert_eq!(kernel.nftables_forward().await.expect("read"), []);
    });
}

#[test]
fn the_filter_table_of_the_older_iptables_is_read_as_well() {
    if !wanted() {
        return;
    }
    let host = Ns::new();
    with_kernel(&host, |kernel| async move {
        // To look does not bring the table into use.
        assert_eq!(kernel.forward_filters().await.expect("read").legacy, []);
    });
    let legacy = |rule: &str| {
        let mut args = vec!["iptables-legacy"];
        args.extend(rule.split(' '));
        tool(&host, &args)
    };
    if !legacy("-P FORWARD DROP") {
        return;
    }
    for rule in [
        "-N FRIENDS",
        "-A FRIENDS -o flat0 -j ACCEPT",
        "-A FRIENDS -j RETURN",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD ! -i docker0 -j FRIENDS",
        "-A FORWARD -s 10.100.0.0/24 -i flat+ -j ACCEPT",
        "-A FORWARD -j REJECT",
    ] {
        assert!(legacy(rule), "{rule}");
    }
    with_kernel(&host, |kernel| async move {
        let chains = kernel.forward_filters().await.expect("read").legacy;
        let [chain] = chains.as_slice() else {
            panic!("one chain: {chains:?}");
        };
        assert_eq!(
            (chain.tool, chain.family, chain.chain.as_str(), chain.drops),
            (Tool::Legacy, "ip", "FORWARD", true)
        );
        let flats = Name {
            prefix: true,
            ..name("flat", false)
        };
        assert_eq!(
            rules(chain),
            [
                (vec![Condition::Other], Verdict::Accept),
                (
                    vec![
                        Condition::In(name("docker0", true)),
                        Condition::Out(name("flat0", false))
                    ],
                    Verdict::Accept
                ),
                (
                    vec![Condition::Address(vec![10, 100, 0]), Condition::In(flats)],
                    Verdict::Accept
                ),
                (Vec::new(), Verdict::Drop),
            ]
        );
    });
}
