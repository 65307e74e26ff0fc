use super::*;

/// A console of four files, one of them by gzip too.
fn console() -> Console {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("below the directory")).expect("a directory");
        fs::write(path, text).expect("written");
    };
    write("index.html", "<!doctype html>");
    write("assets/index-1a2b.js", "let x;");
    write("assets/index-1a2b.js.gz", "zipped");
    write("favicon.svg", "<svg/>");
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.txt")).expect("a link");
    Console::read(dir.path()).expect("a console")
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")))
        .collect()
}

async fn body(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    String::from_utf8(bytes.expect("a body").to_vec()).expect("text")
}

fn get(path: &str) -> Response {
    console().answer(&Method::GET, path, &HeaderMap::new())
}

fn header(response: &Response, name: HeaderName) -> &str {
    let value = response.headers().get(name);
    value.map_or("", |v| v.to_str().expect("text"))
}

#[tokio::test]
async fn an_address_of_the_console_gets_its_page_and_a_file_gets_itself() {
    for page in [
        "/",
        "/index.html",
        "/apps/shop/web",
        "/apps/shop/web.v2/releases/web.v2-1",
    ] {
        let response = get(page);
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&response, CACHE_CONTROL), ASK_AGAIN);
        assert_eq!(body(response).await, "<!doctype html>");
    }
    let script = get("/assets/index-1a2b.js");
    assert_eq!(
        header(&script, CONTENT_TYPE),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(header(&script, CACHE_CONTROL), FOR_EVER);
    assert_eq!(body(script).await, "let x;");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_no_page_and_is_not_kept() {
    for path in [
        "/assets/gone-3c4d.js",
        "/robots.txt",
        "/.git/config",
        "/../../etc/passwd",
        "/assets/../index.html",
        "/assets/index-1a2b.js.gz",
        "/link.txt",
    ] {
        let response = get(path);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn every_answer_forbids_what_is_not_this_servers() {
    for path in ["/", "/assets/index-1a2b.js", "/favicon.svg"] {
        let response = get(path);
        let policy = header(&response, CONTENT_SECURITY_POLICY);
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(&response, REFERRER_POLICY), "no-referrer");
    }
}

#[tokio::test]
async fn who_takes_gzip_gets_it_and_nobody_else() {
    let script = |accept: &str| {
        let headers = headers(&[(ACCEPT_ENCODING, accept)]);
        console().answer(&Method::GET, "/assets/index-1a2b.js", &headers)
    };
    for accept in ["gzip", "br, gzip;q=0.5", "GZIP"] {
        let response = script(accept);
        assert_eq!(header(&response, CONTENT_ENCODING), "gzip", "{accept}");
        assert_eq!(body(response).await, "zipped");
    }
    for refuse in ["br", "gzip;q=0", ""] {
        let response = script(refuse);
        assert_eq!(header(&response, CONTENT_ENCODING), "", "{refuse}");
        assert_eq!(body(response).await, "let x;");
    }
}

#[tokio::test]
async fn who_has_it_is_told_so_and_a_head_has_no_body() {
    let console = console();
    let first = console.answer(&Method::GET, "/", &HeaderMap::new());
    let tag = header(&first, ETAG).to_owned();
    let has = headers(&[(IF_NONE_MATCH, &format!("\"other\", {tag}"))]);
    let again = console.answer(&Method::GET, "/", &has);
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(body(again).await, "");
    let head = console.answer(&Method::HEAD, "/", &HeaderMap::new());
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(body(head).await, "");
    let post = console.answer(&Method::POST, "/", &HeaderMap::new());
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn a_directory_without_a_page_is_no_console() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = Console::read(dir.path()).expect_err("there is none");
    assert!(error.to_string().contains("npm run build"), "{error:#}");
    let error = Console::read(&dir.path().join("nowhere")).expect_err("there is none");
    assert!(format!("{error:#}").contains("nowhere"), "{error:#}");
}
