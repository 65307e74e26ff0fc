//! The metadata service of an instance: `100.100.100.200` in the cloud.
//!
//! IMDSv1 (plain GET) and IMDSv2 (`PUT /latest/api/token` first); the role's STS
//! credentials are real keys of the API, and new ones come before the old ones end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::config::Metadata;
use crate::gateway::{Key, Keys, Request};
use crate::time::Timestamp;
use crate::world::{Ids, World};

const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
/// The longest life of a token, in seconds.
const TTL_MOST: u64 = 21_600;
const ROOT: &str = "/latest/meta-data/";

/// An answer: HTTP status and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The answer's body.
    pub text: String,
}

/// The service and what it has given out.
#[derive(Debug)]
pub struct MetadataService {
    settings: Metadata,
    ids: Ids,
    tokens: BTreeMap<String, Timestamp>,
    current: Option<(String, Timestamp)>,
}

impl MetadataService {
    /// The service of the world file.
    pub fn new(settings: Metadata, seed: u64) -> Self {
        Self {
            settings,
            ids: Ids::new(seed ^ 0x6d65_7461),
            tokens: BTreeMap::new(),
            current: None,
        }
    }

    /// Answers a request below `/latest/`.
    pub fn answer(
        &mut self,
        now: Timestamp,
        request: &Request,
        world: &World,
        keys: &mut Keys,
    ) -> Answer {
        if request.path == "/latest/api/token" {
            return self.token(now, request);
        }
        if request.method != "GET" {
            return Answer::of(405, "Method Not Allowed");
        }
        self.tokens.retain(|_, end| now < *end);
        match request.header(TOKEN) {
            Some(token) if !self.tokens.contains_key(token) => {
                return Answer::of(401, "Unauthorized");
            }
            None if self.settings.token_required => return Answer::of(403, "Forbidden"),
            Some(_) | None => {}
        }
        let Some(path) = request.path.strip_prefix(ROOT) else {
            return Answer::of(404, "Not Found");
        };
        match path.strip_prefix("ram/security-credentials/") {
            Some("") => Answer::of(200, &self.settings.role),
            Some(role) if role == self.settings.role => self.credentials(now, keys),
            Some(_) => Answer::of(404, "Not Found"),
            None => self.plain(path, world),
        }
    }

    /// What a path of one line says.
    fn plain(&self, path: &str, world: &World) -> Answer {
        let id = &self.settings.instance;
        let found = world
            .vpcs()
            .iter()
            .find_map(|(vpc_id, vpc)| Some((vpc_id, vpc, vpc.hops.get(id)?)));
        let text = found.and_then(|(vpc_id, vpc, instance)| match path {
            "instance-id" => Some(id.clone()),
            "region-id" => Some(world.region.clone()),
            "owner-account-id" => Some(world.account.clone()),
            "vpc-id" => Some(vpc_id.clone()),
            "vpc-cidr-block" => vpc.cidrs.first().map(ToString::to_string),
            "vswitch-id" => instance.v_switch.clone(),
            "mac" => instance.mac.clone(),
            "private-ipv4" => instance
                .addresses
                .iter()
                .find(|a| a.is_ipv4())
                .map(ToString::to_string),
            _ => None,
        });
        text.map_or_else(
            || Answer::of(404, "Not Found"),
            |text| Answer::of(200, &text),
        )
    }

    fn token(&mut self, now: Timestamp, request: &Request) -> Answer {
        let ttl = request.header(TTL).and_then(|t| t.parse::<u64>().ok());
        match ttl {
            _ if request.method != "PUT" => Answer::of(405, "Method Not Allowed"),
            Some(ttl) if (1..=TTL_MOST).contains(&ttl) => {
                let token = self.ids.word(56);
                self.tokens
                    .insert(token.clone(), now.plus(Duration::from_secs(ttl)));
                Answer::of(200, &token)
            }
            _ => Answer::of(400, "Bad Request"),
        }
    }

    /// Forgets all tokens, as a restart of the service does.
    pub fn drop_tokens(&mut self) {
        self.tokens.clear();
    }

    /// The role's credentials: the same until shortly before they end.
    fn credentials(&mut self, now: Timestamp, keys: &mut Keys) -> Answer {
        let life = Duration::from_secs(self.settings.credential_seconds);
        let early = Duration::from_secs(self.settings.renew_before_seconds);
        let good = |(_, end): &(String, Timestamp)| now.plus(early) < *end;
        let (id, expires) = match self.current.clone().filter(good) {
            Some(current) => current,
            None => {
                let id = format!("STS.{}", self.ids.word(26));
                keys.put(Key {
                    id: id.clone(),
                    secret: self.ids.word(44),
                    token: Some(self.ids.word(120)),
                    expires: Some(now.plus(life)),
                    allow: self.settings.allow.clone(),
                    inactive: false,
                });
                self.current = Some((id.clone(), now.plus(life)));
                (id, now.plus(life))
            }
        };
        let Some(key) = keys.get(&id) else {
            return Answer::of(404, "Not Found");
        };
        let body = json!({
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.token,
            "Expiration": expires.iso(),
            "LastUpdated": now.iso(),
            "Code": "Success",
        });
        Answer::of(200, &body.to_string())
    }
}

impl Answer {
    fn of(status: u16, text: &str) -> Self {
        Self {
            status,
            text: text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WorldFile;

    const EXAMPLE: &str = include_str!("../examples/world.yaml");

    struct Rig {
        service: MetadataService,
        world: World,
        keys: Keys,
    }

    impl Rig {
        fn new(change: impl Fn(&mut Metadata)) -> Self {
            let file = WorldFile::parse(EXAMPLE).expect("the example is valid");
            let mut settings = file.metadata.clone().expect("it has one");
            change(&mut settings);
            Self {
                service: MetadataService::new(settings, 0),
                world: World::new(&file, Timestamp(0)).expect("a world"),
                keys: Keys::default(),
            }
        }

        fn get(&mut self, seconds: u64, path: &str) -> Answer {
            let request = Request {
                method: "GET".to_owned(),
                path: format!("/latest/meta-data/{path}"),
                ..Request::default()
            };
            let now = Timestamp(seconds * 1000);
            self.service
                .answer(now, &request, &self.world, &mut self.keys)
        }

        fn key(&mut self, seconds: u64) -> String {
            let answer = self.get(seconds, "ram/security-credentials/FlatnetRoutes");
            let body: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
            body["AccessKeyId"].as_str().expect("a key").to_owned()
        }
    }

    #[test]
    fn new_credentials_come_before_the_old_ones_end_and_both_are_good_then() {
        let mut rig = Rig::new(|settings| {
            settings.credential_seconds = 100;
            settings.renew_before_seconds = 30;
        });
        let first = rig.key(0);
        assert_eq!(rig.key(69), first);
        let second = rig.key(70);
        assert_ne!(second, first);
        let end = |id: &str| rig.keys.get(id).and_then(|key| key.expires);
        assert_eq!(end(&first), Some(Timestamp(100_000)));
        assert_eq!(end(&second), Some(Timestamp(170_000)));
    }

    #[test]
    fn without_a_token_nothing_is_said_where_one_is_required() {
        let mut rig = Rig::new(|settings| settings.token_required = true);
        assert_eq!(rig.get(0, "instance-id").status, 403);
    }

    #[test]
    fn what_there_is_not_is_not_found() {
        let mut rig = Rig::new(|_| ());
        assert_eq!(rig.get(0, "instance-id").text, "i-vpc1");
        for path in ["", "nothing", "ram/security-credentials/Other"] {
            assert_eq!(rig.get(0, path).status, 404, "{path}");
        }
    }
}
