//! Open vSwitch in the lab: one pair of daemons for each member, and the switches' ports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::fabric::{Member, Switch};
use crate::paths::{MemberPaths, namespace, netns_path};
use crate::process::poll;
use crate::run;
use crate::supervise::{Stage, Unit};

/// The schema of the package.
pub(crate) const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// What `ovs-vsctl` and `ovs-appctl` may take: a guest with an emulated processor, beside which the
/// machine was busy, took over 45 s to make the first bridges.
const TIMEOUT: &str = "--timeout=120";

/// One entry of a switch's MAC table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MacEntry {
    /// The port's OpenFlow number, or `LOCAL`.
    pub port: String,
    /// The VLAN.
    pub vlan: u16,
    /// The MAC.
    pub mac: String,
    /// Seconds since a frame with it came in.
    pub age: u32,
}

/// Makes a member's database if there is none, whole or not at all.
///
/// # Errors
/// [`Error::Io`], [`Error::Command`].
pub(crate) fn create_database(name: &str, paths: &MemberPaths) -> Result<()> {
    let path = paths.ovs_db();
    if path.exists() {
        return Ok(());
    }
    let new = path.with_extension("db.new");
    let _ = fs::remove_file(&new);
    run::output(
        run::command("ovsdb-tool")
            .arg("create")
            .arg(&new)
            .arg(SCHEMA),
    )?;
    let row = json!({"external_ids": ["map", [["system-id", name]]]});
    let insert = json!({"op": "insert", "table": "Open_vSwitch", "row": row});
    let transaction = json!(["Open_vSwitch", insert]).to_string();
    run::output(
        run::command("ovsdb-tool")
            .arg("transact")
            .arg(&new)
            .arg(transaction),
    )?;
    fs::rename(&new, &path).map_err(Error::io("replace", path))
}

/// The two daemons of a member. What a restart of the switch undoes, `repair` puts right.
pub(crate) fn units(member: &Member, paths: &MemberPaths, repair: Vec<String>) -> [Unit; 2] {
    let show = |p: &Path| p.display().to_string();
    let logging = ["-vconsole:info", "-vsyslog:off", "-vfile:off"].map(str::to_owned);
    let unit = |daemon: &str, own: Vec<String>, stage| Unit {
        name: format!("{}/{daemon}", member.name),
        netns: Some(netns_path(&namespace(&member.name))),
        argv: own.into_iter().chain(logging.clone()).collect(),
        env: environment(paths),
        pid_file: None,
        log: paths.log(daemon),
        after: None,
        stage,
        repair: Vec::new(),
        build: String::new(),
    };
    let database = vec![
        "ovsdb-server".into(),
        show(&paths.ovs_db()),
        format!("--remote=punix:{}", show(&paths.db_sock())),
        format!("--unixctl={}", show(&paths.ovsdb_ctl())),
        format!("--pidfile={}", show(&paths.ovsdb_pid())),
        "--no-chdir".into(),
    ];
    let switch = vec![
        "ovs-vswitchd".into(),
        format!("unix:{}", show(&paths.db_sock())),
        format!("--unixctl={}", show(&paths.vswitchd_ctl())),
        format!("--pidfile={}", show(&paths.vswitchd_pid())),
        "--no-chdir".into(),
    ];
    [
        unit("ovsdb", database, Stage::Database),
        Unit {
            after: Some(paths.db_sock()),
            repair,
            ..unit("vswitchd", switch, Stage::Switch)
        },
    ]
}

/// What makes `ovs-vsctl`, `ovs-ofctl` and `ovs-appctl` speak with a member's daemons.
pub(crate) fn environment(paths: &MemberPaths) -> BTreeMap<String, String> {
    let dir = paths.ovs_dir().display().to_string();
    ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"]
        .map(|key| (key.to_owned(), dir.clone()))
        .into_iter()
        .chain([("PATH".to_owned(), run::search_path())])
        .collect()
}

/// Whether both daemons answer.
pub(crate) fn answers(paths: &MemberPaths) -> bool {
    [paths.db_sock(), paths.vswitchd_ctl()]
        .iter()
        .all(|socket| UnixStream::connect(socket).is_ok())
}

/// Waits until both daemons answer.
///
/// # Errors
/// [`Error::Timeout`].
pub(crate) fn wait_answers(paths: &MemberPaths, timeout: Duration) -> Result<()> {
    poll(timeout, || answers(paths).then_some(())).ok_or_else(|| Error::Timeout {
        what: format!("Open vSwitch of {}", paths.dir().display()),
        after: timeout,
        hint: format!("see {}/*.log", paths.dir().display()),
    })
}

/// `ovs-vsctl` for a member.
pub(crate) fn vsctl(paths: &MemberPaths) -> Command {
    let mut command = run::command("ovs-vsctl");
    command
        .envs(environment(paths))
        .arg(format!("--db=unix:{}", paths.db_sock().display()))
        .arg(TIMEOUT);
    command
}

/// `ovs-appctl` for a member's switch.
pub(crate) fn appctl(paths: &MemberPaths) -> Command {
    let mut command = run::command("ovs-appctl");
    command
        .envs(environment(paths))
        .arg(TIMEOUT)
        .arg("-t")
        .arg(paths.vswitchd_ctl());
    command
}

