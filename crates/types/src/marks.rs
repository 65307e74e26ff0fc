//! The marks by which netd recognises its own routes, rows, flows and conntrack zones.

/// The protocol number of the routes that netd makes (`ip route show proto 94`), and of the
/// addresses of the host's port (`ip address show proto 94`, since Linux 5.18). Numbers of 4 and
/// above are free for user space (`linux/rtnetlink.h`); no routing daemon in `rt_protos` uses this
/// one.
pub const ROUTE_PROTOCOL: u8 = 94;

/// The key under a row's `external_ids` in Open vSwitch's database that names its owner.
pub const OWNER: &str = "flatnet-owner";
/// Value of [`OWNER`] in netd's rows.
pub const OWNER_NETD: &str = "netd";
/// The key under `external_ids` with the purpose of one of the node's own rows: `bridge`,
/// `host`, `uplink`.
pub const PURPOSE: &str = "flatnet-purpose";

/// Marks a flow as netd's: the upper 16 bits of its cookie, "FN". Below are the attachment's
/// generation, or 0 for the node's own flows.
pub const COOKIE_MARK: u64 = 0x464e << 48;
/// The bits of a cookie that hold [`COOKIE_MARK`].
pub const COOKIE_MARK_MASK: u64 = 0xffff << 48;

/// Conntrack zone of connections that the host forwards, in Open vSwitch's datapath. Zone 0 is the
/// kernel's.
pub const WAY_BACK_ZONE: u16 = 64_000;

/// The first conntrack zone of a container: zones from here to [`WAY_BACK_ZONE`] are netd's, one
/// for each slot of the store and that of [`WAY_BACK_ZONE`]. All others belong to other users of
/// the datapath.
pub const FIRST_ZONE: u16 = 32_768;

/// Conntrack zone of the container in `slot`, for its connections to services; `None` for slots
/// beyond [`WAY_BACK_ZONE`].
pub fn zone_of(slot: u16) -> Option<u16> {
    let zone = FIRST_ZONE.checked_add(slot);
    zone.filter(|zone| *zone < WAY_BACK_ZONE)
}

/// Whether a conntrack zone is netd's.
pub fn is_our_zone(zone: u16) -> bool {
    (FIRST_ZONE..=WAY_BACK_ZONE).contains(&zone)
}

/// Cookie of learned flows (ovs-actions(7), `learn`), "FL" in its upper 16 bits. Earlier releases
/// of netd used them for services, instead of conntrack. They expire by themselves; until then
/// their connections need them, so the reconciler keeps them.
pub const LEARNED_COOKIE: u64 = 0x464c << 48;

/// Whether the cookie is of a flow of netd, or of a learned flow of an earlier release.
pub fn is_ours(cookie: u64) -> bool {
    let mark = cookie & COOKIE_MARK_MASK;
    mark == COOKIE_MARK || mark == LEARNED_COOKIE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_ours_by_the_upper_bits_of_its_cookie() {
        assert_eq!((zone_of(0), zone_of(29_999)), (Some(32_768), Some(62_767)));
        assert_eq!((zone_of(31_232), zone_of(u16::MAX)), (None, None));
        assert!(is_our_zone(WAY_BACK_ZONE) && !is_our_zone(7));
        assert!(is_ours(COOKIE_MARK | 7) && is_ours(LEARNED_COOKIE));
        assert!(!is_ours(0) && !is_ours(7) && !is_ours(0x1234 << 48));
    }
}
