//! Addresses that the allocator assigns per second, in memory, without a store.
//!
//! `cargo bench -p flatnet-ipam --bench allocator`

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flatnet_ipam::{Allocator, HostRange, Networks, Request, Span};
use flatnet_types::Timestamp;
use flatnet_types::{AttachmentKey, ContainerId, IfName, NetworkName};

const QUARANTINE: Duration = Duration::from_secs(30);

fn net() -> NetworkName {
    NetworkName::new("web").expect("a name")
}

fn owner() -> Arc<AttachmentKey> {
    Arc::new(AttachmentKey {
        network: net(),
        container_id: ContainerId::new("a".repeat(64)).expect("an ID"),
        ifname: IfName::new("eth0").expect("a name"),
    })
}

fn allocator(ranges: &[(&str, &str)], exclude: &[Span], remembered: usize) -> Allocator {
    let ranges = ranges.iter().map(|(span, subnet)| {
        let span = span.parse().expect("a span");
        let subnet = subnet.parse().expect("a subnet");
        HostRange::new(span, subnet, None, exclude).expect("a range")
    });
    let networks = Networks::new([(net(), ranges.collect())]).expect("networks");
    Allocator::new(&networks, QUARANTINE, remembered)
}

/// Addresses that were never used, out of an IPv6 /64.
fn fresh(c: &mut Criterion) {
    const BATCH: u64 = 10_000;
    let network = net();
    let owner = owner();
    let request = Request {
        network: &network,
        ips: &[],
    };
    let mut group = c.benchmark_group("allocate");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("never used, IPv6 /64", |b| {
        b.iter_batched_ref(
            || allocator(&[("2001:db8::/64", "2001:db8::/64")], &[], 8192),
            |a| {
                for n in 0..BATCH {
                    let now = Timestamp::from_millis(n);
                    black_box(a.allocate(request, &owner, now).expect("one is free"));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// An allocation and a release, in ranges that are full but for one address.
fn churn(c: &mut Criterion) {
    let holes: Vec<Span> = (0..1000_u32)
        .map(|n| {
            let first = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n * 60);
            let last = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n * 60 + 20);
            Span::new(first.into(), last.into()).expect("in order")
        })
        .collect();
    let dual = [
        ("10.0.0.0/24", "10.0.0.0/16"),
        ("2001:db8::/64", "2001:db8::/64"),
    ];
    let mut group = c.benchmark_group("allocate and release");
    group.throughput(Throughput::Elements(1));
    for (name, ranges, exclude, remembered) in [
        ("IPv4 /24, full", &dual[..1], &[][..], 8192),
        (
            "IPv4 /16 less 1000 intervals, full",
            &[("10.0.0.0/16", "10.0.0.0/16")],
            &holes[..],
            8192,
        ),
        ("dual stack", &dual[..], &[][..], 8192),
    ] {
        let mut a = allocator(ranges, exclude, remembered);
        let network = net();
        let owner = owner();
        let request = Request {
            network: &network,
            ips: &[],
        };
        let mut living = std::collections::VecDeque::new();
        let mut time = 0;
        while let Ok(picked) = a.allocate(request, &owner, Timestamp::from_millis(time)) {
            living.push_back(picked);
        }
        group.bench_function(name, |b| {
            b.iter(|| {
                let oldest = living.pop_front().expect("it is full");
                let ips = oldest.addresses.iter().map(|x| x.address.ip());
                a.release(ips, &owner, Timestamp::from_millis(time));
                a.forget();
                time += 30_000;
                let now = Timestamp::from_millis(time);
                living.push_back(
                    a.allocate(request, &owner, now)
                        .expect("its quarantine is over"),
                );
            });
        });
    }
    group.finish();
}

/// The query of STATUS, and an allocation from an exhausted range.
fn queries(c: &mut Criterion) {
    let network = net();
    let owner = owner();
    let request = Request {
        network: &network,
        ips: &[],
    };
    let mut a = allocator(&[("10.0.0.0/16", "10.0.0.0/16")], &[], 8192);
    let now = Timestamp::from_millis(0);
    while a.allocate(request, &owner, now).is_ok() {}
    c.bench_function("exhausted: IPv4 /16", |b| {
        b.iter(|| black_box(a.allocate(request, &owner, now).is_err()));
    });
    let some: [IpAddr; 1] = ["10.0.77.7".parse().expect("an address")];
    a.release(some, &owner, now);
    let later = Timestamp::from_millis(30_000);
    c.bench_function("has_free: IPv4 /16, one is free", |b| {
        b.iter(|| black_box(a.check_free(&network, later).is_ok()));
    });
}

criterion_group!(benches, fresh, churn, queries);
criterion_main!(benches);
