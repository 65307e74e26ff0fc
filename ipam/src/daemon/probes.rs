//! What a kubelet asks, on an address of its own, in the clear and without credentials: it shows no state but
//! who leads.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use flatnet_daemon::serve::{Limits, serve};
use flatnet_daemon::stop;
use tokio::sync::watch;

use super::listen;
use super::role::Roles;

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 64;

/// The listener of `--probes`.
pub(crate) struct Probes(tokio::net::TcpListener);

impl Probes {
    /// Binds it; `None` without that option.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub(crate) fn open(address: Option<SocketAddr>) -> Result<Option<Self>> {
        let bind = |address| {
            listen::tcp(address).with_context(|| format!("listen on {address} for probes"))
        };
        Ok(address.map(bind).transpose()?.map(Self))
    }

    /// Serves until `stopping` is true.
    pub(crate) async fn serve(
        self,
        roles: Roles,
        stopping: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .with_state(roles);
        let limits = Limits {
            connections: CONNECTIONS_MAX,
        };
        serve(self.0, |_, _| (), router, limits, stop::notified(stopping)).await;
        Ok(())
    }
}

/// `GET /readyz`: whether it leads, or stands by and knows who leads.
pub(crate) async fn ready(State(roles): State<Roles>) -> (StatusCode, String) {
    roles.borrow().readiness()
}
