//! Whole calls, with a fake netd that answers as configured.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use flatnet_types::api::{
    AddReply, AddRequest, AssignedIp, CheckReply, CheckRequest, DelReply, DelRequest, GcReply,
    GcRequest, Route, StatusReply, StatusRequest,
};
use flatnet_types::{IfName, Mtu};
use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::NetdError;

mod add;
mod del;
mod others;

/// The fake netd's answer to every call.
#[derive(Debug, Clone)]
enum Netd {
    Serves,
    Away,
    Cut,
    Slow,
    Garbage,
    Refuses(ErrorReply),
}

/// A fake netd, and what it was asked, as JSON.
struct Fake {
    netd: Netd,
    asked: RefCell<Vec<(&'static str, String, Value)>>,
}

impl Fake {
    fn new(netd: Netd) -> Self {
        Self {
            netd,
            asked: RefCell::default(),
        }
    }

    fn answer<T>(
        &self,
        what: &'static str,
        socket: &Path,
        request: &impl Serialize,
        reply: T,
    ) -> Result<T, NetdError> {
        let request = serde_json::to_value(request).expect("JSON");
        self.asked
            .borrow_mut()
            .push((what, socket.display().to_string(), request));
        let source = io::Error::from(io::ErrorKind::ConnectionRefused);
        match self.netd.clone() {
            Netd::Serves => Ok(reply),
            Netd::Away => Err(NetdError::Unreachable {
                socket: socket.to_owned(),
                source,
            }),
            Netd::Cut => Err(NetdError::Interrupted {
                source: io::ErrorKind::UnexpectedEof.into(),
            }),
            Netd::Slow => Err(NetdError::TimedOut {
                after: Duration::from_secs(60),
            }),
            Netd::Garbage => Err(NetdError::NotAMessage {
                status: 404,
                source: serde_json::from_str::<Value>("").expect_err("nothing"),
            }),
            Netd::Refuses(reply) => Err(NetdError::Refused(reply)),
        }
    }
}

impl crate::Netd for Fake {
    fn add(&self, socket: &Path, request: &AddRequest) -> Result<AddReply, NetdError> {
        self.answer("add", socket, request, add_reply())
    }

    fn del(&self, socket: &Path, request: &DelRequest) -> Result<DelReply, NetdError> {
        self.answer("del", socket, request, DelReply { existed: true })
    }

    fn check(&self, socket: &Path, request: &CheckRequest) -> Result<CheckReply, NetdError> {
        self.answer("check", socket, request, CheckReply {})
    }

    fn gc(&self, socket: &Path, request: &GcRequest) -> Result<GcReply, NetdError> {
        self.answer("gc", socket, request, GcReply::default())
    }

    fn status(&self, socket: &Path, request: &StatusRequest) -> Result<StatusReply, NetdError> {
        self.answer("status", socket, request, StatusReply {})
    }
}

fn add_reply() -> AddReply {
    let gateway = Some("10.0.0.1".parse().expect("an address"));
    AddReply {
        host_ifname: IfName::new("veth1").expect("a name"),
        host_mac: "02:00:00:00:00:01".parse().expect("a MAC"),
        mac: "0a:f1:0a:00:00:05".parse().expect("a MAC"),
        mtu: Mtu::new(1500).expect("an MTU"),
        ips: vec![AssignedIp {
            address: "10.0.0.5/24".parse().expect("a prefix"),
            gateway,
        }],
        routes: vec![Route {
            dst: "0.0.0.0/0".parse().expect("a prefix"),
            gateway,
        }],
        generation: 1,
    }
}

/// The result of a run.
#[derive(Debug)]
struct Ran {
    exit: u8,
    stdout: String,
    stderr: String,
    asked: Vec<(&'static str, String, Value)>,
}

impl Ran {
    /// The error object on stdout.
    fn error(&self) -> Value {
        assert_eq!(self.exit, EXIT_ERROR, "{self:?}");
        self.json()
    }

    fn code(&self) -> u32 {
        let code = self.error()["code"].as_u64().expect("a code");
        u32::try_from(code).expect("a small code")
    }

    /// The one JSON object on stdout.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("one JSON object")
    }

    /// The only request.
    fn request(&self) -> &Value {
        assert_eq!(self.asked.len(), 1, "{:?}", self.asked);
        &self.asked[0].2
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn run_with(netd: Netd, command: &str, env: &[(&str, &str)], stdin: &[u8]) -> Ran {
    let fake = Fake::new(netd);
    let defaults = [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "abc"),
        ("CNI_NETNS", "/run/netns/x"),
        ("CNI_IFNAME", "eth0"),
        (
            "CNI_ARGS",
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0",
        ),
    ];
    let lookup = |name: &str| {
        let find = |(n, _): &&(&str, &str)| *n == name;
        env.iter()
            .find(find)
            .or_else(|| defaults.iter().find(find))
            .map(|(_, v)| v.into())
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = run(Process {
        env: &lookup,
        stdin: &mut &stdin[..],
        stdout: &mut stdout,
        stderr: &mut stderr,
        netd: &fake,
        now: NOW,
    });
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran {
        exit,
        stdout: text(stdout),
        stderr: text(stderr),
        asked: fake.asked.into_inner(),
    }
}

fn call(netd: Netd, command: &str, stdin: &Value) -> Ran {
    run_with(netd, command, &[], stdin.to_string().as_bytes())
}

fn conf() -> Value {
    json!({"cniVersion": "1.1.0", "name": "pods", "type": "flatnet", "socket": "/s"})
}

/// [`conf`] with more keys.
fn conf_with(more: &Value) -> Value {
    let mut conf = conf();
    for (key, value) in more.as_object().expect("an object").clone() {
        conf[key] = value;
    }
    conf
}

fn refusal(code: u32, msg: &str) -> Netd {
    Netd::Refuses(ErrorReply {
        code,
        msg: msg.to_owned(),
        details: String::new(),
    })
}

/// Every error that is no answer of netd.
fn absences() -> [Netd; 4] {
    [Netd::Away, Netd::Cut, Netd::Slow, Netd::Garbage]
}
