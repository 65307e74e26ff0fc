//! `conformance`: every point of the CNI specification that a complete plugin gets right,
//! each by running the real binary against the real daemon.

mod attach;
mod check;
mod input;
mod pool;
mod results;
mod spool;
mod two;
mod wishes;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "conformance",
    about: "CNI 1.1 point by point: the real plugin against the real netd",
    checks: &[
        Check {
            sentence: "a missing variable is answered with code 4, which names it",
            run: input::missing_variables,
        },
        Check {
            sentence: "a malformed variable is answered with code 4, which names it",
            run: input::malformed_variables,
        },
        Check {
            sentence: "CNI_ARGS that cannot be understood are code 4, unless IgnoreUnknown is set",
            run: input::cni_args,
        },
        Check {
            sentence: "a bad or missing network name is code 7",
            run: input::names,
        },
        Check {
            sentence: "what is no JSON object is code 6",
            run: input::not_json,
        },
        Check {
            sentence: "an unsupported version is code 1, with the versions that are supported",
            run: input::versions,
        },
        Check {
            sentence: "a key that Flatnet does not serve is code 2, with key and value",
            run: input::unsupported,
        },
        Check {
            sentence: "VERSION lists every version, also with empty stdin and no other variable",
            run: results::version,
        },
        Check {
            sentence: "ADD answers in the form of every version from 0.1.0 to 1.1.0",
            run: results::every_form,
        },
        Check {
            sentence: "a prevResult is passed through, and what ADD made comes behind it",
            run: results::prev_result,
        },
        Check {
            sentence: "ADD works without CNI_PATH, which the specification calls optional",
            run: attach::without_cni_path,
        },
        Check {
            sentence: "ADD with an interface name that the container has fails and changes nothing",
            run: attach::existing_interface,
        },
        Check {
            sentence: "a second ADD of an attachment fails and leaves the first in order",
            run: attach::twice,
        },
        Check {
            sentence: "DEL succeeds when repeated",
            run: attach::del_repeated,
        },
        Check {
            sentence: "DEL succeeds without CNI_NETNS and without prevResult",
            run: attach::del_without_netns,
        },
        Check {
            sentence: "DEL succeeds after the namespace is gone",
            run: attach::del_after_namespace,
        },
        Check {
            sentence: "DEL succeeds after the interface is gone",
            run: attach::del_after_interface,
        },
        Check {
            sentence: "DEL succeeds for what was never attached, and with a broken configuration",
            run: attach::del_of_nothing,
        },
        Check {
            sentence: "one container has eth0 and net1 on two networks, each with its own life",
            run: two::two_interfaces,
        },
        Check {
            sentence: "CHECK passes on what ADD made, in every version that has it",
            run: check::passes,
        },
        Check {
            sentence: "CHECK tolerates what later plugins add: an address, a route, an MTU",
            run: check::tolerates,
        },
        Check {
            sentence: "CHECK finds what was changed in the container",
            run: check::finds_inside,
        },
        Check {
            sentence: "CHECK finds what was changed on the node, and a reconcile repairs it",
            run: check::finds_on_node,
        },
        Check {
            sentence: "CHECK compares with prevResult, and knows what was never attached",
            run: check::prev_result,
        },
        Check {
            sentence: "STATUS is quick where all is well, 7 for a network that is not here",
            run: pool::status,
        },
        Check {
            sentence: "GC keeps what is listed, releases the rest, and nothing without a list",
            run: pool::gc,
        },
        Check {
            sentence: "an exhausted range is named with how full it is; STATUS says 51",
            run: pool::exhausted,
        },
        Check {
            sentence: "addresses that are asked for are had, or refused with the reason",
            run: wishes::addresses,
        },
        Check {
            sentence: "runtimeConfig comes before args.cni, and that before CNI_ARGS",
            run: wishes::priority,
        },
        Check {
            sentence: "a MAC that is asked for is had once",
            run: wishes::mac,
        },
        Check {
            sentence: "bandwidth makes meters, which DEL takes away",
            run: wishes::bandwidth,
        },
        Check {
            sentence: "CNI_ARGS' pod is known to netd, and IP= is an address",
            run: wishes::cni_args,
        },
        Check {
            sentence: "mtu, routes and dns of the configuration are in container and result",
            run: wishes::configuration,
        },
        Check {
            sentence: "while netd is away ADD and CHECK are 11, STATUS 50, and DEL waits in the spool",
            run: spool::away,
        },
        Check {
            sentence: "a DEL from the spool does not touch a newer attachment",
            run: spool::stale,
        },
    ],
};
