//! What attaching costs at the least: prints the percentiles of making a pair, configuring
//! its container end and deleting it, one after another and eight at once, in namespaces
//! of its own.
//!
//! `cargo run --release -p flatnet-kernel --example attach_floor [COUNT]`, as root.

#![allow(clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Ns, dual_stack, ifname, veth, with_kernel};
use flatnet_kernel::{Kernel, Netns};

/// Longer than any deletion takes.
const SOON: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Times {
    create: Vec<Duration>,
    configure: Vec<Duration>,
    delete: Vec<Duration>,
}

impl Times {
    fn print(&mut self, label: &str) {
        println!("{label} (ms)        p50     p95     max");
        for (what, all) in [
            ("create_veth", &mut self.create),
            ("configure_container", &mut self.configure),
            ("delete_link", &mut self.delete),
        ] {
            all.sort();
            let at = |percent: usize| {
                let i = (all.len() * percent / 100).min(all.len().saturating_sub(1));
                all.get(i).map_or(0.0, |d| d.as_secs_f64() * 1e3)
            };
            println!(
                "  {what:<20} {:>7.3} {:>7.3} {:>7.3}",
                at(50),
                at(95),
                at(100)
            );
        }
    }

    fn take(&mut self, other: Self) {
        self.create.extend(other.create);
        self.configure.extend(other.configure);
        self.delete.extend(other.delete);
    }
}

/// One attach and detach.
async fn once(kernel: &Kernel, netns: &Netns, n: u32, times: &mut Times) {
    let start = Instant::now();
    let made = kernel.create_veth(&veth(n, netns)).await.expect("made");
    times.create.push(start.elapsed());

    let start = Instant::now();
    kernel
        .configure_container(netns, &dual_stack(made.container_ifindex))
        .await
        .expect("configured");
    times.configure.push(start.elapsed());

    let start = Instant::now();
    kernel
        .delete_link(&ifname(&format!("flt{n}")), Some(made.host_ifindex), SOON)
        .await
        .expect("deleted");
    times.delete.push(start.elapsed());
}

fn main() {
    let count: u32 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(100);
    let host = Ns::new();
    let pods: Vec<Ns> = (0..8).map(|_| Ns::new()).collect();
    let (host, pods) = (&host, &pods);
    with_kernel(host, |kernel| async move {
        let netns = Arc::new(pods.iter().map(Ns::open).collect::<Vec<_>>());

        let mut times = Times::default();
        for n in 0..count {
            let pod = usize::try_from(n % 8).unwrap_or(0);
            once(&kernel, &netns[pod], n, &mut times).await;
        }
        times.print("one at a time");

        let mut times = Times::default();
        let mut tasks = Vec::new();
        let began = Instant::now();
        for pod in 0..8_u32 {
            let (kernel, netns) = (kernel.clone(), Arc::clone(&netns));
            tasks.push(tokio::spawn(async move {
                let mut times = Times::default();
                for n in 0..count / 8 {
                    let at = usize::try_from(pod).unwrap_or(0);
                    once(&kernel, &netns[at], 10_000 * (pod + 1) + n, &mut times).await;
                }
                times
            }));
        }
        for task in tasks {
            times.take(task.await.expect("no panic"));
        }
        times.print("eight at once");
        println!(
            "  pairs made and deleted each second: {:.0}",
            f64::from(count / 8 * 8) / began.elapsed().as_secs_f64()
        );
    });
}
