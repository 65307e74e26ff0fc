//! ARP is answered by the bridge, and neighbour discovery by the one who is asked for.

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
    let captures = bystanders
        .iter()
        .map(Container::capture)
        .collect::<Result<Vec<_>>>()?;
    let asked_for = [near.capture()?, far.capture()?];

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
    captures
        .into_iter()
        .try_for_each(|c| silent(&c.finish()?, None))?;
    // Those who are asked for hear what is about themselves.
    for (capture, of) in asked_for.into_iter().zip([&near, &far]) {
        silent(&capture.finish()?, Some(of))?;
    }
    Ok(())
}

/// Answers are for whoever asked. Nobody hears an ARP request, and only a container itself the
/// solicitations for its addresses.
fn silent(seen: &Seen, of: Option<&Container>) -> Result<()> {
    let own = of.map_or(Vec::new(), |c| vec![c.v6, c.link_local()]);
    for frame in &seen.frames {
        let question = match (frame.get(12..14), frame.get(20..22), frame.get(54)) {
            (Some([0x08, 0x06]), Some([0, 1]), _) => "an ARP request",
            (Some([0x86, 0xdd]), _, Some(135)) if frame[20] == 58 => {
                let target = frame.get(62..78);
                if own.iter().any(|ip| target == Some(&ip.octets()[..])) {
                    continue;
                }
                "a neighbour solicitation"
            }
            _ => continue,
        };
        bail!("{} heard {question}: {frame:02x?}", seen.place);
    }
    Ok(())
}
