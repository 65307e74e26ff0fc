//! `bad-input`: what no runtime should send and no admin should do, on the real plugin and the
//! real netd. Each is a clear error with its code, in one JSON object on stdout; nothing is
//! changed, nothing is left, and nothing secret is logged.
//!
//! The environment's variables, names, `CNI_ARGS`, versions, unknown networks and what is no
//! JSON object at all are in suite `conformance`, as is a range that is full.

mod names;
mod namespaces;
mod node;
mod peers;
mod secrets;
mod spool;
mod stdin;
mod stores;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::rig::{Answer, Rig};
use super::{Check, Suite};
use crate::Node;
use crate::runtime::ContainerNs;

pub(super) const SUITE: Suite = Suite {
    name: "bad-input",
    about: "hostile input, wrong namespaces, a broken node: clear errors, nothing changed",
    checks: &[
        Check {
            sentence: "a configuration that was cut off anywhere is code 6 and changes nothing",
            run: stdin::truncated,
        },
        Check {
            sentence: "JSON that is hostile is refused in a moment, in few words",
            run: stdin::hostile,
        },
        Check {
            sentence: "values of the wrong kind or size are code 7 or 6 and name their key",
            run: stdin::wrong_values,
        },
        Check {
            sentence: "a configuration of 10 MiB is refused, and one of 3 MiB of foreign keys is served",
            run: stdin::large,
        },
        Check {
            sentence: "foreign keys are tolerated at every level",
            run: stdin::foreign_keys,
        },
        Check {
            sentence: "a socket that is none, or nobody's, is an error that names it",
            run: stdin::sockets,
        },
        Check {
            sentence: "a namespace that is none is code 8 for ADD, and no matter for DEL",
            run: namespaces::none,
        },
        Check {
            sentence: "a symlink to a namespace is that namespace",
            run: namespaces::a_symlink,
        },
        Check {
            sentence: "container IDs never become paths, also while netd is away",
            run: names::no_paths,
        },
        Check {
            sentence: "a range that is full says so, then that its address rests, then serves",
            run: node::full_range,
        },
        Check {
            sentence: "a bridge that was deleted is an error to try again, or built anew; nothing leaks",
            run: node::bridge,
        },
        Check {
            sentence: "netd outlives garbage on its socket, and serves meanwhile",
            run: node::garbage,
        },
        Check {
            sentence: "who is not root, says nothing or sends a gigabyte takes nobody's place on netd's socket",
            run: peers::on_the_socket,
        },
        Check {
            sentence: "DELs of a spool full of links, FIFOs, others' files and thousands of entries are done, and what is none is named",
            run: spool::hostile,
        },
        Check {
            sentence: "a store that is gone, cut off, or on a disk that is not there is not begun anew",
            run: stores::netds,
        },
        Check {
            sentence: "a journal of the uplink that is not what was written holds netd back, and says so",
            run: stores::journal,
        },
        Check {
            sentence: "a plan that is huge, endless, no text or no file is refused at once",
            run: stores::plans,
        },
        Check {
            sentence: "what is secret is in no log, no answer and no file, at any level",
            run: secrets::nowhere,
        },
    ],
};

/// A directory of a check among a node's files, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn on(node: &Node) -> Result<Self> {
        let dir = node.paths.dir().join("bad-input");
        // What an earlier run left when it was killed.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // `down` removes what is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A container that is to get nothing. Should it get something against all expectation, that
/// is deleted when this is dropped, so that the next check finds the node as it should be.
struct Victim {
    rig: Rig,
    ns: ContainerNs,
}

impl Victim {
    fn of(rig: &Rig, id: &str) -> Result<Self> {
        Ok(Self {
            rig: rig.clone(),
            ns: rig.container(id)?,
        })
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // The check has said what is wrong.
        let _ = self.rig.call("DEL", &self.ns).run();
    }
}

/// An error repeats so much of hostile input at the most.
const FEW_WORDS: usize = 1500;

/// Fails unless this is an error with one of these codes, in few words.
fn refused(answer: &Answer, codes: &[u64]) -> Result<Value> {
    let object = answer.error()?;
    let code = object["code"].as_u64().context("the code is a number")?;
    ensure!(
        codes.contains(&code),
        "one of the codes {codes:?} was expected: {object}"
    );
    let length = answer.printed().len();
    ensure!(length < FEW_WORDS, "the error has {length} bytes");
    Ok(object)
}
