//! The whole chain, and a chain that breaks.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::chain::{Chained, Runtime, list, on_node, plugin};
use crate::runtime::{ContainerNs, Plugin};
use crate::suites::kit::nat;
use crate::suites::rig::{Rig, Snapshot};
use crate::{LabGuard, Node};

/// The three, in the order of the documents.
fn three(node: &Node) -> Result<Vec<Plugin>> {
    let tuning = json!({
        "type": "tuning", "sysctl": {"net.core.somaxconn": "500"},
        "dataDir": node.paths.dir().join("tuning"),
    });
    let confs = [
        tuning,
        json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}),
        json!({"type": "portmap", "capabilities": {"portMappings": true}}),
    ];
    confs.into_iter().map(plugin).collect()
}

/// What the runtime offers them.
fn offered() -> [(&'static str, Value); 2] {
    let bandwidth = json!({
        "ingressRate": 20_000_000, "ingressBurst": 2_000_000,
        "egressRate": 20_000_000, "egressBurst": 2_000_000,
    });
    let mapping = json!({"hostPort": 18080, "containerPort": 80, "protocol": "tcp"});
    [("bandwidth", bandwidth), ("portMappings", json!([mapping]))]
}

/// What the reference plugins make on a node: rules, and the devices that shape.
fn foreign(node: &Node) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for program in ["iptables-save", "ip6tables-save"] {
        let rules = on_node(node, program, &["-t", "nat"])?;
        // The chains that all mappings share stay.
        lines.extend(
            rules
                .lines()
                .filter(|l| l.contains("18080") || l.contains("CNI-DN-"))
                .map(str::to_owned),
        );
    }
    let links = on_node(node, "ip", &["-o", "link", "show", "type", "ifb"])?;
    lines.extend(links.lines().map(str::to_owned));
    Ok(lines)
}

fn nothing_foreign(node: &Node, when: &str) -> Result<()> {
    let left = foreign(node)?;
    ensure!(left.is_empty(), "{when}, there is: {}", left.join("; "));
    Ok(())
}

pub(super) fn all_three(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    let node = lab.node("idc1")?;
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let plugins = three(&node)?;
    // flatnet limits by itself where it is offered `bandwidth`: here the plugin behind it does.
    let chained = || -> Result<_> {
        let mut list = list(&node, "web", &plugins)?;
        list.plugins[0].conf.remove("capabilities");
        Ok(list)
    };
    let attach = |id: &str| Chained::attach(lab, &node, chained()?, id, &offered());
    let mut container = attach("ch-three")?;
    container.check_flatnet(lab).context("CHECK of flatnet")?;
    ensure!(
        foreign(&node)?.len() >= 2,
        "portmap and bandwidth did nothing: {:?}",
        foreign(&node)?
    );
    container.detach()?;
    nothing_foreign(&node, "after a DEL")?;
    rig.same_as(&before)?;
    container.detach().context("a DEL repeated")?;

    // A runtime that lost its cache, and one whose namespace is gone.
    let mut container = attach("ch-lost")?;
    container.detach_without_result()?;
    nothing_foreign(&node, "after a DEL without the result")?;
    rig.same_as(&before)?;
    let container = attach("ch-gone")?;
    container.detach_after_namespace()?;
    nothing_foreign(&node, "after a DEL without the namespace")?;
    rig.same_as(&before)
}

/// A plugin that answers every command with an error, or only some.
fn broken(dir: &Path, fails: &str) -> Result<()> {
    let script = format!(
        "#!/bin/sh\ncat > /dev/null\ncase $CNI_COMMAND in {fails})\n\
         echo '{{\"cniVersion\":\"1.0.0\",\"code\":112,\"msg\":\"broken on purpose\"}}'; exit 1;;\n\
         esac\n"
    );
    let file = dir.join("broken");
    std::fs::write(&file, script)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

pub(super) fn leaves_nothing(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    let node = lab.node("idc1")?;
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let dir = node.paths.dir().join("chaining-plugins");
    std::fs::create_dir_all(&dir)?;
    broken(&dir, "ADD")?;
    let mut all = three(&node)?;
    all.push(plugin(json!({"type": "broken"}))?);
    let no_such = json!({
        "type": "tuning", "sysctl": {"net.ipv4.no_such_key": "1"},
        "dataDir": node.paths.dir().join("tuning"),
    });
    let cases: [(&str, Vec<Plugin>, &[&str]); 2] = [
        (
            "ch-fail-second",
            vec![plugin(no_such)?],
            &["tuning", "no_such_key"],
        ),
        ("ch-fail-last", all, &["112", "broken on purpose"]),
    ];
    for (id, behind, words) in cases {
        let ns = ContainerNs::create(id)?;
        let mut list = list(&node, "web", &behind)?;
        list.plugins[0].conf.remove("capabilities");
        let runtime = Runtime::new(lab, &node, list, &ns, &[&dir])?;
        let mut runtime = offered()
            .into_iter()
            .fold(runtime, |r, (name, value)| r.capability(name, value));
        let error = match runtime.add() {
            Ok(added) => anyhow::bail!("{id}: ADD succeeded: {}", added.raw),
            Err(e) => e.to_string(),
        };
        for word in words {
            ensure!(error.contains(word), "{id}: {error}");
        }
        ensure!(
            rig.attachment(id, "eth0")?.is_some(),
            "{id}: flatnet was not before the plugin that failed"
        );
        // What runtimes do after a failed ADD.
        runtime.del(None).with_context(|| format!("DEL of {id}"))?;
        nothing_foreign(&node, id)?;
        rig.same_as(&before).with_context(|| id.to_owned())?;
    }
    Ok(())
}
