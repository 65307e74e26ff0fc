//! The writers: what they are configured by, how they start, and how they wake.

use super::INTERFACES;
use super::stage::{Wake, Writer};

/// The cable is pulled and plugged in at the router's end.
const FLAP: Wake = Wake {
    shown: "the cable is pulled and plugged in",
    router: &[
        "ip link set down0 down",
        "ip link set down0 up",
        // The kernel takes it off a link that is down.
        "ip -6 address add fd00::1/64 dev down0 nodad",
    ],
    ..Wake::QUIET
};
/// Somebody takes the NIC down: netd sets it up again.
const DOWN: Wake = Wake {
    shown: "ip link set eth0 down; ip link set eth0 up",
    host: &["ip link set eth0 down", "ip link set eth0 up"],
    ..Wake::QUIET
};

/// dhclient takes no shorter lease than the router's; it renews it sooner.
const SOON: (&str, &str) = (
    "/etc/dhcp/dhclient.conf",
    "supersede dhcp-renewal-time 5;\n",
);
const LEASED: &str = "auto lo\niface lo inet loopback\n\niface eth0 inet dhcp\n";
const STATIC: &str = "\
auto lo
iface lo inet loopback

iface eth0 inet static
    address 10.0.0.5/24
    gateway 10.0.0.1

iface eth0 inet6 static
    address fd00::5/64
    gateway fd00::1
    accept_ra 0
";

pub(super) const IFUPDOWN_DHCLIENT: Writer = Writer {
    files: &[(INTERFACES, LEASED), SOON],
    begin: &["ifup eth0"],
    renews: true,
    client: true,
    dry_run: "dhclient",
    wakes: &[
        FLAP,
        Wake {
            shown: "ifup --force eth0",
            host: &["ifup --force eth0"],
            comes_back: true,
            named: &["dhclient (process"],
            ..Wake::QUIET
        },
    ],
    again: &["pgrep -f 'dhclient.* eth0$'"],
    ..Writer::NONE
};

pub(super) const DHCLIENT: Writer = Writer {
    files: &[SOON],
    begin: &["ip link set eth0 up", "dhclient"],
    renews: true,
    client: true,
    refused: Some("dhclient (process"),
    dry_run: "dhclient eth0",
    wakes: &[FLAP],
    again: &["pgrep -f 'dhclient eth0$'"],
    ..Writer::NONE
};

pub(super) const IFUPDOWN_STATIC: Writer = Writer {
    files: &[(INTERFACES, STATIC)],
    ipv6: true,
    begin: &["ifup eth0"],
    dry_run: "ifupdown",
    wakes: &[
        FLAP,
        DOWN,
        Wake {
            shown: "ifup --force eth0",
            host: &["ifup --force eth0"],
            comes_back: true,
            named: &["nobody who still runs"],
            ..Wake::QUIET
        },
    ],
    again: &["ifquery --state eth0"],
    ..Writer::NONE
};

const NETWORKD: &[&str] = &["/lib/systemd/systemd-networkd"];
const NETWORK: &str = "/etc/systemd/network/50-lan.network";
/// It is for every Ethernet link, as of an image for clouds: for flat0, too.
const NETWORK_STATIC: &str = "\
[Match]
Type=ether

[Network]
Address=10.0.0.5/24
Gateway=10.0.0.1
Address=fd00::5/64
Gateway=fd00::1
";
const NETWORK_LEASED: &str = "[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\n";
const RELOAD: Wake = Wake {
    shown: "networkctl reload",
    host: &["networkctl reload"],
    ..Wake::QUIET
};
const RECONFIGURE: Wake = Wake {
    shown: "networkctl reconfigure eth0",
    host: &["networkctl reconfigure eth0"],
    ..Wake::QUIET
};
const RESTART_NETWORKD: Wake = Wake {
    shown: "systemd-networkd is restarted",
    restart: true,
    until: "networkctl --no-pager list eth0 | grep -q unmanaged",
    ..Wake::QUIET
};

pub(super) const NETWORKD_STATIC: Writer = Writer {
    files: &[(NETWORK, NETWORK_STATIC)],
    ipv6: true,
    daemon: NETWORKD,
    dry_run: "networkctl reload",
    wakes: &[FLAP, DOWN, RELOAD, RECONFIGURE, RESTART_NETWORKD],
    again: &["networkctl --no-pager list eth0 | grep -q configured"],
    ..Writer::NONE
};

pub(super) const NETWORKD_DHCP: Writer = Writer {
    files: &[(NETWORK, NETWORK_LEASED)],
    daemon: NETWORKD,
    refused: Some("systemd-networkd (process"),
    dry_run: "networkctl reload",
    wakes: &[FLAP, RECONFIGURE, RESTART_NETWORKD],
    again: &["networkctl --no-pager list eth0 | grep -q configured"],
    ..Writer::NONE
};

