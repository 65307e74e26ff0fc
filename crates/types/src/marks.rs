//! The numbers by which netd knows its own work, and others know it as netd's.

/// The protocol number of the routes that netd makes (`ip route show proto 94`), and of the
/// addresses of the host's port (`ip address show proto 94`, since Linux 5.18). The numbers
/// of 4 and above are user space's to give (`linux/rtnetlink.h`); this one no routing daemon
/// in `rt_protos` uses.
pub const ROUTE_PROTOCOL: u8 = 94;

/// Marks a flow as netd's: the upper 16 bits of its cookie, "FN". Below are the attachment's
/// generation, or 0 for the node's own flows.
pub const COOKIE_MARK: u64 = 0x464e << 48;
/// The bits of a cookie that hold [`COOKIE_MARK`].
pub const COOKIE_MARK_MASK: u64 = 0xffff << 48;

/// The cookie of a flow that a packet taught the bridge, "FL" in its upper 16 bits: no flow of
/// an attachment, and none that a reconcile would miss or take away.
pub const LEARNED_COOKIE: u64 = 0x464c << 48;

/// Whether a flow with this cookie is netd's, or was learned by one of netd's.
pub fn is_ours(cookie: u64) -> bool {
    let mark = cookie & COOKIE_MARK_MASK;
    mark == COOKIE_MARK || mark == LEARNED_COOKIE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_ours_by_the_upper_bits_of_its_cookie() {
        assert!(is_ours(COOKIE_MARK | 7) && is_ours(LEARNED_COOKIE));
        assert!(!is_ours(0) && !is_ours(7) && !is_ours(0x1234 << 48));
    }
}
