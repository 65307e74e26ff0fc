//! A request's body: JSON of a known shape, in which nothing is ignored.

use axum::extract::{FromRequest, Request};
use flatnet_daemon::serve::{BodyError, read_body};
use flatnet_platform_types::api::Code;
use serde::de::DeserializeOwned;

use crate::problem::{Refusal, Reply};

/// The longest body, in bytes: an object of Kubernetes is at most so long.
const MAX: usize = 1 << 20;

/// The body, and its text for what is compared byte by byte.
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) text: Vec<u8>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Reply<Self> {
        let request = read_body(request, MAX).await.map_err(|error| match error {
            BodyError::Broken => Refusal::new(Code::BadRequest, error.to_string()),
            BodyError::TooLong { .. } | BodyError::TooSlow => {
                Refusal::new(Code::BodyRefused, error.to_string())
            }
        })?;
        let text = axum::body::Bytes::from_request(request, state).await;
        let text = text.map_err(|e| Refusal::new(Code::BadRequest, e.to_string()))?;
        // A request without a body asks for what is usual.
        let read = if text.is_empty() {
            b"{}".as_slice()
        } else {
            &text
        };
        Ok(Self {
            value: parse(read)?,
            text: text.to_vec(),
        })
    }
}

/// Reads a message. A field that is not known is an error: a misspelt one would be ignored without a word.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Reply<T> {
    let mut ignored = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| ignored.push(path.to_string());
    let mut json = serde_json::Deserializer::from_slice(text);
    let strict = serde_ignored::Deserializer::new(&mut json, &mut note);
    let value: T = serde_path_to_error::deserialize(strict).map_err(|error| {
        let field = error.path().to_string();
        let message = error.into_inner().to_string();
        let refusal = Refusal::new(
            Code::BadRequest,
            format!("the request's body cannot be read: {message}"),
        );
        match field.as_str() {
            "." | "" => refusal,
            _ => refusal.field(field, message),
        }
    })?;
    json.end().map_err(|e| {
        Refusal::new(
            Code::BadRequest,
            format!("something follows the request's body: {e}"),
        )
    })?;
    if ignored.is_empty() {
        return Ok(value);
    }
    // Between the brackets of an `Option` the path has a `?`, which is no part of the document's.
    let names: Vec<String> = ignored.iter().map(|path| path.replace(".?", "")).collect();
    let refusal = Refusal::new(
        Code::BadRequest,
        format!(
            "the request's body has fields that are not known: {}",
            names.join(", ")
        ),
    )
    .hint("GET /api/v1/openapi.json tells every field");
    Err(names.into_iter().fold(refusal, |refusal, name| {
        refusal.field(name, "there is no such field")
    }))
}

#[cfg(test)]
mod tests {
    use flatnet_platform_types::api::{AppWrite, ScaleRequest};

    use super::*;

    const APP: &str = r#"{"name": "web", "spec": {"repo": "https://git.example/web", "team": "shop",
        "template": {"name": "plain", "version": 1}, "replicas": 2, "placement": {"locations": [{"name": "one"}]}"#;

    #[test]
    fn a_field_that_is_not_known_is_named_with_its_path() {
        let read = parse::<AppWrite>(format!("{APP}}}}}").as_bytes()).expect("an app");
        assert_eq!(read.spec.replicas, 2);
        let wrong = format!(
            "{APP}, \"relase\": {{}}, \"resources\": {{\"cpuMillis\": 1, \"memoryBytes\": 1, \"cpu\": 1}}}}}}"
        );
        let refusal = parse::<AppWrite>(wrong.as_bytes()).expect_err("two are misspelt");
        assert_eq!(refusal.code(), Code::BadRequest);
        assert!(
            refusal.detail().contains("spec.relase")
                && refusal.detail().contains("spec.resources.cpu"),
            "{refusal:?}"
        );
    }

    #[test]
    fn a_value_of_another_type_is_named_with_its_path() {
        let refusal = parse::<ScaleRequest>(br#"{"replicas": "three"}"#).expect_err("a text");
        assert!(
            format!("{refusal:?}").contains("field: \"replicas\""),
            "{refusal:?}"
        );
        for text in ["", "[", "{\"replicas\": 1} x"] {
            let refusal = parse::<ScaleRequest>(text.as_bytes()).expect_err(text);
            assert_eq!(refusal.code(), Code::BadRequest, "{text}");
        }
    }
}
