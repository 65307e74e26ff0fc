//! ARP and neighbour discovery are answered by the bridge.

use anyhow::{Result, bail};

use crate::LabGuard;
use crate::suites::kit::container::{Container, ping};
use crate::suites::kit::wire::Seen;
use crate::suites::kit::{SETTLE, output, pair};

pub(super) fn bystanders_hear_nothing(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let asks = Container::attach(lab, &idc1, "web", "dp-nd-a")?;
    let near = Container::attach(lab, &idc1, "web", "dp-nd-b")?;
    let far = Container::attach(lab, &idc2, "web", "dp-nd-c")?;
    let bystanders = [
        Container::attach(lab, &idc1, "web", "dp-nd-d")?,
        Container::attach(lab, &idc1, "db", "dp-nd-e")?,
        Container::attach(lab, &idc2, "web", "dp-nd-f")?,
    ];
    for container in [&asks, &near, &far] {
        container.settle()?;
    }
    // Not even those who are asked for hear the question.
    let listeners = bystanders.iter().chain([&near, &far]);
    let captures = listeners
        .map(Container::capture)
        .collect::<Result<Vec<_>>>()?;

    let edge = lab.member("edge")?;
    for family in ["-4", "-6"] {
        output(
            edge.command("ip")
                .args([family, "neigh", "flush", "dev", "vlan100"]),
        )?;
        output(
            idc1.command("ip")
                .args([family, "neigh", "flush", "dev", "flat0"]),
        )?;
    }
    for to in near.ips().into_iter().chain(far.ips()) {
        asks.reaches(to)?;
    }
    asks.reaches(near.link_local().into())?;
    asks.reaches(far.link_local().into())?;
    for to in asks.ips().into_iter().chain(near.ips()) {
        ping(&mut edge.command("ping"), &to.to_string())?;
        ping(&mut idc1.command("ping"), &to.to_string())?;
    }
    for gateway in idc1.spec.networks[0].ranges.iter().map(|r| r.gateway) {
        asks.reaches(gateway)?;
    }
    std::thread::sleep(SETTLE);
    captures.into_iter().try_for_each(|c| silent(&c.finish()?))
}

/// Answers are for whoever asked; questions are for nobody.
fn silent(seen: &Seen) -> Result<()> {
    for frame in &seen.frames {
        let question = match (frame.get(12..14), frame.get(20..22), frame.get(54)) {
            (Some([0x08, 0x06]), Some([0, 1]), _) => "an ARP request",
            (Some([0x86, 0xdd]), _, Some(135)) if frame[20] == 58 => "a neighbour solicitation",
            _ => continue,
        };
        bail!("{} heard {question}: {frame:02x?}", seen.place);
    }
    Ok(())
}
