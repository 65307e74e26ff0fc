//! Durable reservations a second with fsync on, by one caller and by eight at once, and
//! what fsync itself costs on the same file system. `FLATNET_BENCH_DIR` names a directory
//! on the disk to measure; the temporary directory otherwise.
//!
//! `cargo bench -p flatnet-ipam --bench store`

use std::io::{Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flatnet_ipam::{Config, HostRange, Ipam, Networks, ReserveRequest};
use flatnet_types::Timestamp;
use flatnet_types::{AttachmentKey, ContainerId, IfName, NetworkName};

fn net() -> NetworkName {
    NetworkName::new("web").expect("a name")
}

fn key(caller: u64, n: u64) -> AttachmentKey {
    AttachmentKey {
        network: net(),
        container_id: ContainerId::new(format!("{caller:032x}{n:032x}")).expect("an ID"),
        ifname: IfName::new("eth0").expect("a name"),
    }
}

fn place() -> tempfile::TempDir {
    let dir = std::env::var_os("FLATNET_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    tempfile::tempdir_in(dir).expect("a directory")
}

fn open(dir: &tempfile::TempDir) -> Ipam {
    let v4 = ("10.0.0.0/16", "10.0.0.0/16", "10.0.0.1");
    let v6 = ("2001:db8::/64", "2001:db8::/64", "2001:db8::1");
    let ranges = [v4, v6].map(|(span, subnet, gateway)| {
        let gateway = gateway.parse().expect("an address");
        let subnet = subnet.parse().expect("a subnet");
        let span = span.parse().expect("a span");
        HostRange::new(span, subnet, Some(gateway), &[]).expect("a range")
    });
    let networks = Networks::new([(net(), ranges.to_vec())]).expect("networks");
    let path = dir.path().join("ipam.redb");
    let now = Timestamp::from_millis(0);
    let opened = Ipam::open(&path, Config::new(networks), "boot", now);
    opened.expect("it opens").0
}

/// Durable reservations, one after the other. Each goes with the release of the one before,
/// so that the slots never run out; most often the two share a write.
async fn life(ipam: Ipam, caller: u64, rounds: u64) {
    let request = ReserveRequest {
        network: net(),
        ips: Vec::new(),
    };
    let now = Timestamp::from_millis(1);
    let mut before = None;
    for n in 0..rounds {
        let key = key(caller, n);
        let detail = |_: &_| serde_json::json!({"port": "fl0a0000ff", "mac": "0a:f1:0a:00:00:ff"});
        if let Some((key, generation)) = before {
            let _ = ipam.release(&key, generation, now).expect("there");
        }
        let (r, durable) = ipam
            .reserve_with(&key, &request, now, detail)
            .expect("room");
        durable.await.expect("durable");
        before = Some((key, r.generation));
    }
}

fn reserve(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let mut group = c.benchmark_group("durable reserve");
    group.throughput(Throughput::Elements(1));
    group.measurement_time(Duration::from_secs(6));
    for callers in [1, 8] {
        group.bench_function(format!("{callers} at once"), |b| {
            b.iter_custom(|iterations| {
                let dir = place();
                let ipam = open(&dir);
                let each = iterations.div_ceil(callers);
                let begin = Instant::now();
                runtime.block_on(async {
                    let tasks: Vec<_> = (0..callers)
                        .map(|caller| tokio::spawn(life(ipam.clone(), caller, each)))
                        .collect();
                    for task in tasks {
                        task.await.expect("it ends");
                    }
                });
                let took = begin.elapsed();
                let scale = u32::try_from(each * callers).expect("few iterations");
                took / scale * u32::try_from(iterations).expect("few iterations")
            });
        });
    }
    group.finish();
}

/// A page written and synced, which is the least that a durable change can cost.
fn fsync(c: &mut Criterion) {
    let dir = place();
    let mut file = std::fs::File::create(dir.path().join("page")).expect("a file");
    let page = [7_u8; 4096];
    let mut group = c.benchmark_group("fsync");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one page of 4 KiB and fdatasync", |b| {
        b.iter(|| {
            file.rewind().expect("it seeks");
            file.write_all(&page).expect("it writes");
            file.sync_data().expect("it syncs");
        });
    });
    group.finish();
}

criterion_group!(benches, fsync, reserve);
criterion_main!(benches);
