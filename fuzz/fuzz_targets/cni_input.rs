//! Everything that a runtime, or whoever listens on netd's socket, may send to the plugin.
//!
//! The first byte chooses what the rest is: netd's answer (`H`), `CNI_ARGS` (`A`), a
//! configuration whose `prevResult` is printed and read back (`R`), or else stdin of a
//! command. Checked beside "no panic": an error has a code and a message and does not repeat
//! its input, and a result that was printed is read back as itself.

#![no_main]

use std::io::{self, Cursor};
use std::path::Path;

use flatnet_cni::{Netd, NetdError, Process, http, run};
use flatnet_types::api::{
    AddReply, AddRequest, CheckReply, CheckRequest, DelReply, DelRequest, GcReply, GcRequest,
    StatusReply, StatusRequest,
};
use flatnet_types::cni::{CniArgs, CniVersion, Document};
use libfuzzer_sys::fuzz_target;

const COMMANDS: [&str; 5] = ["ADD", "CHECK", "STATUS", "GC", "VERSION"];

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    match choice {
        b'H' => drop(http::read_response(&mut Cursor::new(rest))),
        b'A' => drop(CniArgs::parse(&String::from_utf8_lossy(rest))),
        b'R' => results(rest),
        other => call(COMMANDS[usize::from(*other) % COMMANDS.len()], rest),
    }
});

/// Parses a configuration's `prevResult`, prints it in every version and reads it back.
fn results(stdin: &[u8]) {
    let Ok(document) = Document::parse(stdin) else {
        return;
    };
    let (_, _) = (
        document.attach_conf(CniArgs::default()),
        document.valid_attachments(),
    );
    let Ok(Some(result)) = document.prev_result() else {
        return;
    };
    for version in CniVersion::ALL {
        let text = result.print(version).expect("a result prints");
        let again = format!(r#"{{"cniVersion":"{version}","prevResult":{text}}}"#);
        let Ok(document) = Document::parse(again.as_bytes()) else {
            panic!("cannot read back {text}");
        };
        let read = document
            .prev_result()
            .expect("a result")
            .expect("it is there");
        assert_eq!(read.print(version).expect("a result prints"), text);
        if version >= CniVersion::V1_0_0 {
            assert_eq!(read, result);
        }
    }
}

/// A netd that is not there: what an input asks for must not reach the one of this host.
struct Nobody;

fn nobody<T>(socket: &Path) -> Result<T, NetdError> {
    let source = io::ErrorKind::NotFound.into();
    Err(NetdError::Unreachable {
        socket: socket.to_owned(),
        source,
    })
}

impl Netd for Nobody {
    fn add(&self, socket: &Path, _: &AddRequest) -> Result<AddReply, NetdError> {
        nobody(socket)
    }
    fn del(&self, socket: &Path, _: &DelRequest) -> Result<DelReply, NetdError> {
        nobody(socket)
    }
    fn check(&self, socket: &Path, _: &CheckRequest) -> Result<CheckReply, NetdError> {
        nobody(socket)
    }
    fn gc(&self, socket: &Path, _: &GcRequest) -> Result<GcReply, NetdError> {
        nobody(socket)
    }
    fn status(&self, socket: &Path, _: &StatusRequest) -> Result<StatusReply, NetdError> {
        nobody(socket)
    }
}

/// Runs the plugin's `main`. DEL is left out: it would write to the spool that the input
/// names.
fn call(command: &str, stdin: &[u8]) {
    let mut stdout = Vec::new();
    let env = |name: &str| {
        Some(match name {
            "CNI_COMMAND" => command.into(),
            "CNI_CONTAINERID" => "abc".into(),
            "CNI_NETNS" => "/run/netns/x".into(),
            "CNI_IFNAME" => "eth0".into(),
            _ => return None,
        })
    };
    let exit = run(Process {
        env: &env,
        stdin: &mut &stdin[..],
        stdout: &mut stdout,
        stderr: &mut io::sink(),
        netd: &Nobody,
        now: flatnet_types::Timestamp::from_millis(0),
    });
    if exit != 0 {
        let text = String::from_utf8(stdout).expect("text");
        assert!(
            text.contains("\"code\":") && text.contains("\"msg\":"),
            "{text}"
        );
        assert!(text.len() < 2000, "an error repeats the input: {text}");
    }
}
