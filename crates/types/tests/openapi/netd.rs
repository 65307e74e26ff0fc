//! netd's API.

use flatnet_types::api::trace::NodeFacts;
use flatnet_types::api::view::{AttachmentView, NodeView, PlanView, ReconcileView};
use flatnet_types::api::{
    AddReply, AddRequest, CheckReply, CheckRequest, DelReply, DelRequest, ErrorReply, GcReply,
    GcRequest, StatusReply, StatusRequest, VersionReply,
};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::operation::{Body, Operation, add};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "netd",
        description = "The node daemon, on a unix socket for root. Its part of the plan (`spec`), the \
                       ops of a dry run and the observed state are netd's own and not described here.",
        version = "1"
    ),
    components(schemas(
        AddRequest, AddReply, DelRequest, DelReply, CheckRequest, CheckReply, GcRequest, GcReply,
        StatusRequest, StatusReply, VersionReply, ErrorReply, AttachmentView, NodeView<Value>,
        PlanView<Value, Value>, ReconcileView, NodeFacts,
    ))
)]
struct Netd;

pub(crate) fn document() -> Document {
    use Body::{Json, List, None, Text};
    let mut document = Netd::openapi();
    let operations = vec![
        Operation::get("/livez", Text, "Whether the process serves"),
        Operation::get("/readyz", Text, "Whether packets pass and ADD is served"),
        Operation::get("/healthz", Text, "The same as /readyz"),
        Operation::get("/metrics", Text, "Metrics, in the format of OpenMetrics"),
        Operation::get(
            "/v1/version",
            Json("VersionReply"),
            "The versions of its messages",
        ),
        Operation::get("/v1/attachments", List("AttachmentView"), "All attachments"),
        Operation::get(
            "/v1/node",
            Json("NodeView_Value"),
            "The node, its problems and its plan",
        ),
        Operation::get(
            "/v1/plan",
            Json("PlanView_Value_Value"),
            "A dry run of the reconciler",
        ),
        Operation::get(
            "/v1/trace",
            Json("NodeFacts"),
            "What the node does with a packet",
        )
        .with_query(&[
            ("src", "The source address; required"),
            ("dst", "The destination address; required"),
            ("tcp", "The destination port, for TCP"),
            (
                "udp",
                "The destination port, for UDP; with neither it is an ICMP echo",
            ),
            ("back", "`true`: the answer to that packet"),
        ]),
        Operation::post(
            "/v1/reconcile",
            None,
            Json("ReconcileView"),
            "Reconcile now",
        ),
        Operation::post(
            "/v1/cni/add",
            Json("AddRequest"),
            Json("AddReply"),
            "CNI's ADD",
        ),
        Operation::post(
            "/v1/cni/del",
            Json("DelRequest"),
            Json("DelReply"),
            "CNI's DEL",
        ),
        Operation::post(
            "/v1/cni/check",
            Json("CheckRequest"),
            Json("CheckReply"),
            "CNI's CHECK",
        ),
        Operation::post("/v1/cni/gc", Json("GcRequest"), Json("GcReply"), "CNI's GC"),
        Operation::post(
            "/v1/cni/status",
            Json("StatusRequest"),
            Json("StatusReply"),
            "CNI's STATUS",
        ),
    ];
    add(&mut document, operations, "ErrorReply");
    document
}
