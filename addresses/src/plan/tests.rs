//! A set through its life: pods come and go, leaders change, statuses are lost.

use flatnet_k8s_api::addresses::{
    Acknowledgement, AddressSetSpec, Family, Selector, Subscriber, SubscriberState,
};
use flatnet_k8s_client::{Key, Pod};
use proptest::prelude::*;

use super::*;

const LINGER: Duration = Duration::from_secs(10);

fn key(name: &str) -> Key {
    Key {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

fn labels(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), app.to_owned())])
}

fn pod(name: &str, app: &str, addresses: &[&str]) -> Pod {
    Pod {
        key: key(name),
        labels: labels(app),
        addresses: addresses
            .iter()
            .map(|a| a.parse().expect("an address"))
            .collect(),
        ended: false,
        host_network: false,
    }
}

fn set() -> Set {
    Set {
        key: key("web"),
        uid: "u".to_owned(),
        version: "1".to_owned(),
        spec_generation: Some(1),
        spec: AddressSetSpec {
            selector: Selector {
                match_labels: labels("web"),
                match_expressions: Vec::new(),
            },
            families: Vec::new(),
            on_missing: None,
            proceed_after_seconds: None,
            subscribers: Vec::new(),
        },
        status: AddressSetStatus::default(),
    }
}

fn now(seconds: u64) -> Now {
    Now {
        since_boot: Duration::from_secs(seconds),
        wall: Timestamp::from_second(i64::try_from(seconds).expect("small")).expect("a time"),
    }
}

/// A set, its pods, and the addressd that leads.
struct World {
    set: Set,
    pods: Pods,
    memory: Memory,
    leases: BTreeMap<String, SeenLease>,
}

impl World {
    fn new(pods: &[Pod]) -> Self {
        Self {
            set: set(),
            pods: Pods::of(pods.iter().cloned()),
            memory: Memory::default(),
            leases: BTreeMap::new(),
        }
    }

    /// Looks at the set, and writes what is to be said of it.
    fn look(&mut self, seconds: u64) -> Planned {
        let around = Surroundings {
            pods: &self.pods,
            leases: Some(&self.leases),
            linger: LINGER,
            now: now(seconds),
        };
        let planned = plan(&self.set, &around, &mut self.memory);
        let acknowledgements = std::mem::take(&mut self.set.status.acknowledgements);
        self.set.status = AddressSetStatus {
            acknowledgements,
            ..planned.status.clone()
        };
        let mut memory = self.memory.clone();
        let again = plan(&self.set, &around, &mut memory);
        assert!(
            !again.differs,
            "what was written is looked at again: {again:?}"
        );
        planned
    }

    fn generation(&mut self, seconds: u64) -> i64 {
        self.look(seconds).status.generation.expect("a generation")
    }

    fn acknowledge(&mut self, subscriber: &str, generation: i64) {
        let all = &mut self.set.status.acknowledgements;
        all.retain(|a| a.subscriber != subscriber);
        all.push(Acknowledgement {
            subscriber: subscriber.to_owned(),
            generation,
            at: Time(now(0).wall),
            targets: Vec::new(),
        });
    }
}

#[test]
fn a_set_without_pods_is_resolved_and_explicitly_empty() {
    let mut world = World::new(&[]);
    let status = world.look(1).status;
    assert_eq!(
        (status.generation, status.count, status.acknowledged),
        (Some(1), Some(0), Some(1))
    );
    assert_eq!(status.conditions[0].status, "True");
    assert_eq!(status.conditions[1].message, "there are no subscribers");
}

#[test]
fn only_pods_of_the_namespace_with_the_label_and_an_address_of_their_own_are_in_it() {
    let mut foreign = pod("b", "web", &["10.0.0.2"]);
    foreign.key.namespace = "bank".to_owned();
    let mut ended = pod("c", "web", &["10.0.0.3"]);
    ended.ended = true;
    let mut host = pod("d", "web", &["192.0.2.1"]);
    host.host_network = true;
    let pods = [
        pod("a", "web", &["fd00::1", "10.0.0.10", "10.0.0.9"]),
        foreign,
        ended,
        host,
        pod("e", "db", &["10.0.0.5"]),
        pod("f", "web", &[]),
    ];
    let mut world = World::new(&pods);
    let status = world.look(1).status;
    assert_eq!(status.addresses, ["10.0.0.9", "10.0.0.10", "fd00::1"]);
    assert_eq!(
        status.conditions[0].message,
        "3 pods, 1 of which have no address yet, 1 of which have their host's addresses, and are left out"
    );
    world.set.spec.families = vec![Family::IPv6];
    assert_eq!(world.look(2).status.addresses, ["fd00::1"]);
}

