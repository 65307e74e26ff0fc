//! vpc-route's API.

use flatnet_types::tables::{Refused, Tables};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::operation::{Body, Operation, add};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "vpc-route",
        description = "The route controller, on a unix socket for root.",
        version = "1"
    ),
    components(schemas(Tables, Refused))
)]
struct VpcRoute;

pub(crate) fn document() -> Document {
    let mut document = VpcRoute::openapi();
    let tables = Body::Json("Tables");
    let operations = vec![Operation::get(
        "/v1/tables",
        tables,
        "Every route table, as it should be and as it is, listed anew",
    )];
    add(&mut document, operations, "Refused");
    document
}
