//! Server-sent events (WHATWG HTML §9.2) that go on where they were after a connection is lost.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;

use crate::call::{Client, Error};

/// The pauses between connections: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// For how long a server that was there may be away before that is told.
const AWAY: Duration = Duration::from_secs(60);
/// For how long nothing may come: the server says that it lives every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest line, in bytes.
const LONGEST: usize = 4 << 20;

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its ID, by which the events after it are asked for.
    pub id: Option<String>,
    /// Its data.
    pub data: String,
}

/// The events at a path.
#[derive(Debug)]
pub struct Events {
    client: Client,
    path: String,
    last: Option<String>,
    body: Option<Incoming>,
    parser: Parser,
    was_there: bool,
}

impl Events {
    /// The events at a path below `/api/v1`, from the beginning.
    pub fn new(client: &Client, path: &str) -> Self {
        Self {
            client: client.clone(),
            path: path.to_owned(),
            last: None,
            body: None,
            parser: Parser::default(),
            was_there: false,
        }
    }

    /// The next event. A connection that is lost is made anew, and goes on after the last event; the caller stops asking
    /// at the event that it takes for the end. Cancel safe.
    ///
    /// # Errors
    /// A refusal, or that the server has been away for a minute; at the first connection, at once.
    pub async fn next(&mut self) -> Result<Event, Error> {
        let (mut pause, mut away) = (PAUSES.0, Duration::ZERO);
        loop {
            if let Some(event) = self.parser.events.pop_front() {
                if event.id.is_some() {
                    self.last.clone_from(&event.id);
                }
                return Ok(event);
            }
            let Some(body) = &mut self.body else {
                match self.connect().await {
                    Ok(()) => self.was_there = true,
                    Err(error @ Error::Away { .. }) if self.was_there && away < AWAY => {
                        drop(error);
                        tokio::time::sleep(pause).await;
                        away += pause;
                        pause = (pause * 2).min(PAUSES.1);
                    }
                    Err(error) => return Err(error),
                }
                continue;
            };
            match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.parser
                            .take(&data)
                            .map_err(|what| self.client.foreign(what))?;
                    }
                }
                // The end of the stream or of the connection, or one that vanished without a word.
                Ok(Some(Err(_)) | None) | Err(_) => {
                    self.body = None;
                    self.parser.rest.clear();
                    tokio::time::sleep(PAUSES.0).await;
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let headers: Vec<(&str, &str)> = self
            .last
            .iter()
            .map(|id| ("last-event-id", id.as_str()))
            .collect();
        let answer = self
            .client
            .send(Method::GET, &self.path, Vec::new(), &headers)
            .await?;
        self.body = Some(answer.into_body());
        self.parser = Parser::default();
        Ok(())
    }
}

/// Lines to events.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    now: Event,
    has_data: bool,
    events: VecDeque<Event>,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8(line).map_err(|_| "an event is no UTF-8")?;
            self.line(line.trim_end_matches(['\n', '\r']));
        }
        match self.rest.len() > LONGEST {
            true => Err("an event has no end"),
            false => Ok(()),
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.now);
            if std::mem::take(&mut self.has_data) {
                self.events.push_back(event);
            }
            return;
        }
        // A line that begins with a colon keeps the connection alive.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.now.name),
            "id" => self.now.id = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.now.data.push('\n');
                }
                self.now.data.push_str(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = b": alive\n\nevent: release\nid: 7\ndata: {\"a\":\ndata: 1}\n\nevent: end\r\ndata: Done\r\n\r\n";
        for size in [1, 2, 3, 7, text.len()] {
            let mut parser = Parser::default();
            for piece in text.chunks(size) {
                parser.take(piece).expect("text");
            }
            let told: Vec<_> = parser
                .events
                .iter()
                .map(|e| (e.name.as_str(), e.id.as_deref(), e.data.as_str()))
                .collect();
            assert_eq!(
                told,
                [("release", Some("7"), "{\"a\":\n1}"), ("end", None, "Done")],
                "{size}"
            );
        }
        let mut endless = Parser::default();
        assert!(endless.take(&vec![b'x'; LONGEST + 1]).is_err());
    }
}
