mod calls;
mod codes;
mod keys;
mod listing;
mod signing;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flatnet_clock::{Clock, Rng};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::credentials::from_environment;
use super::encode::{canonical_query, encode};
use super::sign::{Call, sign, v1_signature, v3_signature};
use super::*;
use crate::diff::{CreateReason, DeleteReason, Op};
use crate::model::{EntryKind, NextHop, NextHopKind, NextHops, Status, TableId};

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn credential(id: &str) -> Credential {
    Credential {
        key_id: id.into(),
        secret: Secret::new("top-secret"),
        token: Some(Secret::new("sts-token")),
        expires: None,
    }
}

/// A clock that stands still, and random numbers that count up.
struct Still(Mutex<u128>);

impl Clock for Still {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

impl Rng for Still {
    fn random(&self) -> u128 {
        let mut n = self.0.lock().unwrap();
        *n += 1;
        *n
    }
}

/// Answers requests in turn, and keeps their heads.
struct Scripted {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn new(answers: &[(u16, &str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut answers: VecDeque<String> = answers
            .iter()
            .map(|(status, kind, body)| {
                format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
                     date: Tue, 14 Nov 2023 23:13:20 GMT\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
            })
            .collect();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                kept.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                // Without an answer left the connection is cut.
                if let Some(answer) = answers.pop_front() {
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn client(&self, source: Source, signature: SignatureVersion) -> Client {
        let config = ClientConfig {
            endpoint: self.address.clone(),
            region: "cn-test".into(),
            signature,
        };
        let http = Http::new(Duration::from_secs(2)).unwrap();
        let still = Arc::new(Still(Mutex::new(0)));
        Client::new(
            config,
            http,
            Credentials::new(source),
            Arc::<Still>::clone(&still),
            still,
        )
    }
}

const JSON: &str = "application/json";

fn table() -> TableId {
    TableId("vtb-1".into())
}