const MANAGER: &[&str] = &["/usr/sbin/NetworkManager", "--debug"];
const CONNECTION: &str = "/etc/NetworkManager/system-connections/lan.nmconnection";
const CONNECTION_STATIC: &str = "\
[connection]
id=lan
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=10.0.0.5/24,10.0.0.1

[ipv6]
method=manual
address1=fd00::5/64,fd00::1
";
const CONNECTION_LEASED: &str = "\
[connection]
id=lan
type=ethernet
interface-name=eth0

[ipv4]
method=auto

[ipv6]
method=link-local
";
const REAPPLY: Wake = Wake {
    shown: "nmcli device reapply eth0",
    // It refuses: the device is not active.
    host: &["! nmcli device reapply eth0"],
    ..Wake::QUIET
};
const UP: Wake = Wake {
    shown: "nmcli connection up lan",
    host: &["nmcli connection up lan"],
    comes_back: true,
    named: &["NetworkManager (process"],
    ..Wake::QUIET
};
const RESTART_MANAGER: Wake = Wake {
    shown: "NetworkManager is restarted",
    restart: true,
    until: "nmcli -t -f DEVICE,STATE device | grep -q eth0:unmanaged",
    ..Wake::QUIET
};

pub(super) const MANAGER_STATIC: Writer = Writer {
    files: &[(CONNECTION, CONNECTION_STATIC)],
    ipv6: true,
    daemon: MANAGER,
    dry_run: "nmcli device set eth0 managed no",
    wakes: &[FLAP, DOWN, REAPPLY, RESTART_MANAGER, UP],
    again: &["nmcli -t -f DEVICE,STATE device | grep -q eth0:connected"],
    ..Writer::NONE
};

pub(super) const MANAGER_DHCP: Writer = Writer {
    files: &[(CONNECTION, CONNECTION_LEASED)],
    daemon: MANAGER,
    refused: Some("NetworkManager (process"),
    dry_run: "nmcli device set eth0 managed no",
    wakes: &[FLAP, RESTART_MANAGER, UP],
    again: &["nmcli -t -f DEVICE,STATE device | grep -q eth0:connected"],
    ..Writer::NONE
};

/// As the package makes it: with it, dhcpcd is several processes.
const DHCPCD_USER: &str =
    "id dhcpcd || useradd --system --create-home --home-dir /usr/lib/dhcpcd dhcpcd";
/// Starts it as an administrator would after a rollback. One that was told to end may linger longer
/// than its own `-x` waits, and may or may not ask for its lease again.
macro_rules! restarted {
    ($start:literal) => {
        concat!(
            "kill $(pgrep dhcpcd) 2>/dev/null; ",
            "timeout 30 sh -c 'while pgrep dhcpcd; do sleep 0.2; done' >/dev/null; ",
            $start
        )
    };
}
const DHCPCD_AGAIN: Wake = Wake {
    shown: "dhcpcd -b -4 eth0",
    host: &["dhcpcd -b -4 eth0"],
    asks: true,
    named: &["dhcpcd (process"],
    ..Wake::QUIET
};

pub(super) const DHCPCD: Writer = Writer {
    begin: &[DHCPCD_USER, "ip link set eth0 up", "dhcpcd -4 eth0"],
    client: true,
    refused: Some("dhcpcd (process"),
    dry_run: "ip address add 10.0.0.5/24",
    wakes: &[FLAP, DHCPCD_AGAIN],
    resume: restarted!("dhcpcd -4 eth0"),
    again: &["pgrep dhcpcd"],
    ..Writer::NONE
};

pub(super) const DHCPCD_ALL: Writer = Writer {
    begin: &[DHCPCD_USER, "ip link set eth0 up", "dhcpcd"],
    client: true,
    refused: Some("dhcpcd (process"),
    dry_run: "ip address add 10.0.0.5/24",
    wakes: &[FLAP, DHCPCD_AGAIN],
    resume: restarted!("dhcpcd"),
    again: &["pgrep dhcpcd"],
    ..Writer::NONE
};

pub(super) const UDHCPC: Writer = Writer {
    begin: &["ip link set eth0 up", "udhcpc -b -i eth0"],
    client: true,
    refused: Some("udhcpc (process"),
    dry_run: "ip address add 10.0.0.5/24",
    wakes: &[
        FLAP,
        Wake {
            shown: "udhcpc -b -i eth0",
            host: &["udhcpc -b -t 2 -T 1 -A 2 -i eth0"],
            asks: true,
            named: &["udhcpc (process"],
            ..Wake::QUIET
        },
    ],
    resume: "pgrep udhcpc || udhcpc -b -i eth0",
    again: &["pgrep udhcpc"],
    ..Writer::NONE
};
