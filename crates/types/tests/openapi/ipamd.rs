//! ipamd's API.

use flatnet_types::ipamd::{
    Drain, ErrorBody, Grants, Grow, HostRanges, Listing, OwnerView, PlanReply, PoolView, Release,
    Report,
};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::operation::{Body, Operation, add};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ipamd",
        description = "The daemon that assigns host ranges: on a unix socket for root, and over TLS for \
                       nodes, readers and admins.",
        version = "1"
    ),
    components(schemas(
        HostRanges, Report, Grants, Listing, Drain, Release, Grow, OwnerView, PoolView, PlanReply,
        ErrorBody,
    ))
)]
struct Ipamd;

/// The parameters of a watch.
const WATCH: &[(&str, &str)] = &[
    (
        "after",
        "The revision that is known: the reply comes when it is another",
    ),
    ("wait", "For how long at most, such as `30s`; at most 60 s"),
];

pub(crate) fn document() -> Document {
    use Body::{Json, List, None, Text};
    let mut document = Ipamd::openapi();
    let ranges = || Json("HostRanges");
    let operations = vec![
        Operation::get("/v1/hosts/{host}/ranges", ranges(), "The ranges of a host")
            .with_query(WATCH),
        Operation::post(
            "/v1/hosts/{host}/use",
            Json("Report"),
            ranges(),
            "What a host holds",
        ),
        Operation::get(
            "/v1/hosts/{host}/peers",
            Json("Grants"),
            "The ranges of the hosts of its segment",
        )
        .with_query(WATCH),
        Operation::get(
            "/v1/grants",
            Json("Grants"),
            "The ranges of all hosts, for route tables",
        )
        .with_query(WATCH),
        Operation::get("/v1/ranges", Json("Listing"), "All leases, and who waits"),
        Operation::post(
            "/v1/ranges/drain",
            Json("Drain"),
            ranges(),
            "Begin or cancel a drain",
        ),
        Operation::post(
            "/v1/ranges/release",
            Json("Release"),
            ranges(),
            "Release a range",
        ),
        Operation::post(
            "/v1/ranges/grow",
            Json("Grow"),
            ranges(),
            "One slice more for a host",
        ),
        Operation::get("/v1/owner", Json("OwnerView"), "Whose an address is")
            .with_query(&[("address", "The address")]),
        Operation::get("/v1/pools", List("PoolView"), "How full the pools are"),
        Operation::get("/v1/plan", Json("PlanReply"), "The accepted plan"),
        Operation::post("/v1/ledger/trust", None, None, "Declare the ledger correct"),
        Operation::get("/metrics", Text, "Metrics, in the format of OpenMetrics"),
        Operation::get(
            "/healthz",
            Text,
            "Whether the ledger answers and its store is writable",
        ),
        Operation::get(
            "/readyz",
            Text,
            "Whether it leads, or stands by and knows who leads",
        ),
    ];
    add(&mut document, operations, "ErrorBody");
    document
}
