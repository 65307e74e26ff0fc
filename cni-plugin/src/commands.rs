//! The commands, after their input was parsed.

use std::path::{Path, PathBuf};

use flatnet_spool::{FORMAT, Spool, SpooledDel};
use flatnet_types::api::{
    AddRequest, CheckRequest, DelRequest, ErrorReply, GcRequest, StatusRequest, VERSION, code,
};
use flatnet_types::cni::env::Target;
use flatnet_types::cni::result::AddResult;
use flatnet_types::cni::{
    AskedIp, CniArgs, CniVersion, Command, Document, InputError, NetConf, version,
};
use flatnet_types::{AttachmentKey, NetnsPath, Timestamp};
use serde::Serialize;

use crate::line::to_line;
use crate::{Netd, NetdError};

/// What a command uses besides the call and the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) netd: &'a dyn Netd,
    pub(crate) now: Timestamp,
}

/// The output of a command, and how to roll back an ADD whose result cannot be written.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// A note for stderr; may be empty.
    pub(crate) note: &'static str,
    undo: Option<(PathBuf, DelRequest)>,
}

impl Answer {
    /// Undoes an ADD whose result the runtime did not get. Best effort: a runtime follows a
    /// failed ADD by a DEL.
    pub(crate) fn roll_back(self, netd: &dyn Netd) {
        if let Some((socket, request)) = self.undo {
            let _ = netd.del(&socket, &request);
        }
    }
}

fn key(conf: &NetConf, target: Target) -> AttachmentKey {
    AttachmentKey {
        network: conf.name.clone(),
        container_id: target.container_id,
        ifname: target.ifname,
    }
}

/// ADD: SPEC.md 1.1.0, "ADD: Add container to network, or apply modifications".
pub(crate) fn add(
    document: &Document,
    target: Target,
    netns: NetnsPath,
    args: CniArgs,
    context: Context<'_>,
) -> Result<Answer, ErrorReply> {
    let conf = document.net_conf()?;
    let attach = document.attach_conf(args)?;
    let earlier = document.prev_result()?.unwrap_or_default();
    let request = AddRequest {
        version: VERSION,
        key: key(&conf, target),
        netns,
        plan_network: attach.network.or(conf.network),
        ips: attach.ips.iter().map(|asked| asked.ip).collect(),
        ip_prefixes: attach.ips.iter().filter_map(AskedIp::prefix).collect(),
        mac: attach.mac,
        mtu: attach.mtu,
        trunk: attach.trunk,
        bandwidth: attach.bandwidth,
        routes: attach.routes,
        pod: attach.pod,
    };
    let reply = context
        .netd
        .add(&conf.socket, &request)
        .map_err(|e| failed(e, &conf.socket, code::TRY_AGAIN_LATER))?;
    let AddRequest { key, netns, .. } = request;
    let made = AddResult {
        reply: &reply,
        ifname: &key.ifname,
        netns: &netns,
        dns: &attach.dns,
    };
    let text = earlier.merge(made, conf.version).print(conf.version);
    let undo = DelRequest {
        version: VERSION,
        key,
        netns: Some(netns),
    };
    let answer = Answer {
        undo: Some((conf.socket, undo)),
        ..Answer::default()
    };
    match text {
        Ok(text) => Ok(Answer { text, ..answer }),
        Err(e) => {
            answer.roll_back(context.netd);
            Err(ErrorReply {
                code: code::INTERNAL,
                msg: format!("the result cannot be written as JSON: {e}"),
                details: String::new(),
            })
        }
    }
}

/// DEL: succeeds if the attachment is gone already, or if netd is down (the DEL is spooled).
///
/// Reads only the keys of the configuration that identify the attachment: an `mtu` that is invalid
/// by now, or a broken `prevResult`, must not keep an address from being released.
pub(crate) fn del(
    document: &Document,
    target: Target,
    netns: Option<NetnsPath>,
    context: Context<'_>,
) -> Result<Answer, ErrorReply> {
    let conf = document.net_conf()?;
    let request = DelRequest {
        version: VERSION,
        key: key(&conf, target),
        netns,
    };
    match context.netd.del(&conf.socket, &request) {
        Ok(_) => Ok(Answer::default()),
        Err(e) if e.refusal().is_some() => Err(failed(e, &conf.socket, code::TRY_AGAIN_LATER)),
        Err(e) => spool(&conf, request, &e, context.now),
    }
}

/// Spools a DEL that did not reach netd, or may not have. Doing it twice has no effect.
fn spool(
    conf: &NetConf,
    request: DelRequest,
    why: &NetdError,
    now: Timestamp,
) -> Result<Answer, ErrorReply> {
    let del = SpooledDel {
        format: FORMAT,
        spooled_at: now,
        socket: conf.socket.to_string_lossy().into_owned(),
        request,
    };
    Spool::new(&conf.spool)
        .write(&del)
        .map_err(|e| ErrorReply {
            code: code::IO_FAILURE,
            msg: format!("netd is away and the DEL could not be recorded: {e}"),
            details: why.to_string(),
        })?;
    Ok(Answer::default())
}

