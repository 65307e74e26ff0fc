//! netd's socket while a node that has never had a plan waits for one: it lives, and says why it is not ready.

use std::error::Error;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use flatnet_daemon::serve::{Limits, serve};
use flatnet_daemon::socket::{self, Peer};
use flatnet_daemon::stop;
use flatnet_types::api::{ErrorReply, code};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, warn};

use crate::server::{only_root, refusal, version};

/// The most connections at a time: a plugin that waits, and who asks why.
const CONNECTIONS: usize = 64;

/// Answers on netd's socket until there is a plan.
pub(crate) struct Waiting {
    socket: PathBuf,
    why: watch::Sender<String>,
    serving: Option<(JoinHandle<()>, watch::Sender<bool>)>,
}

impl Waiting {
    /// Nothing is served until there is something to tell.
    pub(crate) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            why: watch::Sender::new(String::new()),
            serving: None,
        }
    }

    /// Says from now on that this is why there is no plan; in one line.
    pub(crate) fn tell(&mut self, why: &(dyn Error + 'static)) -> String {
        let mut text = why.to_string();
        let mut cause = why.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if *self.why.borrow() != text {
            warn!(why = text, "waiting for a plan");
            self.why.send_replace(text.clone());
        }
        if self.serving.is_none() {
            self.serving = self.serve();
        }
        text
    }

    fn serve(&self) -> Option<(JoinHandle<()>, watch::Sender<bool>)> {
        let listener = match socket::bind("netd", &self.socket) {
            Ok(listener) => listener,
            Err(e) => {
                error!(error = %e, "nobody can be told that netd waits for a plan");
                return None;
            }
        };
        let (stop, stopping) = watch::channel(false);
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/v1/version", get(version))
            .fallback(not_yet)
            .layer(middleware::from_fn(only_root))
            .with_state(self.why.subscribe());
        let limits = Limits {
            connections: CONNECTIONS,
        };
        let server = serve(
            listener,
            |io: &tokio::net::UnixStream, _| Peer::of(io),
            router,
            limits,
            stop::notified(stopping),
        );
        Some((tokio::spawn(server), stop))
    }

    /// Serves no longer: netd itself does now.
    pub(crate) async fn end(self) {
        if let Some((serving, stop)) = self.serving {
            stop.send_replace(true);
            // It ends when its requests have: each is answered at once.
            let _ = serving.await;
        }
    }
}

/// Every request but those above.
async fn not_yet(State(why): State<watch::Receiver<String>>) -> Response {
    let error = ErrorReply {
        code: code::TRY_AGAIN_LATER,
        msg: format!("this node has no plan yet: {}", why.borrow().as_str()),
        details: "netd starts by itself when there is one".to_owned(),
    };
    refusal(StatusCode::SERVICE_UNAVAILABLE, error)
}
