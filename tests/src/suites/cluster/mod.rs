//! `cluster`: a real Kubernetes on nodes of the lab, with netd as its users install it.
//!
//! ```text
//!   [world] API server, controllers, scheduler in the VPC router's namespace
//!     └─ [node] idc1, idc2 (mode vlan), vpc1 (mode routed): the lab's network namespace and Open vSwitch,
//!        all else its own (`node.sh`); containerd, kubelet, kube-proxy, and no netd of the lab
//!   [install] preflight, DaemonSet, node Ready     [reach] pods, nodes, probes, Services
//!   [services] external IPs and ServiceCIDRs, live     [events] at pods
//!   [scale] no address is lost     [roll] an upgrade loses no packet     [uninstall] nothing is left
//! ```
//!
//! The checks are steps on one cluster: each stands on those before it.

mod cgroups;
pub(super) mod config;
mod events;
mod http;
pub(super) mod install;
pub(super) mod node;
pub(super) mod parts;
mod reach;
mod roll;
mod scale;
mod services;
mod uninstall;
pub(super) mod world;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "cluster",
    about: "real kubelets: netd as a DaemonSet makes nodes ready, upgrades without a loss, and goes without a trace",
    checks: &[
        Check {
            sentence: "install: two IDC nodes and a VPC node are Ready by `kubectl apply` of the manifests, NetworkUnavailable is False and the taint gone",
            run: install::ready,
        },
        Check {
            sentence: "install: netd's container has five capabilities, a read-only root and a seccomp filter",
            run: install::confined,
        },
        Check {
            sentence: "pods have addresses of their node's ranges, and kubelet's probes reach them",
            run: reach::addresses,
        },
        Check {
            sentence: "every pod reaches every pod, and every node every pod, by its own source address, both families",
            run: reach::matrix,
        },
        Check {
            sentence: "a Service is reached by pods and nodes through kube-proxy, and every endpoint of it serves",
            run: reach::service,
        },
        Check {
            sentence: "an external IP of a Service is served on every node while it runs; a node's own address is not, and is named",
            run: services::external_ip,
        },
        Check {
            sentence: "a second ServiceCIDR is served on every node while it runs",
            run: services::second_cidr,
        },
        Check {
            sentence: "why a pod was not attached is one event at the pod, however often the runtime repeats",
            run: events::at_the_pod,
        },
        Check {
            sentence: "scaled from 1 to 30 and back to 1: no address is given twice, and none is leaked",
            run: scale::out_and_in,
        },
        Check {
            sentence: "the DaemonSet is rolled over under pings between nodes: nothing is lost",
            run: roll::lossless,
        },
        Check {
            sentence: "uninstall: refused while containers are attached; then the CNI configuration goes first, and nothing is left",
            run: uninstall::without_a_trace,
        },
        Check {
            sentence: "the cluster goes, nothing of it is left, and the lab's own netd is back",
            run: uninstall::nodes_are_gone,
        },
    ],
};
