//! The forms of results.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::LabGuard;
use crate::suites::rig::{Call, Pod, Rig, Snapshot, global_addresses, interface};

pub(super) const VERSIONS: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

pub(super) fn version(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let bare = rig.call_bare("VERSION").unset("CNI_PATH");
    let cases = [
        ("", "1.1.0"),
        (r#"{"cniVersion":"0.4.0"}"#, "0.4.0"),
        ("{}", ""),
    ];
    for (stdin, echoed) in cases {
        let answer = bare
            .clone()
            .stdin(stdin)
            .run()?
            .ok()
            .with_context(|| format!("{stdin:?}"))?;
        ensure!(
            answer["supportedVersions"] == json!(VERSIONS),
            "{stdin:?}: {answer}"
        );
        let told = answer["cniVersion"].as_str().unwrap_or_default();
        ensure!(
            !told.is_empty() && (echoed.is_empty() || told == echoed),
            "{stdin:?}: {answer}"
        );
    }
    // A newer runtime finds out that way what is spoken here.
    let answer = bare.stdin(r#"{"cniVersion":"2.3.4"}"#).run()?.ok()?;
    ensure!(answer["cniVersion"] == "2.3.4", "{answer}");
    Ok(())
}

/// What an ADD made, as the kernel and the plan say.
struct Made {
    host: (String, String),
    inside: (String, String),
    sandbox: String,
    /// Address with prefix length, gateway.
    ips: Vec<(String, String)>,
}

impl Made {
    fn of(rig: &Rig, pod: &Pod) -> Result<Self> {
        let eth0 = interface(&pod.ns, "eth0")?.context("eth0 is not in the container")?;
        let host = pod.attached.host_ifname()?;
        let link: Value =
            serde_json::from_str(&rig.on_node("ip", &["-j", "link", "show", &host])?)?;
        let network = rig
            .node
            .spec
            .networks
            .iter()
            .find(|n| n.name.as_str() == rig.network);
        let ranges = &network.context("the plan has the network")?.ranges;
        let mut addresses = global_addresses(&eth0);
        addresses.sort_by_key(|a| a.contains(':'));
        let gateway = |address: &String| {
            let v6 = address.contains(':');
            let range = ranges.iter().find(|r| r.prefix.is_ipv6() == v6);
            range.map(|r| r.gateway.to_string()).unwrap_or_default()
        };
        ensure!(
            addresses.len() == 2,
            "two families were expected: {addresses:?}"
        );
        Ok(Self {
            host: (host, text(&link[0]["address"])),
            inside: ("eth0".to_owned(), text(&eth0["address"])),
            sandbox: pod.ns.path().display().to_string(),
            ips: addresses.iter().map(|a| (a.clone(), gateway(a))).collect(),
        })
    }

    /// The whole result that a version prescribes.
    fn expected(&self, version: &str, dns: &Value) -> Value {
        let (v4, v6) = (&self.ips[0], &self.ips[1]);
        if version < "0.3.0" {
            let half = |ip: &(String, String), all: &str| json!({"ip": ip.0, "gateway": ip.1, "routes": [{"dst": all, "gw": ip.1}]});
            return json!({"cniVersion": version, "ip4": half(v4, "0.0.0.0/0"),
                          "ip6": half(v6, "::/0"), "dns": dns});
        }
        let ip = |ip: &(String, String), family: &str| {
            let mut entry = json!({"address": ip.0, "gateway": ip.1, "interface": 1});
            if version < "1.0.0" {
                entry["version"] = json!(family);
            }
            entry
        };
        let mut host = json!({"name": self.host.0, "mac": self.host.1});
        let mut inside =
            json!({"name": self.inside.0, "mac": self.inside.1, "sandbox": self.sandbox});
        if version >= "1.1.0" {
            host["mtu"] = json!(1500);
            inside["mtu"] = json!(1500);
        }
        json!({
            "cniVersion": version,
            "interfaces": [host, inside],
            "ips": [ip(v4, "4"), ip(v6, "6")],
            "routes": [{"dst": "0.0.0.0/0", "gw": v4.1}, {"dst": "::/0", "gw": v6.1}],
            "dns": dns,
        })
    }
}

pub(super) fn every_form(lab: &LabGuard) -> Result<()> {
    let dns = json!({"nameservers": ["10.96.0.10", "fd10:96::a"], "domain": "cluster.local",
                     "search": ["svc.cluster.local"], "options": ["ndots:5"]});
    for (node, network) in [("idc1", "web"), ("vpc1", "cloud")] {
        let rig = Rig::new(lab, node, network)?;
        let before = Snapshot::take(&rig)?;
        for version in VERSIONS.iter().copied().chain([""]) {
            let in_version = |call: Call| {
                call.key("cniVersion", json!(version))
                    .key("dns", dns.clone())
            };
            let mut pod = rig.attach_with("forms", in_version)?;
            let answered = if version.is_empty() { "0.1.0" } else { version };
            let expected = Made::of(&rig, &pod)?.expected(answered, &dns);
            let got = &pod.attached.result;
            ensure!(
                *got == expected,
                "version {version:?} on {node}: {got}, not {expected}"
            );
            in_version(pod.attached.call("DEL")).run()?.ok()?;
            pod.attached.forget();
        }
        rig.same_as(&before)?;
    }
    Ok(())
}

pub(super) fn prev_result(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    for version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let mut earlier = json!({
            "cniVersion": version,
            "interfaces": [{"name": "dummy0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}],
            "ips": [{"address": "192.0.2.7/24", "gateway": "192.0.2.1", "interface": 0}],
            "routes": [{"dst": "198.51.100.0/24", "gw": "192.0.2.1"}],
            "dns": {"nameservers": ["192.0.2.53"]},
        });
        if version < "1.0.0" {
            earlier["ips"][0]["version"] = json!("4");
        }
        if version == "1.1.0" {
            earlier["interfaces"][0]["mtu"] = json!(1400);
            earlier["interfaces"][0]["socketPath"] = json!("/run/x.sock");
            earlier["interfaces"][0]["pciID"] = json!("0000:00:1f.6");
            earlier["routes"][0]["mtu"] = json!(1300);
            earlier["routes"][0]["table"] = json!(77);
            earlier["routes"][0]["scope"] = json!(0);
            earlier["routes"][0]["priority"] = json!(5);
            earlier["routes"][0]["advmss"] = json!(1200);
        }
        let pod = rig.attach_with("prev", |call| {
            call.key("cniVersion", json!(version))
                .key("prevResult", earlier.clone())
        })?;
        let result = &pod.attached.result;
        for list in ["interfaces", "ips", "routes"] {
            let (got, wanted) = (&result[list][0], &earlier[list][0]);
            ensure!(
                got == wanted,
                "{version}: {list} begins with {got}, not with {wanted}"
            );
        }
        ensure!(
            result["dns"] == earlier["dns"],
            "{version}: dns is {}",
            result["dns"]
        );
        ensure!(
            result["interfaces"][2]["name"] == "eth0",
            "{version}: {result}"
        );
        let indices: Vec<&Value> = result["ips"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|ip| &ip["interface"])
            .collect();
        ensure!(
            indices == [&json!(0), &json!(2), &json!(2)],
            "{version}: {result}"
        );
        if version >= "0.4.0" {
            let answer = pod.attached.call("CHECK").key("cniVersion", json!(version));
            answer
                .key("prevResult", result.clone())
                .run()?
                .ok()
                .context(version)?;
        }
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