/// CHECK: SPEC.md 1.1.0, "CHECK: Check container's networking is as expected".
pub(crate) fn check(
    document: &Document,
    target: Target,
    netns: NetnsPath,
    context: Context<'_>,
) -> Result<Answer, ErrorReply> {
    document.require(Command::Check, CniVersion::V0_4_0)?;
    let conf = document.net_conf()?;
    let earlier = document.prev_result()?.ok_or_else(|| InputError::Missing {
        key: "prevResult".to_owned(),
    })?;
    let expected = earlier
        .expected(&target.ifname, &netns)
        .ok_or_else(|| ErrorReply {
            code: code::INVALID_CONFIG,
            msg: format!(
                "`prevResult` does not mention the interface {}",
                target.ifname
            ),
            details: String::new(),
        })?;
    let request = CheckRequest {
        version: VERSION,
        key: key(&conf, target),
        netns,
        mac: expected.mac,
        ips: expected.ips,
        routes: expected.routes,
    };
    context
        .netd
        .check(&conf.socket, &request)
        .map_err(|e| failed(e, &conf.socket, code::TRY_AGAIN_LATER))?;
    Ok(Answer::default())
}

/// GC: SPEC.md 1.1.0, "GC: Clean up any stale resources". Without the list of valid attachments
/// nothing is released, and netd is not called.
pub(crate) fn gc(document: &Document, context: Context<'_>) -> Result<Answer, ErrorReply> {
    document.require(Command::Gc, CniVersion::V1_1_0)?;
    let conf = document.net_conf()?;
    let Some(valid) = document.valid_attachments()? else {
        return Ok(Answer {
            note: "flatnet: GC names neither cni.dev/valid-attachments nor cni.dev/attachments: \
                   nothing is released",
            ..Answer::default()
        });
    };
    let request = GcRequest {
        version: VERSION,
        network: conf.name,
        valid,
    };
    let reply = context.netd.gc(&conf.socket, &request).map_err(|e| {
        let mut error = failed(e, &conf.socket, code::TRY_AGAIN_LATER);
        if error.code == code::TRY_AGAIN_LATER {
            error.details = joined(&error.details, "nothing is lost: the runtime repeats a GC");
        }
        error
    })?;
    let note = match reply.kept.is_empty() {
        true => "",
        false => {
            "flatnet: GC keeps attachments that it does not list, since processes live in their \
             namespaces: does another runtime use this network's name? netd's log names them"
        }
    };
    Ok(Answer {
        note,
        ..Answer::default()
    })
}

/// STATUS: SPEC.md 1.1.0, errors 50 and 51.
pub(crate) fn status(document: &Document, context: Context<'_>) -> Result<Answer, ErrorReply> {
    document.require(Command::Status, CniVersion::V1_1_0)?;
    let conf = document.net_conf()?;
    let request = StatusRequest {
        version: VERSION,
        network: conf.network.unwrap_or(conf.name),
    };
    context
        .netd
        .status(&conf.socket, &request)
        .map_err(|e| failed(e, &conf.socket, code::NOT_AVAILABLE))?;
    Ok(Answer::default())
}

/// VERSION: answers in the version of the request even if it is not supported, so that a newer
/// runtime learns which versions are. Empty stdin is accepted.
pub(crate) fn version(input: &[u8]) -> Result<Answer, ErrorReply> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Versions<'a> {
        cni_version: &'a str,
        supported_versions: [&'static str; CniVersion::ALL.len()],
    }
    let document = match Document::parse(input) {
        Err(InputError::Empty) => None,
        parsed => Some(parsed?),
    };
    let asked = document.as_ref().map(Document::asked_version).transpose()?;
    let newest = CniVersion::NEWEST.as_str();
    let text = to_line(&Versions {
        cni_version: asked.filter(|v| version::is_plausible(v)).unwrap_or(newest),
        supported_versions: CniVersion::ALL.map(CniVersion::as_str),
    });
    Ok(Answer {
        text,
        ..Answer::default()
    })
}

/// The CNI error of a failed call: netd's own error if it answered; otherwise one with the code
/// `unavailable`, if netd cannot be reached.
fn failed(error: NetdError, socket: &Path, unavailable: u32) -> ErrorReply {
    match error {
        NetdError::Refused(reply) if reply.code == code::UNSUPPORTED_VERSION => ErrorReply {
            code: reply.code,
            msg: format!(
                "netd does not serve message version {VERSION} of plugin flatnet {}: {}",
                env!("CARGO_PKG_VERSION"),
                reply.msg
            ),
            details: joined(&reply.details, "upgrade the older of the two on this node"),
        },
        // 0 is no error code (SPEC.md 1.1.0, "Error").
        NetdError::Refused(reply) if reply.code == 0 => ErrorReply {
            code: code::INTERNAL,
            ..reply
        },
        NetdError::Refused(reply) => reply,
        error if error.is_unavailable() => ErrorReply {
            code: unavailable,
            msg: error.to_string(),
            details: format!(
                "is netd running on this node? Its socket is {}",
                socket.display()
            ),
        },
        error => ErrorReply {
            code: if unavailable == code::NOT_AVAILABLE {
                unavailable
            } else {
                code::DECODE
            },
            msg: error.to_string(),
            details: format!("is it netd that listens on {}?", socket.display()),
        },
    }
}

fn joined(first: &str, second: &str) -> String {
    if first.is_empty() {
        second.to_owned()
    } else {
        format!("{first}; {second}")
    }
}
