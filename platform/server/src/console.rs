//! The web console: the files of its build, read once when the server starts.
//!
//! A file is known by its exact path, so that no path can lead out of the directory. Whatever is neither a file nor the API's
//! is a page of the console, whose script reads the address: it gets index.html.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// The page that every address of the console shows.
const INDEX: &str = "/index.html";
/// Where the build puts what has a hash of its content in its name.
const HASHED: &str = "/assets/";
/// The most that a console may have: more is not one, but somebody's home directory.
const BYTES_MAX: usize = 32 << 20;
/// How deep its directories may be.
const DEPTH_MAX: usize = 4;

/// Nothing but this server's own files and API: no inline script or style, no other origin, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A name with a hash never has another content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// It may be kept, and is asked for each time: an upgrade is seen at once.
const ASK_AGAIN: &str = "no-cache";

/// A file as it is served.
#[derive(Debug)]
struct File {
    content: Vec<u8>,
    /// The same by gzip, where the build made that.
    gzip: Option<Vec<u8>>,
    kind: &'static str,
    tag: String,
}

/// The console's files by their paths.
#[derive(Debug)]
pub(crate) struct Console(BTreeMap<String, File>);

impl Console {
    /// Reads what `npm run build` made.
    ///
    /// # Errors
    /// If the directory cannot be read, has no index.html or has too much in it.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let mut found = BTreeMap::new();
        let mut left = BYTES_MAX;
        collect(dir, "", 0, &mut left, &mut found)
            .with_context(|| format!("read the console in {}", dir.display()))?;
        ensure!(
            found.contains_key(INDEX),
            "there is no index.html in {}: --console wants what `npm run build` made of platform/console",
            dir.display()
        );
        let mut zipped = BTreeMap::new();
        found.retain(|path, content| match path.strip_suffix(".gz") {
            None => true,
            Some(of) => {
                zipped.insert(of.to_owned(), std::mem::take(content));
                false
            }
        });
        let file = |(path, content): (String, Vec<u8>)| {
            let file = File {
                gzip: zipped.remove(&path),
                kind: kind(&path),
                tag: tag(&content),
                content,
            };
            (path, file)
        };
        Ok(Self(found.into_iter().map(file).collect()))
    }

    /// Answers a request for a path that is not the API's.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        if method != Method::GET && method != Method::HEAD {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
        }
        let Some((path, file)) = self.find(path) else {
            let text =
                "the console has no such file; it may have been upgraded: load the page again\n";
            return (StatusCode::NOT_FOUND, [(CACHE_CONTROL, "no-store")], text).into_response();
        };
        let mut response = match asks_for(headers, &file.tag) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => file.whole(method, headers),
        };
        let cache = match path.starts_with(HASHED) {
            true => FOR_EVER,
            false => ASK_AGAIN,
        };
        let out = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| {
            out.insert(name, HeaderValue::from_static(value));
        };
        set(CACHE_CONTROL, cache);
        set(VARY, "accept-encoding");
        set(CONTENT_SECURITY_POLICY, POLICY);
        set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(REFERRER_POLICY, "no-referrer");
        set(
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        );
        if let Ok(tag) = HeaderValue::from_str(&file.tag) {
            out.insert(ETAG, tag);
        }
        response
    }

    /// The file of a path. A missing one is a page, unless its name says that it is a file.
    fn find(&self, path: &str) -> Option<(&str, &File)> {
        let found = self.0.get_key_value(path);
        let is_page = || {
            // Names of teams and applications may have dots, but a page has no dot in its first part.
            let first = path.trim_start_matches('/').split('/').next();
            !path.starts_with(HASHED) && !first.is_some_and(|first| first.contains('.'))
        };
        let found = found.or_else(|| self.0.get_key_value(INDEX).filter(|_| is_page()));
        found.map(|(path, file)| (path.as_str(), file))
    }
}

impl File {
    fn whole(&self, method: &Method, headers: &HeaderMap) -> Response {
        let (content, encoding) = match &self.gzip {
            Some(zipped) if accepts_gzip(headers) => (zipped, Some("gzip")),
            _ => (&self.content, None),
        };
        let body = match *method == Method::HEAD {
            true => Body::empty(),
            false => Body::from(content.clone()),
        };
        let mut response = ([(CONTENT_TYPE, self.kind)], body).into_response();
        if let Some(encoding) = encoding {
            let out = response.headers_mut();
            out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }
}

/// All files below a directory, by their paths below it.
fn collect(
    dir: &Path,
    below: &str,
    depth: usize,
    left: &mut usize,
    found: &mut BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    ensure!(
        depth <= DEPTH_MAX,
        "its directories are more than {DEPTH_MAX} deep"
    );
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .with_context(|| format!("{name:?} is no name in UTF-8"))?;
        let path = format!("{below}/{name}");
        // Not followed: a link could lead anywhere.
        let what = entry.file_type()?;
        if what.is_dir() {
            collect(&entry.path(), &path, depth + 1, left, found)?;
        } else if what.is_file() {
            let size = usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX);
            *left = left
                .checked_sub(size)
                .with_context(|| format!("it has more than {} MiB in all", BYTES_MAX >> 20))?;
            found.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

fn tag(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    let digits: String = hash[..8].iter().map(|b| format!("{b:02x}")).collect();
    // Weak: the same by gzip has it too (RFC 9110 §8.8.1).
    format!("W/\"{digits}\"")
}

/// Whether the caller has what the tag stands for (RFC 9110 §13.1.2).
fn asks_for(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = tags
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    tags.any(|t| t.trim() == tag)
}

/// Whether the caller takes gzip (RFC 9110 §12.5.3); weights other than none at all do not matter here.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = values
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight, Some(Ok(w)) if w <= 0.0)
    })
}

/// The media type by a name's end.
fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
