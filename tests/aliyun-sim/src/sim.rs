//! The simulator without sockets: a request and the time go in, an outcome comes out.
//!
//! ```text
//!             ┌─ /_sim/…   ─▶ control
//!   Request ──┼─ /latest/… ─▶ metadata ─▶ Keys
//!             └─ /         ─▶ faults ─▶ Gateway ─▶ Service ─▶ World
//!                                │          └─▶ log ◀─┘
//!                                └─▶ delays, cuts: the Outcome
//! ```

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{self, Service};
use crate::config::{ConfigError, WorldFile};
use crate::error::ApiError;
use crate::faults::{self, After, Effect, Faults, Instead};
use crate::gateway::{Gateway, Key, Keys, Params, Request};
use crate::metadata::MetadataService;
use crate::time::Timestamp;
use crate::world::{Ids, World};

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body's media type.
    pub media: &'static str,
    /// The answer's body, in the media type above.
    pub body: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// So much later.
    pub delay: Duration,
    /// None: the connection ends without an answer.
    pub reply: Option<Reply>,
}

/// A call in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// Counts from 1.
    pub seq: u64,
    /// When it was done.
    pub at: Timestamp,
    /// The call's name, as far as it was given.
    pub action: String,
    /// The key's ID, where the gateway let the call in.
    pub key: Option<String>,
    /// Its parameters, without signature and token.
    pub params: Params,
    /// What was answered; none: the connection was cut.
    pub status: Option<u16>,
    /// The code of the service's refusal, whatever was answered.
    pub code: Option<String>,
    /// The faults that hit it.
    pub faults: Vec<&'static str>,
    /// The numbers of the events that it caused at once: first, last.
    pub events: Option<(u64, u64)>,
    /// The items of a batch that were done and that failed.
    pub batch: Option<(u64, u64)>,
}

/// The whole simulator.
#[derive(Debug)]
pub struct Sim {
    pub(crate) service: Service,
    pub(crate) gateway: Gateway,
    pub(crate) faults: Faults,
    pub(crate) metadata: Option<MetadataService>,
    pub(crate) log: Vec<LogEntry>,
    ids: Ids,
    host: String,
}

impl Sim {
    /// The simulator of a world file.
    ///
    /// # Errors
    /// As [`World::new`], and a metadata service of an instance that is not there.
    pub fn new(file: &WorldFile, now: Timestamp) -> Result<Self, ConfigError> {
        let world = World::new(file, now)?;
        if let Some(metadata) = &file.metadata {
            let known = world
                .vpcs()
                .values()
                .any(|v| v.hops.contains_key(&metadata.instance));
            if !known {
                let what = format!("there is no instance {}", metadata.instance);
                return Err(ConfigError::wrong("metadata.instance", what));
            }
        }
        let mut keys = Keys::default();
        for (n, key) in file.access_keys.iter().enumerate() {
            if keys.get(&key.id).is_some() {
                let what = format!("the id {} is there twice", key.id);
                return Err(ConfigError::wrong(format!("accessKeys[{n}]"), what));
            }
            keys.put(Key::from_file(key, now));
        }
        let window = Duration::from_secs(file.timings.signature_seconds);
        Ok(Self {
            service: Service::new(world),
            gateway: Gateway::new(keys, file.throttling.clone(), window),
            faults: Faults::new(file.seed),
            metadata: file
                .metadata
                .clone()
                .map(|settings| MetadataService::new(settings, file.seed)),
            log: Vec::new(),
            ids: Ids::new(file.seed ^ 0x7265_7175),
            host: format!("vpc.{}.aliyuncs.com", file.region),
        })
    }

    /// What the faults make of a request, before it is done: `delay_before` is to be waited
    /// for, and the rest handed to [`Sim::handle`].
    pub fn draw(&mut self, request: &Request) -> Effect {
        match kind_of(request) {
            Kind::Control => Effect::default(),
            Kind::Metadata => self.faults.draw(faults::METADATA, &[]),
            Kind::Api => {
                let params = request.params();
                let tables: Vec<&str> = params.values_of("RouteTableId").collect();
                self.faults.draw(&action_of(request), &tables)
            }
        }
    }

    /// Does a request.
    pub fn handle(&mut self, now: Timestamp, request: &Request, effect: &Effect) -> Outcome {
        match kind_of(request) {
            Kind::Control => Outcome::at_once(self.control(now, request)),
            Kind::Metadata => self.metadata(now, request, effect),
            Kind::Api => self.api(now, request, effect),
        }
    }

    /// The service's clock: the machine's and the skew that a fault gives it.
    fn clock(&self, now: Timestamp) -> Timestamp {
        now.shifted(self.faults.clock_skew_ms)
    }

    fn metadata(&mut self, now: Timestamp, request: &Request, effect: &Effect) -> Outcome {
        let clock = self.clock(now);
        let keys = self.gateway.keys_mut();
        let answer = self
            .metadata
            .as_mut()
            .map(|service| service.answer(clock, request, &self.service.world, keys));
        let mut reply = answer.map_or_else(
            || Some(Reply::text(404, "Not Found".to_owned())),
            |answer| Some(Reply::text(answer.status, answer.text)),
        );
        match &effect.instead {
            None => {}
            Some(Instead::Cut) => reply = None,
            Some(Instead::Html(status)) => reply = Some(html(*status)),
            Some(Instead::Error(error)) => {
                reply = Some(Reply::text(error.status(), error.to_string()));
            }
        }
        if effect.after == Some(After::Cut) {
            reply = None;
        }
        Outcome {
            delay: effect.delay_after,
            reply,
        }
    }

