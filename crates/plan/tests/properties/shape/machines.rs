//! The generated plan's machines and lines.

use std::fmt::Write as _;

use super::{Shape, when};

impl Shape {
    pub(super) fn groups(&self, t: &mut String) {
        if !self.groups.is_empty() || self.has.vpc_group {
            t.push_str("  hostGroups:\n");
        }
        for (g, count) in self.groups.iter().enumerate() {
            let racks = when(
                self.has.racks,
                "\n      hostsPerRack: 8\n      except: [1]\n      location: {room: r1, rack: \"{rack}\", unit: \"{unit:02}\"}\n      labels: {row: \"{rack}\"}",
            );
            let _ = writeln!(
                t,
                "    - name: group{g}
      site: idc
      hostName: \"g{g}-{{n:02}}\"
      count: {}{racks}
      addresses: [10.10.{}.10/{}{}]
      uplink: {}
      ranges:{}{}{}{}",
                count + u32::from(self.has.racks),
                g + 1,
                self.host_length().0,
                when(
                    self.has.v6,
                    format!(", \"fd10:10::{}:1/{}\"", g + 1, self.host_length().1)
                ),
                self.uplink(&format!("g{g}-{{n}}"), Some(g)),
                // ipamd cuts it; the rest is written out.
                when(
                    !self.has.cut,
                    format!(
                        "\n        - {{network: web, length: 26, from: 10.100.{}.0}}",
                        32 + 32 * g
                    )
                ),
                when(
                    self.has.v6,
                    format!(
                        "\n        - {{network: web, length: 112, from: \"fd10:100::{}000:0\"}}",
                        g + 1
                    )
                ),
                when(
                    self.has.second_vlan,
                    format!(
                        "\n        - {{network: db, length: 27, from: 10.112.{}.0}}",
                        32 + 32 * g
                    )
                ),
                when(self.has.cut && !self.has.v6 && !self.has.second_vlan, " []"),
            );
        }
        if self.has.vpc_group {
            let ranges = if self.has.sliced {
                "[]"
            } else {
                "[{network: cloud, length: 26, from: 172.30.64.0}]"
            };
            let _ = writeln!(
                t,
                "    - {{name: cloud, site: vpc, vSwitch: zone-a, hostName: \"c{{n}}\", count: 3, instanceId: \"i-c{{n}}\", \
                 addresses: [172.20.1.100/24], uplink: {{interface: eth0}}, ranges: {ranges}}}"
            );
        }
    }

    pub(super) fn hosts(&self, t: &mut String) {
        let has = &self.has;
        t.push_str("  hosts:\n");
        for i in 0..self.idc_hosts {
            let _ = writeln!(
                t,
                "    - name: idc{i}
      site: idc
      addresses: [10.10.0.{}/{}{}]
      uplink: {}
      ranges:
        - {{network: web, prefix: 10.100.{}.{}/26}}{}{}{}",
                11 + i,
                self.host_length().0,
                when(
                    has.v6,
                    format!(", \"fd10:10::{:x}/{}\"", 11 + i, self.host_length().1)
                ),
                self.uplink(&i.to_string(), None),
                16 + i / 4,
                i % 4 * 64,
                when(
                    has.v6,
                    format!(
                        "\n        - {{network: web, prefix: \"fd10:100::{:x}:0/112\"}}",
                        i + 1
                    )
                ),
                when(
                    has.second_pool,
                    format!(
                        "\n        - {{network: web, prefix: 10.107.16.{}/28}}",
                        i * 16
                    )
                ),
                when(
                    has.second_vlan,
                    format!(
                        "\n        - {{network: db, prefix: 10.112.16.{}/28}}",
                        i * 16
                    )
                ),
            );
        }
        for i in 0..self.vpc_hosts {
            let _ = writeln!(
                t,
                "    - name: vpc{i}
      site: vpc
      vSwitch: zone-a
      instanceId: i-{i}
      addresses: [172.20.1.{}/24{}]
      uplink: {{interface: eth0}}
      ranges: [{{network: cloud, prefix: 172.30.{i}.0/26}}{}]",
                11 + i,
                when(has.vpc_v6, format!(", \"fd20:0:1::{:x}/64\"", 11 + i)),
                when(
                    has.vpc_v6,
                    format!(
                        ", {{network: cloud, prefix: \"fd20:30::{:x}:0/112\"}}",
                        i + 1
                    )
                ),
            );
        }
        if has.second_vpc {
            t.push_str(
                "    - {name: far0, site: far, vSwitch: only, instanceId: i-far0, addresses: [172.24.1.10/24], uplink: {interface: eth0}, ranges: [{network: far, prefix: 172.31.0.0/26}]}\n",
            );
        }
    }

    pub(super) fn links(&self, t: &mut String) {
        let has = &self.has;
        let accept = when(
            has.accept,
            format!(
                "\n      accept: {{fromIdc: [{}{}], fromVpc: [{}{}]}}",
                if has.policy {
                    "10.96.0.0/11"
                } else {
                    "10.0.0.0/8"
                },
                when(
                    has.vpc_v6,
                    if has.policy {
                        ", \"fd10:100::/64\""
                    } else {
                        ", \"fd10::/16\""
                    }
                ),
                if has.policy {
                    "172.30.0.0/16"
                } else {
                    "172.16.0.0/12"
                },
                when(
                    has.vpc_v6,
                    if has.policy {
                        ", \"fd20:30::/64\""
                    } else {
                        ", \"fd20::/16\""
                    }
                ),
            ),
        );
        let _ = writeln!(
            t,
            "  links:
    - name: line1
      idc: idc
      vpc: vpc
      transfer: [{{prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2}}{}]
      vbr: {{id: vbr-1}}{accept}{}",
            when(
                has.vpc_v6,
                ", {prefix: \"fd10:255::/126\", idc: \"fd10:255::1\", vpc: \"fd10:255::2\"}"
            ),
            when(
                has.second_vpc,
                "\n    - {name: far, idc: idc, vpc: far, transfer: [{prefix: 10.255.0.4/30, idc: 10.255.0.5, vpc: 10.255.0.6}], vbr: {id: vbr-2}}",
            ),
        );
    }
}
