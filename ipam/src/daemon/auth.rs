//! The bearer token of callers over TCP (RFC 6750).

use std::io;
use std::path::Path;

use axum::http::{HeaderMap, header};
use flatnet_files::SECRET_MAX;
use subtle::ConstantTimeEq;

/// The shortest valid token, in bytes: 128 bits in hexadecimal digits.
const TOKEN_MIN: usize = 32;
/// The longest valid token, in bytes: it fits a header line.
const TOKEN_MAX: usize = 4096;

/// A secret. It is never printed.
#[derive(Clone)]
pub(crate) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads the token from a file, without leading and trailing white space.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Self::new(flatnet_files::read_text(path, SECRET_MAX)?.trim())
    }

    pub(crate) fn new(text: &str) -> io::Result<Self> {
        let length = TOKEN_MIN..=TOKEN_MAX;
        if !length.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(io::Error::other(format!(
                "a token of {TOKEN_MIN} to {TOKEN_MAX} visible ASCII characters without white space is wanted: `openssl rand -hex 32` makes one"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the request has exactly one `Authorization` header, with this token. Two are
    /// rejected: a proxy may have checked the other one (RFC 9110 §5.3). Compares in constant time.
    pub(crate) fn authenticates(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (first, second) = (values.next(), values.next());
        let given = first
            .filter(|_| second.is_none())
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
    fn only_the_whole_token_authenticates() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token = Token::new(secret).expect("a token");
        assert!(token.authenticates(&bearing(&format!("Bearer {secret}"))));
        assert!(token.authenticates(&bearing(&format!("bearer {secret}"))));
        assert!(!token.authenticates(&bearing(&format!("Basic {secret}"))));
        assert!(!token.authenticates(&bearing(&format!("Bearer {}", &secret[1..]))));
        assert!(!token.authenticates(&bearing(&format!("Bearer {secret}0"))));
        assert!(!token.authenticates(&HeaderMap::new()));
        assert!(!format!("{token:?}").contains("0123"));
        let twice = {
            let mut headers = bearing(&format!("Bearer {secret}"));
            headers.append(header::AUTHORIZATION, "Bearer x".parse().expect("a value"));
            headers
        };
        assert!(!token.authenticates(&twice), "two credentials");
        let two_lines = format!("{secret}\n{secret}");
        let long = "x".repeat(TOKEN_MAX + 1);
        for wrong in ["", "short", &two_lines, &long, &format!("{secret}é")] {
            let refused = Token::new(wrong).expect_err("no token").to_string();
            assert!(!wrong.contains(secret) || !refused.contains(secret));
        }
    }
}
