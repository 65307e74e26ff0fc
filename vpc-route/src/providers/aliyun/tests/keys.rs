//! Where access keys come from, and that they do not show.

use super::*;

#[test]
fn a_secret_does_not_show_in_debug_output() {
    let shown = format!("{:?}", credential("key-id"));
    assert!(shown.contains("key-id"));
    assert!(!shown.contains("top-secret") && !shown.contains("sts-token"));
}

#[test]
fn the_environment_is_named_where_it_lacks_something() {
    let error = from_environment(|_| None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the environment has no ALIBABA_CLOUD_ACCESS_KEY_ID"
    );
    let found = from_environment(|name| Some(name.to_lowercase())).unwrap();
    assert_eq!(found.secret.expose(), "alibaba_cloud_access_key_secret");
}

#[tokio::test]
async fn a_key_file_that_is_wrong_is_named_and_not_repeated() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "{\"accessKeyId\": \"id\", \"accessKeySecret\": s3cr3t}",
    )
    .unwrap();
    let credentials = Credentials::new(Source::File(file.path().to_owned()));
    let error = credentials.get(SystemTime::now()).await.unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    assert!(!format!("{error:?}").contains("s3cr3t"));
    std::fs::write(
        file.path(),
        "{\"accessKeyId\": \"id\", \"accessKeySecret\": \"s3cr3t\"}",
    )
    .unwrap();
    assert_eq!(
        credentials.get(SystemTime::now()).await.unwrap().key_id,
        "id"
    );
}

fn role(expires: &str, id: &str) -> String {
    format!(
        "{{\"Code\":\"Success\",\"AccessKeyId\":\"{id}\",\"AccessKeySecret\":\"s\",\
         \"SecurityToken\":\"t\",\"Expiration\":\"{expires}\"}}"
    )
}

fn instance(server: &Scripted) -> Credentials {
    let http = Http::new(Duration::from_secs(2)).unwrap();
    Credentials::new(Source::Instance {
        metadata: Metadata::new(http, server.address.clone()),
        role: None,
    })
}

#[tokio::test]
async fn a_role_is_renewed_before_it_expires_and_kept_while_it_is_good() {
    let (first, second) = (
        role("2030-01-01T01:00:00Z", "a"),
        role("2030-01-01T02:00:00Z", "b"),
    );
    let server = Scripted::new(&[
        (200, "text/plain", "token-1"),
        (200, "text/plain", "flatnet-role"),
        (200, JSON, &first),
        (200, "text/plain", "flatnet-role"),
        (200, JSON, &second),
    ])
    .await;
    let credentials = instance(&server);
    let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
    assert_eq!(
        credentials
            .get(at("2030-01-01T00:00:00Z"))
            .await
            .unwrap()
            .key_id,
        "a"
    );
    assert_eq!(
        credentials
            .get(at("2030-01-01T00:54:00Z"))
            .await
            .unwrap()
            .key_id,
        "a"
    );
    assert_eq!(server.heads().len(), 3);
    assert_eq!(
        credentials
            .get(at("2030-01-01T00:56:00Z"))
            .await
            .unwrap()
            .key_id,
        "b"
    );
    let heads = server.heads();
    assert!(heads[0].starts_with("PUT /latest/api/token"));
    assert!(
        heads[0]
            .to_lowercase()
            .contains("metadata-token-ttl-seconds: 21600")
    );
    assert!(heads[2].starts_with("GET /latest/meta-data/ram/security-credentials/flatnet-role"));
    assert!(heads[2].contains("token-1"));
    // The service is gone: the key that is good for another hour serves on.
    assert_eq!(
        credentials
            .get(at("2030-01-01T01:58:00Z"))
            .await
            .unwrap()
            .key_id,
        "b"
    );
    assert!(credentials.get(at("2030-01-01T02:00:00Z")).await.is_err());
}

#[tokio::test]
async fn a_metadata_token_that_is_refused_is_asked_for_again() {
    let key = role("2030-01-01T01:00:00Z", "a");
    let server = Scripted::new(&[
        (200, "text/plain", "token-1"),
        (401, "text/plain", ""),
        (200, "text/plain", "token-2"),
        (200, "text/plain", "r"),
        (200, JSON, &key),
    ])
    .await;
    assert_eq!(instance(&server).get(UNIX_EPOCH).await.unwrap().key_id, "a");
    assert!(server.heads()[4].contains("token-2"));
}

#[tokio::test]
async fn an_instance_without_a_role_is_told_so() {
    let server = Scripted::new(&[(200, "text/plain", "t"), (404, "text/html", "no")]).await;
    let error = instance(&server).get(UNIX_EPOCH).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is a RAM role bound to the instance?"),
        "{error}"
    );
}

fn assumed(expires: &str, id: &str) -> String {
    format!(
        "{{\"RequestId\":\"r\",\"Credentials\":{{\"AccessKeyId\":\"{id}\",\"AccessKeySecret\":\"s\",\
         \"SecurityToken\":\"t\",\"Expiration\":\"{expires}\"}}}}"
    )
}

#[tokio::test]
async fn a_service_accounts_token_is_exchanged_for_a_roles_key_and_read_again_for_the_next() {
    let (first, second) = (
        assumed("2030-01-01T01:00:00Z", "a"),
        assumed("2030-01-01T02:00:00Z", "b"),
    );
    let refused = "{\"Code\":\"AuthenticationFail.OIDCToken.Expired\",\"Message\":\"too old\"}";
    let server = Scripted::new(&[
        (200, JSON, &first),
        (200, JSON, &second),
        (400, JSON, refused),
    ])
    .await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "header.claims.one\n").unwrap();
    let credentials = Credentials::new(Source::Oidc(Oidc {
        http: Http::new(Duration::from_secs(2)).unwrap(),
        endpoint: server.address.clone(),
        role_arn: Some("acs:ram::1:role/routes".into()),
        provider_arn: Some("acs:ram::1:oidc-provider/cluster".into()),
        token_file: Some(token.path().to_owned()),
    }));
    let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
    let key = credentials.get(at("2030-01-01T00:00:00Z")).await.unwrap();
    assert_eq!((key.key_id.as_str(), key.token.is_some()), ("a", true));
    // The kubelet has written another one.
    std::fs::write(token.path(), "header.claims.two\n").unwrap();
    let key = credentials.get(at("2030-01-01T00:56:00Z")).await.unwrap();
    assert_eq!(key.key_id, "b");
    let heads = server.heads();
    assert!(
        heads[0].starts_with("GET /?Action=AssumeRoleWithOIDC&"),
        "{}",
        heads[0]
    );
    assert!(heads[0].contains("RoleArn=acs%3Aram%3A%3A1%3Arole%2Froutes"));
    assert!(heads[0].contains("OIDCToken=header.claims.one"));
    assert!(heads[1].contains("OIDCToken=header.claims.two"));
    let error = credentials
        .get(at("2030-01-01T03:00:00Z"))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("OIDCToken.Expired") && text.contains("trust policy"),
        "{text}"
    );
    assert!(!format!("{error:?}").contains("header.claims"));
}
