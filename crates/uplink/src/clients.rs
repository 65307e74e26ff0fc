//! Who else configures the NIC: DHCP clients and network managers, by what runs.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// ISC's DHCP client.
    Dhclient,
    /// dhcpcd.
    Dhcpcd,
    /// busybox's DHCP client.
    Udhcpc,
    /// systemd-networkd.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

/// Which devices it configures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// This one.
    Device(String),
    /// Every one that it finds.
    All,
}

/// A process that configures a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// What it is.
    pub kind: ClientKind,
    /// Process ID, where a process was found.
    pub pid: Option<i32>,
    /// Its command line.
    pub argv: Vec<String>,
    /// Which devices it configures.
    pub scope: Scope,
    /// Whether it renews a lease of the device: always for a DHCP client.
    pub leases: bool,
    /// What a manager calls its configuration of the device: the file of systemd-networkd, the
    /// UUID of NetworkManager's connection.
    pub profile: Option<String>,
}

/// What a device bears, for commands that are to keep it.
#[derive(Debug, Clone, Copy)]
pub struct Borne<'a> {
    /// The uplink: a NIC, a bond or an 802.1Q interface, by the kernel's name.
    pub device: &'a str,
    /// Its addresses that are no link-local ones.
    pub addresses: &'a [IpNetwork],
    /// The next hops of its default routes.
    pub gateways: &'a [IpAddr],
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            ClientKind::Dhclient => "dhclient",
            ClientKind::Dhcpcd => "dhcpcd",
            ClientKind::Udhcpc => "udhcpc",
            ClientKind::Networkd => "systemd-networkd",
            ClientKind::NetworkManager => "NetworkManager",
        };
        f.write_str(name)?;
        self.pid.map_or(Ok(()), |pid| write!(f, " (process {pid})"))
    }
}

impl Client {
    /// The command that makes it leave `device` alone until the next boot.
    pub fn command(&self, device: &str) -> String {
        match self.kind {
            ClientKind::Dhclient | ClientKind::Udhcpc => {
                format!("kill {}", self.pid.unwrap_or_default())
            }
            // Of one that serves every device, a device cannot be taken.
            ClientKind::Dhcpcd if self.scope == Scope::All => {
                format!("dhcpcd{} -p -x", self.family())
            }
            ClientKind::Dhcpcd => format!("dhcpcd{} -p -x {device}", self.family()),
            ClientKind::Networkd => format!(
                "printf '{}' > {} && networkctl reload",
                unmanaged(device).replace('\n', "\\n"),
                unmanaged_file(device)
            ),
            ClientKind::NetworkManager => format!("nmcli device set {device} managed no"),
        }
    }

    /// The option of a dhcpcd that serves one family alone: it finds another one's process else.
    fn family(&self) -> &'static str {
        let title = self.argv.join(" ");
        match (title.contains("[ip4]"), title.contains("[ip6]")) {
            (true, false) => " -4",
            (false, true) => " -6",
            _ => "",
        }
    }

    /// What is to be done so that the addresses it leases stay when it leaves the device: a move
    /// is possible then.
    pub fn way_out(&self, borne: &Borne<'_>) -> String {
        let Borne {
            device,
            addresses,
            gateways,
        } = *borne;
        let list = |items: Vec<String>, between: &str| items.join(between);
        let leased = addresses.iter().filter(|a| a.is_ipv4());
        let kept = list(leased.map(|a| for_good(device, *a)).collect(), " && ");
        let stay = "; see that nobody else is given that address, and make it static before the \
                    next boot";
        match self.kind {
            ClientKind::Dhclient => format!(
                "have it serve {device} alone, and the move takes it along with its lease: \
                 `kill {} && dhclient {device}`",
                self.pid.unwrap_or_default()
            ),
            // What it configured has no end.
            ClientKind::Udhcpc => format!("`{}`{stay}", self.command(device)),
            ClientKind::Dhcpcd => format!("`{}; {kept}`{stay}", self.command(device)),
            ClientKind::Networkd => {
                let lines = addresses
                    .iter()
                    .map(|a| format!("Address={a}"))
                    .chain(gateways.iter().map(|g| format!("Gateway={g}")));
                let file = self.profile.as_deref().unwrap_or("50-static.network");
                let name = file.rsplit('/').next().unwrap_or(file);
                format!(
                    "make its addresses static: `mkdir -p /etc/systemd/network/{name}.d && printf \
                     '[Network]\\nDHCP=no\\n{}\\n' > /etc/systemd/network/{name}.d/static.conf \
                     && networkctl reload`, and see that nobody else is given them",
                    list(lines.collect(), "\\n")
                )
            }
            ClientKind::NetworkManager => {
                let of = |v4: bool| {
                    let nets = addresses.iter().filter(|a| a.is_ipv4() == v4);
                    list(nets.map(ToString::to_string).collect(), ",")
                };
                let via = gateways.iter().find(|g| g.is_ipv4());
                let via = via
                    .map(|g| format!(" ipv4.gateway {g}"))
                    .unwrap_or_default();
                let profile = self.profile.as_deref().unwrap_or(device);
                format!(
                    "make its addresses static: `nmcli connection modify {profile} ipv4.method \
                     manual ipv4.addresses {}{via} && nmcli connection up {profile}`, and see \
                     that nobody else is given them",
                    of(true)
                )
            }
        }
    }
}

