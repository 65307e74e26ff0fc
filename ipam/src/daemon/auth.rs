//! The token that callers over TCP bring.

use std::io;
use std::path::Path;

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

/// The shortest token that is taken, in bytes: 128 bits in hexadecimal digits.
const TOKEN_MIN: usize = 32;

/// A secret. It is never printed.
#[derive(Clone)]
pub(crate) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads the token of a file, less white space at its ends.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Self::new(std::fs::read_to_string(path)?.trim())
    }

    pub(crate) fn new(text: &str) -> io::Result<Self> {
        if text.len() < TOKEN_MIN || !text.is_ascii() {
            return Err(io::Error::other(format!(
                "a token of {TOKEN_MIN} ASCII characters at least is wanted: `openssl rand -hex 32` makes one"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the caller has brought it. Takes the same time wherever the first difference
    /// is.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .unwrap_or_default();
        given.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearing(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().expect("a value"));
        headers
    }

    #[test]
    fn only_the_whole_token_is_let_in() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token = Token::new(secret).expect("a token");
        assert!(token.admits(&bearing(&format!("Bearer {secret}"))));
        assert!(token.admits(&bearing(&format!("bearer {secret}"))));
        assert!(!token.admits(&bearing(&format!("Basic {secret}"))));
        assert!(!token.admits(&bearing(&format!("Bearer {}", &secret[1..]))));
        assert!(!token.admits(&bearing(&format!("Bearer {secret}0"))));
        assert!(!token.admits(&HeaderMap::new()));
        assert!(!format!("{token:?}").contains("0123"));
        assert!(Token::new("short").is_err());
    }
}