/// The ports of a bridge; none where there is no such bridge.
///
/// # Errors
/// [`Error::Command`].
pub(crate) fn ports(paths: &MemberPaths, bridge: &str) -> Result<Option<BTreeSet<String>>> {
    let bridges = run::output(vsctl(paths).arg("list-br"))?;
    if !bridges.lines().any(|b| b == bridge) {
        return Ok(None);
    }
    let ports = run::output(vsctl(paths).args(["list-ports", bridge]))?;
    Ok(Some(ports.lines().map(str::to_owned).collect()))
}

/// Takes ports out of a switch whose interfaces were made anew: it holds on to the ones of before.
///
/// # Errors
/// [`Error::Command`].
pub(crate) fn forget<'p>(
    paths: &MemberPaths,
    switch: &Switch,
    ports: impl Iterator<Item = &'p str>,
) -> Result<()> {
    let Some(have) = self::ports(paths, &switch.bridge)? else {
        return Ok(());
    };
    let gone: Vec<&str> = ports.filter(|p| have.iter().any(|h| h == p)).collect();
    for port in gone {
        run::output(vsctl(paths).args(["--if-exists", "del-port", port]))?;
    }
    Ok(())
}

/// Gives a switch its bridge and ports, and says which ports it lacked.
///
/// # Errors
/// [`Error::Command`].
pub(crate) fn configure(
    paths: &MemberPaths,
    switch: &Switch,
    datapath: Datapath,
) -> Result<Vec<String>> {
    let have = ports(paths, &switch.bridge)?.unwrap_or_default();
    run::output(vsctl(paths).args(configuration(switch, datapath)))?;
    let wanted = switch.trunks.keys().chain(switch.internal.keys());
    Ok(wanted.filter(|p| !have.contains(*p)).cloned().collect())
}

/// One transaction, harmless to do again.
fn configuration(switch: &Switch, datapath: Datapath) -> Vec<String> {
    let bridge = &switch.bridge;
    let mut words = Vec::new();
    let mut say = |command: String| {
        if !words.is_empty() {
            words.push("--".to_owned());
        }
        words.extend(command.split_whitespace().map(str::to_owned));
    };
    say(format!("--may-exist add-br {bridge}"));
    say(format!(
        "set bridge {bridge} datapath_type={} fail_mode=standalone",
        datapath.type_name()
    ));
    for (port, vlans) in &switch.trunks {
        let list: Vec<String> = vlans.iter().map(ToString::to_string).collect();
        say(format!("--may-exist add-port {bridge} {port}"));
        say(format!(
            "set port {port} vlan_mode=trunk trunks={}",
            list.join(",")
        ));
    }
    for (port, vlan) in &switch.internal {
        let mtu = switch.mtu;
        say(format!("--may-exist add-port {bridge} {port}"));
        say(format!("set port {port} vlan_mode=access tag={vlan}"));
        say(format!(
            "set interface {port} type=internal mtu_request={mtu}"
        ));
    }
    words
}

/// The MAC table of a switch.
///
/// # Errors
/// [`Error::Command`].
pub(crate) fn mac_table(paths: &MemberPaths, bridge: &str) -> Result<Vec<MacEntry>> {
    let text = run::output(appctl(paths).args(["fdb/show", bridge]))?;
    Ok(parse_mac_table(&text))
}

/// A header, then port, VLAN, MAC and age in columns.
fn parse_mac_table(text: &str) -> Vec<MacEntry> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            Some(MacEntry {
                port: fields.next()?.to_owned(),
                vlan: fields.next()?.parse().ok()?,
                mac: fields.next()?.to_owned(),
                age: fields.next()?.parse().unwrap_or(0),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_table_is_read_without_its_header() {
        let table = parse_mac_table(
            " port  VLAN  MAC                Age\n    2   100  02:00:00:00:00:01    3\nLOCAL    10  02:00:00:00:00:02    0\n",
        );
        assert_eq!(table.len(), 2);
        assert_eq!((table[0].port.as_str(), table[0].vlan), ("2", 100));
        assert_eq!(table[1].port, "LOCAL");
    }

    #[test]
    fn a_switch_is_configured_in_one_transaction() {
        let vlan = |id| flatnet_types::VlanId::new(id).expect("id");
        let switch = Switch {
            bridge: "br-edge".into(),
            trunks: [("tor1".to_owned(), vec![vlan(10), vlan(100)])].into(),
            internal: [("vlan10".to_owned(), vlan(10))].into(),
            mtu: flatnet_types::Mtu::ETHERNET,
        };
        let text = configuration(&switch, Datapath::Kernel).join(" ");
        assert!(text.contains("set bridge br-edge datapath_type=system fail_mode=standalone"));
        assert!(text.contains("-- set port tor1 vlan_mode=trunk trunks=10,100"));
        assert!(text.contains("-- set port vlan10 vlan_mode=access tag=10"));
        assert!(text.starts_with("--may-exist add-br br-edge --"));
    }
}
