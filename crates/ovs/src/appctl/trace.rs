//! What `ofproto/trace --names` says: the flows that a packet meets, and where it leaves.

/// A packet's way through a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The flows that it meets, in its order.
    pub flows: Vec<MetFlow>,
    /// Where it leaves.
    pub outputs: Vec<Output>,
}

/// A flow that a packet meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetFlow {
    /// Number of its table, 0 to 253.
    pub table: u8,
    /// Its match and priority; `No match.` where the table has none for the packet.
    pub flow: String,
    /// Its cookie, where it has one.
    pub cookie: Option<u64>,
}

/// A way out of the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The port's name.
    pub port: String,
    /// The VLAN tag that the packet bears there.
    pub vlan: Option<u16>,
}

/// Reads the text; `vlan` is the tag that the packet came with. `None`: it is no such text.
pub fn parse(text: &str, vlan: Option<u16>) -> Option<Trace> {
    let actions = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("Datapath actions: "))?;
    Some(Trace {
        flows: text.lines().filter_map(met).collect(),
        outputs: outputs(actions, vlan),
    })
}

/// ` 0. in_port=a0, priority 100, cookie 0x464e000000000007`
fn met(line: &str) -> Option<MetFlow> {
    let (table, flow) = line.split_once(". ")?;
    let table = table.trim_start().parse().ok()?;
    let (flow, cookie) = match flow.rsplit_once(", cookie 0x") {
        Some((flow, digits)) => (flow, u64::from_str_radix(digits.trim(), 16).ok()),
        None => (flow, None),
    };
    Some(MetFlow {
        table,
        flow: flow.trim().to_owned(),
        cookie,
    })
}

/// `set(eth(src=…)),push_vlan(vid=100,pcp=0),e0`
fn outputs(actions: &str, mut vlan: Option<u16>) -> Vec<Output> {
    let mut found = Vec::new();
    for action in top_level(actions) {
        if let Some(fields) = action.strip_prefix("push_vlan(") {
            vlan = vid(fields);
        } else if action == "pop_vlan" {
            vlan = None;
        } else if !action.is_empty() && action != "drop" && !action.contains('(') {
            found.push(Output {
                port: action.to_owned(),
                vlan,
            });
        }
    }
    found
}

fn vid(fields: &str) -> Option<u16> {
    let fields = fields.trim_end_matches(')').split(',');
    let mut ids = fields.filter_map(|f| f.strip_prefix("vid="));
    ids.next()?.parse().ok()
}

/// The actions, cut at the commas that are in no parentheses.
fn top_level(actions: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, c) in actions.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(actions[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(actions[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Open vSwitch 3.1.
    const OUT: &str = "Flow: icmp,in_port=a0,vlan_tci=0x0000,dl_src=0a:00:00:00:00:01\n\n\
        bridge(\"br-flat\")\n-----------------\n \
        0. in_port=a0,vlan_tci=0x0000/0x1fff, priority 100, cookie 0x464e000000000007\n    \
        set_field:0x64->reg0\n    goto_table:1\n \
        5. reg0=0x64, priority 50, cookie 0x464e000000000000\n    output:e0\n\n\
        Final flow: icmp,reg0=0x64\nMegaflow: recirc_id=0,eth,ip\n\
        Datapath actions: set(eth(src=02:00:00:00:00:09)),push_vlan(vid=100,pcp=0),e0\n";
    const DROP: &str = "Flow: tcp\n\nbridge(\"br-flat\")\n---\n 0. No match.\n    drop\n\n\
        Final flow: unchanged\nDatapath actions: drop\n";
    const IN: &str = "Flow: tcp\n 6. ip,reg0=0x64, priority 90, cookie 0x7\n\
        Datapath actions: set(eth(dst=0a:00:00:00:00:01)),pop_vlan,meter(3),fn7\n\
        This flow is handled by the userspace slow path because it:\n  - Uses action(s).\n";

    fn to(port: &str, vlan: Option<u16>) -> Vec<Output> {
        vec![Output {
            port: port.to_owned(),
            vlan,
        }]
    }

    #[test]
    fn the_flows_are_read_with_their_cookies() {
        let trace = parse(OUT, None).expect("a trace");
        let met: Vec<(u8, Option<u64>)> = trace.flows.iter().map(|f| (f.table, f.cookie)).collect();
        assert_eq!(
            met,
            [(0, Some(0x464e_0000_0000_0007)), (5, Some(0x464e << 48))]
        );
        assert_eq!(trace.flows[1].flow, "reg0=0x64, priority 50");
        assert_eq!(
            parse(DROP, None).expect("a trace").flows[0].flow,
            "No match."
        );
    }

    #[test]
    fn a_packet_leaves_with_the_tag_that_it_bears_then() {
        assert_eq!(
            parse(OUT, None).expect("a trace").outputs,
            to("e0", Some(100))
        );
        assert_eq!(
            parse(IN, Some(100)).expect("a trace").outputs,
            to("fn7", None)
        );
        assert_eq!(parse(DROP, Some(7)).expect("a trace").outputs, []);
        let both = "Datapath actions: e0,push_vlan(vid=9,pcp=0),fn8,clone(ct(commit),e1)";
        let both = parse(both, None).expect("a trace").outputs;
        assert_eq!(both, [to("e0", None), to("fn8", Some(9))].concat());
    }

    #[test]
    fn what_is_no_trace_is_none() {
        assert_eq!(parse("br-nope: unknown bridge\n", None), None);
    }
}
