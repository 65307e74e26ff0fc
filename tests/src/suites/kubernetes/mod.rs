//! `kubernetes`: vpc-route leads by a Lease of a real API server, and never do two write; the plan as
//! objects there, of which ipamd and a node's netd go by.
//!
//! ```text
//!   [cluster] etcd ◀── kube apiserver ◀── kubectl, vpc-route a, vpc-route b, client-go's elector
//!        in the VPC router's namespace         [rig] └──▶ the simulator's tables
//!   [lead] takes it, dies, stops, is cut off     [bad] what it is given is wrong
//!   [plan] the plan's kinds, their rules, and flatctl's way there and back
//!   [ipamd] the plan taken from them, and the verdict in their status
//!   [ha] two ipamds of which one leads, and their ledger in the objects
//!   [node] a node's netd that takes its part of the plan from there, and says how it is
//!   [install] what kustomize builds, by the API server
//!   [admission] who may ask what of the network for a pod
//!   [pod] by a service account's files alone     [chaos] killed and frozen at random ──▶ the
//!                                                   simulator's history and the Lease's judge
//! ```
//!
//! `kube` is built from Kubernetes' own sources by `cargo xtask kubernetes`
//! (`tests/kubernetes`); etcd is Debian's.

mod admission;
mod bad;
mod chaos;
pub(super) mod cluster;
mod ha;
mod install;
pub(super) mod ipamd;
mod lead;
mod node;
pub(super) mod plan;
mod platform;
mod pod;
mod policies;
mod rig;
mod routes;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "kubernetes",
    about: "vpc-route leads by a Lease of a real API server, and never do two write; the plan as objects",
    checks: &[
        Check {
            sentence: "a pod's network, address, MAC and trunk are what its namespace grants, and stay so",
            run: admission::privileges,
        },
        Check {
            sentence: "a service account that may get, create and update one Lease is enough to lead",
            run: lead::least_privilege,
        },
        Check {
            sentence: "in a pod's place its service account's files are all that it needs",
            run: pod::in_place,
        },
        Check {
            sentence: "the leader gets SIGKILL: the standby leads in under 15 s",
            run: lead::killed,
        },
        Check {
            sentence: "the leader stops: the standby leads at its next look",
            run: lead::stopped,
        },
        Check {
            sentence: "client-go's own elector and vpc-route take the Lease from each other",
            run: lead::client_go,
        },
        Check {
            sentence: "the API server freezes: the leader writes no more before its lease ends, and goes on after",
            run: lead::frozen,
        },
        Check {
            sentence: "without the right, without the server, without the namespace: an error with its place and what to do",
            run: bad::errors,
        },
        Check {
            sentence: "two killed, stopped and frozen at random for 30 s: never two that write",
            run: chaos::two_writers,
        },
        Check {
            sentence: "plan: the kinds are installed server-side, `kubectl get flatnet` lists them and `explain` tells them",
            run: plan::kinds,
        },
        Check {
            sentence: "platform: the release platform's kinds are taken, and their rules refuse what breaks them",
            run: platform::kinds,
        },
        Check {
            sentence: "install: each overlay of kustomize is built, and the API server takes it in a dry run",
            run: install::kustomizations,
        },
        Check {
            sentence: "plan: what one object can prove the API server refuses, each rule with its words",
            run: plan::rules_refuse,
        },
        Check {
            sentence: "plan: an unknown field is refused by the server, and one of a newer version by what is older",
            run: plan::unknown_fields,
        },
        Check {
            sentence: "plan: applied, exported and applied again it is the same plan, and nothing is written twice",
            run: plan::round_trip,
        },
        Check {
            sentence: "plan: no rule and no bound refuses an example of 500 hosts",
            run: plan::examples,
        },
        Check {
            sentence: "plan: a dry run changes nothing; what left the plan goes, and what is somebody else's stays",
            run: plan::dry_run_and_prune,
        },
        Check {
            sentence: "plan: valid writes that are wrong together are told with code, object and field",
            run: plan::wrong_together,
        },
        Check {
            sentence: "plan: a field that somebody else wrote is taken over only where that is asked for",
            run: plan::another_manager,
        },
        Check {
            sentence: "plan: the API server dies: an error with its place; it is back with the same plan",
            run: plan::server_away,
        },
        Check {
            sentence: "plan: ipamd takes it from the objects by the rights of its manifest, and says so in the head's status",
            run: ipamd::takes_objects,
        },
        Check {
            sentence: "plan: valid writes that are wrong together: ipamd says Accepted=False with code, object and field, and the plan of before stands",
            run: ipamd::refuses_objects,
        },
        Check {
            sentence: "routes: vpc-route follows the objects that ipamd has accepted, and no others",
            run: routes::follows_what_ipamd_accepts,
        },
        Check {
            sentence: "plan: the API server is away: ipamd answers by its copy, over a restart too, and follows the objects again",
            run: ipamd::server_away,
        },
        Check {
            sentence: "plan: ipamd takes an apply whose middle is wrong as one change",
            run: ipamd::swapped,
        },
        Check {
            sentence: "plan: the API server freezes: ipamd tells it within 45 s, and follows the objects again",
            run: ipamd::server_frozen,
        },
        Check {
            sentence: "a NetworkPolicy, which restricts nothing, is told at the plan's head, at itself and by a metric, and no more when it is gone",
            run: policies::told,
        },
        Check {
            sentence: "ledger: two ipamds by the rights of their manifest: one leads and gives every host its slices as objects, the other says who leads",
            run: ha::assigns,
        },
        Check {
            sentence: "ledger: the leader gets SIGKILL: the other one assigns on, no range is lost, and none is given twice",
            run: ha::killed,
        },
        Check {
            sentence: "ledger: a leader that was frozen writes nothing when it wakes, and ends",
            run: ha::frozen,
        },
        Check {
            sentence: "ledger: a range is drained, released, in quarantine and gone, and kubectl shows it",
            run: ha::released,
        },
        Check {
            sentence: "ledger: nobody else makes, changes or deletes what ipamd assigned, and ipamd no range of the plan",
            run: ha::second_owner,
        },
        Check {
            sentence: "node: a netd without plan waits and says so, comes up with its object, follows changes by kubectl, and its status is right",
            run: node::waits_and_follows,
        },
        Check {
            sentence: "node: the API server is away: netd goes on, over a restart too, and follows its object again",
            run: node::server_away,
        },
        Check {
            sentence: "node: what is wrong in its object netd refuses, says so in the status, and goes by its copy",
            run: node::goes_by_its_copy,
        },
        Check {
            sentence: "node: a netd writes the status of its own node, and of nothing else",
            run: node::own_status_only,
        },
        Check {
            sentence: "node: of Nodes a netd writes its own one's NetworkUnavailable and takes its taint away, and nothing else",
            run: node::own_kubernetes_node_only,
        },
        Check {
            sentence: "node: a pod with the gate is in service when its containers are ready, and drained when no slice offers it and no SYN came; late ones are counted",
            run: node::in_service_gate,
        },
        Check {
            sentence: "node: ipamd puts back what somebody changes, and leaves alone what somebody else made",
            run: node::put_back,
        },
        Check {
            sentence: "the API server goes, and nothing of it is left",
            run: cluster::nothing_left,
        },
    ],
};