/// The command that gives an address of a device no end.
pub(crate) fn for_good(device: &str, address: IpNetwork) -> String {
    format!("ip address change {address} dev {device} valid_lft forever preferred_lft forever")
}

/// systemd-networkd's configuration of devices that it is to leave alone.
pub(crate) fn unmanaged(names: &str) -> String {
    format!("[Match]\nName={names}\n\n[Link]\nUnmanaged=yes\n")
}

/// Its file, which comes before all others.
pub(crate) fn unmanaged_file(device: &str) -> String {
    format!("/run/systemd/network/00-flatnet-{device}.network")
}

/// The clients that configure `device` (of that index) in the network namespace of the caller.
///
/// A DHCP client counts if the device is on its command line, or no device is; a manager if it
/// runs and its state below `run` (`/run`) says that it manages the device.
pub fn look_for_clients(proc: &Path, run: &Path, device: &str, ifindex: u32) -> Vec<Client> {
    let Ok(own) = fs::read_link(proc.join("self/ns/net")) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(proc) else {
        return Vec::new();
    };
    let mut found: Vec<Client> = entries
        .filter_map(Result::ok)
        .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| fs::read_link(proc.join(format!("{pid}/ns/net"))).is_ok_and(|ns| ns == own))
        .filter_map(|pid| {
            let line = fs::read(proc.join(format!("{pid}/cmdline"))).ok()?;
            let argv: Vec<String> = line
                .split(|b| *b == 0)
                .filter(|a| !a.is_empty())
                .map(|a| String::from_utf8_lossy(a).into_owned())
                .collect();
            client(pid, argv, device)
        })
        .filter_map(|c| with_state(c, run, ifindex))
        .collect();
    // The processes of one dhcpcd: who serves all names no device, its helpers may.
    let all = |c: &Client| c.kind == ClientKind::Dhcpcd && c.scope == Scope::All;
    if let Some(one) = found.iter().find(|c| all(c)).cloned() {
        found.retain(|c| c.kind != ClientKind::Dhcpcd);
        found.push(one);
    }
    found.sort_by_key(|c| c.pid);
    found.dedup_by_key(|c| {
        (c.kind == ClientKind::Dhcpcd)
            .then(|| c.scope.clone())
            .ok_or(c.pid)
    });
    found
}

/// A process by its command line, if it configures the device.
fn client(pid: i32, argv: Vec<String>, device: &str) -> Option<Client> {
    // dhcpcd writes what it serves over its command line, in one word: `dhcpcd: eth0 [ip4]`.
    let title: Vec<String> = match argv.as_slice() {
        [title] if title.starts_with("dhcpcd: ") => {
            title.split_whitespace().map(str::to_owned).collect()
        }
        _ => argv.clone(),
    };
    let program = Path::new(title.first()?).file_name()?.to_str()?;
    let kind = match program {
        "dhclient" => ClientKind::Dhclient,
        "dhcpcd" | "dhcpcd:" => ClientKind::Dhcpcd,
        "udhcpc" | "udhcpc6" => ClientKind::Udhcpc,
        "systemd-networkd" => ClientKind::Networkd,
        "NetworkManager" => ClientKind::NetworkManager,
        _ => return None,
    };
    let scope = match kind {
        ClientKind::Networkd | ClientKind::NetworkManager => Scope::All,
        _ => {
            let names = device_words(&title);
            if names.contains(&device) {
                Scope::Device(device.to_owned())
            } else if names.is_empty() {
                Scope::All
            } else {
                return None;
            }
        }
    };
    Some(Client {
        kind,
        pid: Some(pid),
        argv,
        scope,
        leases: !matches!(kind, ClientKind::Networkd | ClientKind::NetworkManager),
        profile: None,
    })
}

/// The words of a DHCP client's command line that may be devices: no options, no values of
/// options, no paths.
fn device_words(argv: &[String]) -> Vec<&str> {
    const WITH_VALUE: [&str; 12] = [
        "-pf", "-lf", "-cf", "-sf", "-df", "-p", "-s", "-g", "-e", "-D", "-V", "-timeout",
    ];
    let mut words = Vec::new();
    let mut skip = false;
    for word in argv.iter().skip(1).flat_map(|a| a.split_whitespace()) {
        if skip {
            skip = false;
        } else if word.starts_with('-') {
            skip = WITH_VALUE.contains(&word);
        } else if !word.contains(['/', '[', ']']) {
            words.push(word);
        }
    }
    words
}