#[test]
fn the_generation_grows_with_the_addresses_and_with_nothing_else() {
    let mut world = World::new(&[pod("a", "web", &["10.0.0.1"])]);
    assert_eq!(world.generation(1), 1);
    // Another pod without an address, another label, another spec: the same addresses.
    world.pods.put(pod("b", "web", &[]));
    world.set.spec.on_missing = Some(OnMissing::Hold);
    world.set.spec_generation = Some(2);
    let planned = world.look(2);
    assert_eq!(
        (planned.status.generation, planned.differs),
        (Some(1), true)
    );
    assert_eq!(planned.status.changed, Some(Time(now(1).wall)));
    world.pods.put(pod("b", "web", &["10.0.0.2"]));
    assert_eq!(world.generation(3), 2);
}

#[test]
fn a_deleted_pods_address_stays_for_the_linger_and_not_where_another_has_it() {
    let pods = [
        pod("a", "web", &["10.0.0.1"]),
        pod("b", "web", &["10.0.0.2"]),
    ];
    let mut world = World::new(&pods);
    world.look(1);
    world.pods.remove(&key("a"));
    world.pods.remove(&key("b"));
    let planned = world.look(2);
    assert_eq!(
        (planned.status.generation, planned.next),
        (Some(1), Some(Duration::from_secs(12)))
    );
    // Whoever has the address now is a stranger.
    let mut stranger = pod("c", "bank", &["10.0.0.1"]);
    stranger.key.namespace = "bank".to_owned();
    world.pods.put(stranger);
    assert_eq!(world.look(3).status.addresses, ["10.0.0.2"]);
    // A new leader knows the published list only, and counts from when it looks first.
    world.memory = Memory::default();
    let planned = world.look(9);
    assert_eq!(
        (planned.status.count, planned.next),
        (Some(1), Some(Duration::from_secs(19)))
    );
    assert_eq!(world.look(18).status.count, Some(1));
    let planned = world.look(19);
    assert_eq!(
        (planned.status.generation, planned.status.count),
        (Some(3), Some(0))
    );
    assert_eq!(planned.next, None);
}

#[test]
fn a_pod_that_loses_the_label_is_out_at_once() {
    let mut world = World::new(&[pod("a", "web", &["10.0.0.1"])]);
    world.look(1);
    world.pods.put(pod("a", "drained", &["10.0.0.1"]));
    assert_eq!(world.look(2).status.count, Some(0));
}

#[test]
fn a_list_that_is_too_long_leaves_the_one_before_in_force() {
    let mut world = World::new(&[pod("a", "web", &["10.0.0.1"])]);
    world.look(1);
    for i in 0..MOST_ADDRESSES {
        let address = format!("10.1.{}.{}", i / 256, i % 256);
        world.pods.put(pod(&format!("p{i}"), "web", &[&address]));
    }
    let status = world.look(2).status;
    assert_eq!((status.generation, status.count), (Some(1), Some(1)));
    assert_eq!(
        (
            status.conditions[0].status.as_str(),
            status.conditions[0].reason.as_str()
        ),
        ("False", "TooManyAddresses")
    );
    world.pods.remove(&key("p0"));
    let status = world.look(3).status;
    assert_eq!(
        (status.generation, status.count.map(|c| c as usize)),
        (Some(2), Some(MOST_ADDRESSES))
    );
    let longest = serde_json_len(&status);
    assert!(longest < 1_500_000, "{longest}");
}

fn serde_json_len(status: &AddressSetStatus) -> usize {
    status.addresses.iter().map(|a| a.len() + 3).sum()
}

#[test]
fn a_status_that_was_taken_away_begins_beyond_what_was_acknowledged() {
    let mut world = World::new(&[pod("a", "web", &["10.0.0.1"])]);
    world.look(1);
    world.acknowledge("fw", 17);
    let acknowledgements = world.set.status.acknowledgements.clone();
    world.set.status = AddressSetStatus {
        acknowledgements,
        ..AddressSetStatus::default()
    };
    assert_eq!(world.generation(2), 18);
    // What is acknowledged beyond the newest generation moves nothing.
    world.acknowledge("fw", i64::MAX);
    world.pods.put(pod("b", "web", &["10.0.0.2"]));
    assert_eq!(world.generation(3), 19);
}

