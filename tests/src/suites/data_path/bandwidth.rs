//! Limits on what a container sends and receives.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::LabGuard;
use crate::suites::kit::container::{Container, Wish};
use crate::suites::kit::rate::{Way, limit, tcp, udp};
use crate::suites::kit::{pair, say};

/// Where a container's frames go.
fn way<'a>(from: &'a Container, to: &'a Container) -> Way<'a> {
    Way {
        from: from.netns(),
        to: to.netns(),
        at: to.v4.into(),
    }
}

pub(super) fn limits(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let (bits, burst) = (limit(lab), limit(lab) / 10);
    let (limit, offered) = (f64::from(bits), 3 * bits);
    let rates = json!({
        "ingressRate": bits, "ingressBurst": burst,
        "egressRate": bits, "egressBurst": burst,
    });
    let wish = Wish::capability("bandwidth", rates);
    let limited = Container::attach_as(lab, &idc1, "web", "dp-bw-limited", &wish)?;
    let near = Container::attach(lab, &idc1, "web", "dp-bw-near")?;
    let far = Container::attach(lab, &idc2, "web", "dp-bw-far")?;

    let mut wrong = Vec::new();
    let mut within = |what: &str, rate: f64, least: f64, most: f64| {
        say(&format!("{what}: {:.1} Mbit/s", rate / 1e6));
        if !(least..=most).contains(&rate) {
            wrong.push(format!(
                "{what}: {:.1} Mbit/s, not within {:.1} and {:.1}",
                rate / 1e6,
                least / 1e6,
                most / 1e6
            ));
        }
    };
    for peer in [&near, &far] {
        let there = format!("UDP to the limited from {}", peer.node.name);
        within(
            &there,
            udp(way(peer, &limited), offered)?,
            0.6 * limit,
            1.25 * limit,
        );
        let back = format!("UDP from the limited to {}", peer.node.name);
        within(
            &back,
            udp(way(&limited, peer), offered)?,
            0.6 * limit,
            1.25 * limit,
        );
    }
    // A policer drops what TCP takes for congestion: less than the limit, and not nothing.
    within(
        "TCP to the limited",
        tcp(way(&near, &limited))?,
        0.1 * limit,
        1.25 * limit,
    );
    within(
        "TCP from the limited",
        tcp(way(&limited, &near))?,
        0.1 * limit,
        1.25 * limit,
    );
    within(
        "TCP without limits",
        tcp(way(&near, &far))?,
        3.0 * limit,
        f64::INFINITY,
    );
    limited.check()?;
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}