/// The same with what a manager's state says of the device; `None` if it does not manage it.
fn with_state(mut client: Client, run: &Path, ifindex: u32) -> Option<Client> {
    let read = |path: String| fs::read_to_string(run.join(path)).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let found = text.lines().find_map(|l| l.strip_prefix(key));
        found.map(str::to_owned)
    };
    match client.kind {
        ClientKind::Networkd => {
            let state = read(format!("systemd/netif/links/{ifindex}"));
            let admin = value(&state, "ADMIN_STATE=")?;
            if matches!(admin.as_str(), "unmanaged" | "initialized" | "pending") {
                return None;
            }
            client.profile = value(&state, "NETWORK_FILE=");
            client.leases = value(&state, "DHCP_LEASE=").is_some();
        }
        ClientKind::NetworkManager => {
            let state = read(format!("NetworkManager/devices/{ifindex}"));
            client.profile = value(&state, "connection-uuid=");
            let managed = matches!(value(&state, "managed=").as_deref(), Some("1" | "true"));
            if !managed && client.profile.is_none() {
                return None;
            }
            client.leases = state.lines().any(|l| l == "[dhcp4]");
        }
        ClientKind::Dhclient | ClientKind::Dhcpcd | ClientKind::Udhcpc => {}
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Client> {
        client(5, line.split(' ').map(str::to_owned).collect(), "eth0")
    }

    #[test]
    fn a_dhcp_client_is_known_by_the_device_on_its_command_line() {
        let line = "/sbin/dhclient -4 -v -i -pf /run/dhclient.eth0.pid -lf /var/lib/dhcp/x eth0";
        assert_eq!(
            of(line).map(|c| c.scope),
            Some(Scope::Device("eth0".into()))
        );
        assert_eq!(of("dhclient -4 eth1"), None);
        assert_eq!(
            client(5, vec!["dhcpcd: eth0 [ip4]".to_owned()], "eth0").map(|c| c.kind),
            Some(ClientKind::Dhcpcd)
        );
        let other = client(5, vec!["dhcpcd: eth1 [ip4]".to_owned()], "eth0");
        assert_eq!(other, None);
        assert_eq!(of("dhcpcd -b").map(|c| c.scope), Some(Scope::All));
        assert_eq!(of("bash eth0"), None);
    }

    #[test]
    fn a_manager_counts_only_where_its_state_says_that_it_manages_the_device() {
        let dir = tempfile::tempdir().expect("a directory");
        let links = dir.path().join("systemd/netif/links");
        fs::create_dir_all(&links).expect("made");
        let networkd = of("/lib/systemd/systemd-networkd").expect("it is known");
        let seen = |text: &str| {
            fs::write(links.join("2"), text).expect("written");
            with_state(networkd.clone(), dir.path(), 2)
        };
        assert_eq!(seen("# x\nADMIN_STATE=unmanaged\n"), None);
        let found = seen("ADMIN_STATE=configured\nNETWORK_FILE=/run/x.network\n");
        let found = found.expect("it manages");
        assert_eq!(found.profile.as_deref(), Some("/run/x.network"));
        assert!(!found.leases);
        let found = seen("ADMIN_STATE=configured\nDHCP_LEASE=/run/systemd/netif/leases/2\n");
        assert!(found.expect("it manages").leases);
        let manager = of("/usr/sbin/NetworkManager -n").expect("it is known");
        assert_eq!(with_state(manager.clone(), dir.path(), 2), None);
        let devices = dir.path().join("NetworkManager/devices");
        fs::create_dir_all(&devices).expect("made");
        fs::write(devices.join("2"), "[device]\nmanaged=true\n\n[dhcp4]\n").expect("written");
        assert!(
            with_state(manager, dir.path(), 2)
                .expect("it manages")
                .leases
        );
    }

    #[test]
    fn a_lease_is_made_an_address_for_good_by_the_command_that_is_told() {
        let addresses = ["10.0.0.5/24".parse().expect("a prefix")];
        let gateways = ["10.0.0.1".parse().expect("an address")];
        let borne = Borne {
            device: "eth0",
            addresses: &addresses,
            gateways: &gateways,
        };
        let mut networkd = of("systemd-networkd").expect("known");
        networkd.profile = Some("/etc/systemd/network/50-lan.network".to_owned());
        let text = networkd.way_out(&borne);
        assert!(
            text.contains(
                "printf '[Network]\\nDHCP=no\\nAddress=10.0.0.5/24\\nGateway=10.0.0.1\\n' > \
                 /etc/systemd/network/50-lan.network.d/static.conf"
            ),
            "{text}"
        );
        let text = of("dhcpcd: eth0 [ip4]").expect("known").way_out(&borne);
        assert!(
            text.starts_with(
                "`dhcpcd -4 -p -x eth0; ip address change 10.0.0.5/24 dev eth0 valid_lft forever \
                 preferred_lft forever`"
            ),
            "{text}"
        );
        let text = of("dhcpcd: [manager] [ip4]")
            .expect("known")
            .command("eth0");
        assert_eq!(text, "dhcpcd -4 -p -x");
    }
}
