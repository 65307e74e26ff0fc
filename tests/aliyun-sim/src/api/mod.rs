//! The calls of the service: from parameters to the world and back to a body.
//!
//! ```text
//!   Call ─▶ ACTIONS ─▶ entries (write) ─┐
//!                  └─▶ listing, routers ┴─▶ World ─▶ serde_json::Value ─▶ JSON or XML
//! ```

mod entries;
mod idempotence;
mod listing;
mod pages;
mod routers;
mod xml;

use serde_json::Value;

pub use xml::to_xml;

use crate::error::ApiError;
use crate::gateway::{Call, Params};
use crate::time::Timestamp;
use crate::world::World;

/// A call on its way through the service.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// The call's parameters, without signature and token.
    pub params: &'c Params,
    /// The key that makes it.
    pub key: &'c str,
    /// Its number in the log.
    pub number: u64,
    /// When the call came, by the simulator's clock.
    pub now: Timestamp,
    /// A fault: of a batch, only the first half is done.
    pub half_batch: bool,
}

/// The service: the world, and what it remembers of its callers.
#[derive(Debug)]
pub struct Service {
    /// The state that the calls read and change.
    pub world: World,
    pages: pages::Pages,
    tokens: idempotence::Tokens,
}

type Reply = Result<Value, ApiError>;
type Handler = fn(&mut Service, &Context<'_>) -> Reply;

const ACTIONS: &[(&str, Handler)] = &[
    ("CreateRouteEntry", entries::create),
    ("CreateRouteEntries", entries::create_batch),
    ("DeleteRouteEntry", entries::delete),
    ("DeleteRouteEntries", entries::delete_batch),
    ("ModifyRouteEntry", entries::modify),
    ("DescribeRouteEntryList", listing::entries),
    ("DescribeRouteTableList", routers::route_tables),
    ("DescribeVpcs", routers::vpcs),
    ("DescribeVSwitches", routers::v_switches),
    ("DescribeVRouters", routers::v_routers),
    ("DescribeRouterInterfaces", routers::router_interfaces),
    (
        "DescribeVirtualBorderRouters",
        routers::virtual_border_routers,
    ),
];

/// Whether the service has a call of that name.
pub fn is_known(action: &str) -> bool {
    ACTIONS.iter().any(|(name, _)| *name == action)
}

/// The names of all calls.
pub fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|(name, _)| *name)
}

impl Service {
    /// The service of a world.
    pub fn new(world: World) -> Self {
        Self {
            world,
            pages: pages::Pages::default(),
            tokens: idempotence::Tokens::default(),
        }
    }

    /// Does a call; the body lacks the `RequestId`.
    ///
    /// # Errors
    /// The service's refusal. A call that is refused as a whole changes nothing.
    pub fn call(&mut self, call: &Call, number: u64, now: Timestamp, half_batch: bool) -> Reply {
        self.world.advance(now);
        let region = call
            .params
            .get("RegionId")
            .ok_or(ApiError::MissingParameter("RegionId"))?;
        if region != self.world.region {
            return Err(ApiError::RegionNotFound(region.to_owned()));
        }
        let context = Context {
            params: &call.params,
            key: &call.key,
            number,
            now,
            half_batch,
        };
        let handler = ACTIONS.iter().find(|(name, _)| *name == call.action);
        let (_, handler) = handler.ok_or(ApiError::ActionNotFound)?;
        handler(self, &context)
    }
}

#[cfg(test)]
mod tests;
