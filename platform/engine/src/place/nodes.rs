//! Which nodes of a group: a prediction of what the scheduler does with the spread that is asked of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use flatnet_platform_types::kinds::{Resources, Spread};

use super::Node;

/// The order of nodes: on the switch, on the host, room (more first), the place in the list.
type Key = (u32, u32, Reverse<u32>, usize);

/// `count` instances on nodes: those on the least used switch first, then on the least used host, then where most is
/// free. Each node that has one, with how many.
pub(super) fn chosen(
    nodes: &[Node],
    size: &Resources,
    count: u32,
    spread: Spread,
) -> Vec<(String, u32)> {
    // A node without a known switch is alone behind its own.
    let switch = |i: usize| nodes[i].switch.as_deref().unwrap_or(&nodes[i].name);
    let mut on_switch: BTreeMap<&str, u32> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        *on_switch.entry(switch(i)).or_default() += node.present;
    }
    let mut placed = vec![0_u32; nodes.len()];
    let rooms: Vec<u32> = nodes.iter().map(|n| n.room(size)).collect();
    let key = |i: usize, placed: &[u32], on_switch: &BTreeMap<&str, u32>| -> Key {
        let here = nodes[i].present + placed[i];
        let room = rooms[i] - placed[i];
        match spread {
            Spread::Switch => (on_switch[switch(i)], here, Reverse(room), i),
            Spread::Host => (0, here, Reverse(room), i),
            Spread::Pack => (0, 0, Reverse(u32::MAX - room), i),
        }
    };
    let mut heap: BinaryHeap<Reverse<Key>> = (0..nodes.len())
        .filter(|&i| rooms[i] > 0)
        .map(|i| Reverse(key(i, &placed, &on_switch)))
        .collect();
    let mut left = count;
    while left > 0 {
        let Some(Reverse(top)) = heap.pop() else {
            break;
        };
        let i = top.3;
        let now = key(i, &placed, &on_switch);
        if now != top {
            // Another node of its switch was chosen meanwhile.
            heap.push(Reverse(now));
            continue;
        }
        placed[i] += 1;
        left -= 1;
        *on_switch.entry(switch(i)).or_default() += 1;
        if placed[i] < rooms[i] {
            heap.push(Reverse(key(i, &placed, &on_switch)));
        }
    }
    let chosen = nodes.iter().zip(placed).filter(|(_, n)| *n > 0);
    chosen.map(|(node, n)| (node.name.clone(), n)).collect()
}