    fn api(&mut self, now: Timestamp, request: &Request, effect: &Effect) -> Outcome {
        let seq = u64::try_from(self.log.len()).unwrap_or(u64::MAX - 1) + 1;
        let before = self.service.world.history().after(0).len();
        let params = request.params();
        let format = Format::of(&params);
        let mut key = None;
        let result = match &effect.instead {
            Some(Instead::Error(error)) => Err(error.clone()),
            Some(Instead::Cut | Instead::Html(_)) => Err(faults::internal_error()),
            None => format.clone().and_then(|_| {
                let clock = self.clock(now);
                let call = self.gateway.admit(clock, request, api::is_known)?;
                key = Some(call.key.clone());
                self.service.call(&call, seq, now, effect.half_batch)
            }),
        };
        let request_id = self.ids.uuid();
        let mut reply = self.reply(&action_of(request), &request_id, &result, format.as_ref());
        if effect.after == Some(After::InternalError) {
            let failed = Err(faults::internal_error());
            reply = self.reply(&action_of(request), &request_id, &failed, format.as_ref());
        }
        let reply = match (&effect.instead, effect.after) {
            (Some(Instead::Cut), _) | (_, Some(After::Cut)) => None,
            (Some(Instead::Html(status)), _) => Some(html(*status)),
            _ => Some(reply),
        };
        let history = self.service.world.history().after(0);
        let own = |event: &&crate::world::Event| event.cause == crate::world::Cause::Call(seq);
        let mut caused = history[before..].iter().filter(own).map(|e| e.seq);
        let first = caused.next();
        let events = first.map(|first| (first, caused.next_back().unwrap_or(first)));
        self.log.push(LogEntry {
            seq,
            at: now,
            action: action_of(request),
            key,
            params: params.without_secrets(),
            status: reply.as_ref().map(|reply| reply.status),
            code: result.as_ref().err().map(ApiError::code),
            faults: effect.names.clone(),
            events,
            batch: result.as_ref().ok().and_then(batch_of),
        });
        Outcome {
            delay: effect.delay_after,
            reply,
        }
    }

    fn reply(
        &self,
        action: &str,
        request_id: &str,
        result: &Result<Value, ApiError>,
        format: Result<&Format, &ApiError>,
    ) -> Reply {
        let (status, root, mut body) = match result {
            Ok(body) => (200, format!("{action}Response"), body.clone()),
            Err(error) => {
                let code = error.code();
                let body = json!({
                    "HostId": self.host,
                    "Recommend": format!("https://api.aliyun.com/troubleshoot?q={code}&product=Vpc"),
                    "Message": error.to_string(),
                    "Code": code,
                });
                (error.status(), "Error".to_owned(), body)
            }
        };
        body["RequestId"] = json!(request_id);
        match format {
            Ok(Format::Json) | Err(_) => Reply {
                status,
                media: "application/json;charset=utf-8",
                body: body.to_string(),
            },
            Ok(Format::Xml) => Reply {
                status,
                media: "text/xml;charset=utf-8",
                body: api::to_xml(&root, &body),
            },
        }
    }
}

enum Kind {
    Control,
    Metadata,
    Api,
}

fn kind_of(request: &Request) -> Kind {
    if request.path.starts_with("/_sim") {
        Kind::Control
    } else if request.path.starts_with("/latest") {
        Kind::Metadata
    } else {
        Kind::Api
    }
}

/// The call's name where it is given, in the header of V3 or in the parameters.
fn action_of(request: &Request) -> String {
    let header = request.header("x-acs-action").map(str::to_owned);
    let param = || request.params().get("Action").map(str::to_owned);
    header.or_else(param).unwrap_or_default()
}

/// The form of an answer. XML is the service's default for V1's parameters; a V3 request
/// that says nothing gets JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

impl Format {
    fn of(params: &Params) -> Result<Self, ApiError> {
        let v3 = params.get("Signature").is_none();
        match params.get("Format") {
            None if v3 => Ok(Self::Json),
            None => Ok(Self::Xml),
            Some(name) if name.eq_ignore_ascii_case("json") => Ok(Self::Json),
            Some(name) if name.eq_ignore_ascii_case("xml") => Ok(Self::Xml),
            Some(_) => Err(ApiError::InvalidFormat),
        }
    }
}

impl Reply {
    pub(crate) fn text(status: u16, body: String) -> Self {
        Self {
            status,
            media: "text/plain;charset=utf-8",
            body,
        }
    }
}

impl Outcome {
    fn at_once(reply: Reply) -> Self {
        Self {
            delay: Duration::ZERO,
            reply: Some(reply),
        }
    }
}

fn html(status: u16) -> Reply {
    Reply {
        status,
        media: "text/html",
        body: format!("<html><head><title>{status}</title></head><body>gateway</body></html>"),
    }
}

fn batch_of(body: &Value) -> Option<(u64, u64)> {
    Some((
        body.get("SuccessCount")?.as_u64()?,
        body.get("FailedCount")?.as_u64()?,
    ))
}