#[test]
fn subscribers_are_waited_for_named_and_passed_over() {
    let mut world = World::new(&[pod("a", "web", &["10.0.0.1"])]);
    world.set.spec.subscribers = vec![Subscriber {
        name: "fw".to_owned(),
        role: None,
        lease_seconds: Some(5),
    }];
    let planned = world.look(1);
    assert_eq!(
        (planned.status.acknowledged, planned.next),
        (Some(0), Some(Duration::from_secs(31)))
    );
    assert_eq!(planned.status.subscribers[0].state, SubscriberState::Absent);
    let seen = SeenLease {
        said: "1".to_owned(),
        at: Duration::from_secs(2),
    };
    world.leases.insert("fw".to_owned(), seen);
    world.acknowledge("fw", 1);
    let status = world.look(3).status;
    assert_eq!((status.acknowledged, status.missing.len()), (Some(1), 0));
    assert_eq!(status.conditions[1].reason, "Acknowledged");
    // It dies; the next generation waits for it, names it, and goes on without it.
    world.pods.put(pod("b", "web", &["10.0.0.2"]));
    let planned = world.look(8);
    assert_eq!(planned.status.acknowledged, Some(1));
    assert_eq!(planned.status.conditions[1].message, "waiting for fw");
    assert_eq!(
        (planned.status.missing.as_slice(), planned.next),
        (&["fw".to_owned()][..], Some(Duration::from_secs(37)))
    );
    let status = world.look(37).status;
    assert_eq!((status.acknowledged, status.generation), (Some(2), Some(2)));
    assert_eq!(status.conditions[1].reason, "PassedOver");
    assert!(
        status.conditions[1]
            .message
            .ends_with("not waited for any more: fw")
    );
}

/// What may happen to a set.
#[derive(Debug, Clone)]
enum Event {
    Put(u8, bool, Option<u8>),
    Remove(u8),
    Ended(u8),
    NewLeader,
    Later(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        4 => (0_u8..6, any::<bool>(), proptest::option::of(0_u8..8)).prop_map(|(n, web, a)| Event::Put(n, web, a)),
        2 => (0_u8..6).prop_map(Event::Remove),
        1 => (0_u8..6).prop_map(Event::Ended),
        1 => Just(Event::NewLeader),
        2 => (0_u8..15).prop_map(Event::Later),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    /// Over any history: a generation has one list, every selected address is in it, and one that no selected pod
    /// has is in it only for the linger and only while nobody has it.
    #[test]
    fn a_generation_has_one_list_and_the_list_is_the_pods(history in events()) {
        let mut world = World::new(&[]);
        let mut lists: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let mut time = 1;
        let mut last = 0;
        for event in history {
            let name = |n: u8| format!("p{n}");
            match event {
                Event::Put(n, web, address) => {
                    let address = address.map(|a| format!("10.0.0.{a}"));
                    let addresses: Vec<&str> = address.iter().map(String::as_str).collect();
                    world.pods.put(pod(&name(n), if web { "web" } else { "db" }, &addresses));
                }
                Event::Remove(n) => drop(world.pods.remove(&key(&name(n)))),
                Event::Ended(n) => {
                    if let Some(mut pod) = world.pods.remove(&key(&name(n))) {
                        pod.ended = true;
                        world.pods.put(pod);
                    }
                }
                Event::NewLeader => world.memory = Memory::default(),
                Event::Later(seconds) => time += u64::from(seconds),
            }
            let status = world.look(time).status;
            let generation = status.generation.expect("a generation");
            prop_assert!(generation >= last);
            last = generation;
            let list = lists.entry(generation).or_insert_with(|| status.addresses.clone());
            prop_assert_eq!(&*list, &status.addresses);
            let selected = select(&world.set.spec, "shop", &world.pods).addresses;
            for address in &selected {
                prop_assert!(status.addresses.contains(&address.to_string()));
            }
            for address in &status.addresses {
                let address: IpAddr = address.parse().expect("an address");
                prop_assert!(selected.contains(&address) || !world.pods.bear(&address));
            }
        }
        // Nothing happens any more: after the linger the list is the pods' alone.
        world.look(time);
        let status = world.look(time + LINGER.as_secs()).status;
        let selected = select(&world.set.spec, "shop", &world.pods).addresses;
        prop_assert_eq!(status.addresses.len(), selected.len());
    }
}
