//! Who talks to whom: all to all, or each container to as many others as this machine's kernel can
//! keep the neighbours of.
//!
//! All namespaces of a machine share the bound of the kernel's neighbour tables (`gc_thresh3`, for
//! each family). Containers of one network are one another's neighbours, in mode `routed` those of
//! one node. Beyond the bound `sendmsg` fails with `ENOBUFS`, whatever the nodes do.

use std::fs;

use anyhow::{Result, bail};

const BOUND: &str = "net.ipv4.neigh.default.gc_thresh3";
/// The kernel's own bound, where it cannot be read: it is shown in the first namespace only.
const USUAL: usize = 1024;
/// What the lab's nodes and routers need themselves.
const OTHERS: usize = 150;
/// How far away in the row of containers the partners are, to both sides. Containers are spread over
/// nodes and networks in turn: each container has partners on its own node and on others.
const STEPS: [usize; 8] = [1, 2, 3, 5, 8, 13, 21, 34];

/// Who talks to whom among containers that are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mesh {
    count: usize,
    /// The distances to the partners; `None`: all talk to all.
    steps: Option<Vec<usize>>,
}

impl Mesh {
    /// The mesh of these containers, each with its segment: the link that it shares with the others
    /// of that segment. `partners` is how many others each is to talk to; without it all, or as many
    /// as fit.
    ///
    /// # Errors
    /// If there would be more neighbours than the kernel keeps, with the way out.
    pub(super) fn choose<S: PartialEq>(segments: &[S], partners: Option<usize>) -> Result<Self> {
        Self::within(segments, partners, bound())
    }

    fn within<S: PartialEq>(segments: &[S], partners: Option<usize>, bound: usize) -> Result<Self> {
        let count = segments.len();
        let all = Self { count, steps: None };
        let some = (1..=STEPS.len()).rev().map(|sides| Self {
            count,
            steps: Some(STEPS[..sides].to_vec()),
        });
        let meshes = std::iter::once(all).chain(some);
        let wished: Vec<Self> = meshes
            .filter(|mesh| partners.is_none_or(|most| mesh.partners() <= most))
            .collect();
        let fits = |mesh: &&Self| mesh.neighbours(segments) <= bound;
        if let Some(mesh) = wished.iter().find(fits) {
            return Ok(mesh.clone());
        }
        let Some(least) = wished.last() else {
            bail!("a container talks to 2 others at least: --partners 2 or more");
        };
        let wanted = least.neighbours(segments);
        bail!(
            "the containers have {wanted} neighbours, and this machine's kernel keeps {bound} for all of \
             its namespaces together: take fewer (--containers), raise the bound for the time \
             (`sysctl -w {BOUND}={more} {v6}={more}`), or run it in a guest \
             (`cargo xtask chaos --datapath kernel`), which has a bound of its own",
            more = wanted.next_power_of_two(),
            v6 = BOUND.replace("ipv4", "ipv6"),
        );
    }

    /// How many others each container talks to.
    pub(super) fn partners(&self) -> usize {
        (1..self.count).filter(|to| self.talk(0, *to)).count()
    }

    /// Whether these two talk to one another.
    pub(super) fn talk(&self, one: usize, other: usize) -> bool {
        let apart = one.abs_diff(other);
        let apart = apart.min(self.count - apart);
        apart > 0
            && self
                .steps
                .as_ref()
                .is_none_or(|steps| steps.contains(&apart))
    }

    /// How many entries of the neighbour tables that takes.
    fn neighbours<S: PartialEq>(&self, segments: &[S]) -> usize {
        let on_link = |at: usize| {
            let others = (0..self.count).filter(|to| self.talk(at, *to));
            others.filter(|to| segments[*to] == segments[at]).count()
        };
        // The gateway is one more, and has the container as one of its own.
        let all: usize = (0..self.count).map(|at| on_link(at) + 2).sum();
        // In IPv6 most of them are there twice, by their link-local addresses as well.
        2 * all + OTHERS
    }
}

fn bound() -> usize {
    let text = fs::read_to_string(format!("/proc/sys/{}", BOUND.replace('.', "/")));
    let read = text.ok().and_then(|text| text.trim().parse().ok());
    read.unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two networks that two nodes share, and two of a node each.
    fn segments(count: usize) -> Vec<&'static str> {
        let turn = ["a", "b", "a", "b", "c", "d"];
        (0..count).map(|n| turn[n % turn.len()]).collect()
    }

    #[test]
    fn a_dozen_talk_all_to_all() {
        let mesh = Mesh::within(&segments(12), None, USUAL).expect("a dozen");
        assert_eq!((mesh.partners(), mesh.steps), (11, None));
    }

    #[test]
    fn a_hundred_talk_to_as_many_as_fit_and_each_as_many_as_the_others() {
        let segments = segments(100);
        let mesh = Mesh::within(&segments, None, USUAL).expect("a hundred");
        assert!(mesh.neighbours(&segments) <= USUAL);
        let partners = |at: usize| (0..100).filter(|to| mesh.talk(at, *to)).count();
        let counts: Vec<usize> = (0..100).map(partners).collect();
        assert!(counts.iter().all(|n| *n == mesh.partners()), "{counts:?}");
        assert!((4..99).contains(&mesh.partners()), "{}", mesh.partners());
        assert!(mesh.talk(0, 99) && mesh.talk(99, 0) && !mesh.talk(7, 7));
        let most = Mesh::within(&segments, None, usize::MAX).expect("there is room");
        assert_eq!(most.partners(), 99);
    }

    #[test]
    fn a_number_of_partners_is_kept_to() {
        let mesh = Mesh::within(&segments(100), Some(5), usize::MAX).expect("there is room");
        assert_eq!(mesh.partners(), 4);
        let error = Mesh::within(&segments(100), Some(1), usize::MAX).expect_err("none has one");
        assert!(error.to_string().contains("--partners 2"), "{error}");
    }

    #[test]
    fn thousands_are_refused_with_the_way_out() {
        let error = Mesh::within(&segments(600), None, USUAL).expect_err("600 fit nowhere");
        let text = error.to_string();
        assert!(
            text.contains("--containers") && text.contains("gc_thresh3=4096"),
            "{text}"
        );
    }
}
