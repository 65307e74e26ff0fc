//! The gate `probe`: every new instance answers 200 to a GET, asked at its own address.

use std::net::IpAddr;
use std::time::Duration;

use flatnet_platform_types::kinds::Verdict;
use flatnet_tls::get::{Getter, NoAnswer};
use futures_util::StreamExt;
use futures_util::stream::iter;

use super::paths;
use super::subjects::{Subjects, Target};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How often an instance is asked before it has failed.
const TRIES: usize = 3;
/// The time between two tries.
const APART: Duration = Duration::from_secs(1);
/// The most that is read of an answer, in bytes.
const LONGEST: usize = 1 << 20;
/// Instances that are asked at a time.
const TOGETHER: usize = 32;

/// What an instance said.
enum Said {
    /// 200.
    Well,
    /// It is there, and answers something else.
    Wrong(String),
    /// Nothing.
    Silent(String),
}

/// `[:PORT]/PATH`: the port, where it is said, and the path.
fn split(probe: &str) -> (Option<u16>, &str) {
    let with_port = probe.strip_prefix(':').and_then(|rest| {
        let (port, path) = rest.split_at(rest.find('/')?);
        Some((port.parse().ok()?, path))
    });
    match with_port {
        Some((port, path)) => (Some(port), path),
        None => (None, probe),
    }
}

/// The URL of a path of an instance; none while it has no address.
fn url(target: &Target, probe: &str) -> Option<String> {
    let (port, path) = split(probe);
    let port = port.or(target.port).unwrap_or(80);
    let address: IpAddr = target.addresses.first()?.parse().ok()?;
    Some(match address {
        IpAddr::V4(v4) => format!("http://{v4}:{port}{path}"),
        IpAddr::V6(v6) => format!("http://[{v6}]:{port}{path}"),
    })
}

async fn one(target: &Target, probe: &str, getter: &Getter) -> Said {
    let Some(url) = url(target, probe) else {
        return Said::Silent("its pod has no address".to_owned());
    };
    let mut said = Said::Well;
    for round in 0..TRIES {
        if round > 0 {
            tokio::time::sleep(APART).await;
        }
        said = match getter.get(&url, ANSWER, LONGEST).await {
            Ok(answer) if answer.status == 200 => return Said::Well,
            Ok(answer) => Said::Wrong(format!("{url} answers {}", answer.status)),
            Err(error @ (NoAnswer::Refused | NoAnswer::Body(_) | NoAnswer::Url(_))) => {
                Said::Wrong(format!("{url}: {error}"))
            }
            Err(error) => Said::Silent(format!("{url}: {error}")),
        };
    }
    said
}

/// Asks all new instances.
pub(super) async fn ask(subjects: &Subjects, probe: &str, getter: &Getter) -> (Verdict, String) {
    // Owned, for what borrows across threads is more than the compiler sees through in a stream.
    let asked = subjects.new.clone().into_iter().map(|target| {
        let (probe, getter) = (probe.to_owned(), getter.clone());
        async move {
            let said = one(&target, &probe, &getter).await;
            (target, said)
        }
    });
    let answers: Vec<(Target, Said)> = iter(asked).buffer_unordered(TOGETHER).collect().await;
    let wrong = answers.iter().find_map(|(target, said)| match said {
        Said::Wrong(what) => Some(format!("{} in {}: {what}", target.pod, target.cluster)),
        _ => None,
    });
    if let Some(wrong) = wrong {
        return (Verdict::Fail, wrong);
    }
    for (target, said) in &answers {
        if let Said::Silent(what) = said {
            let (verdict, path) = paths::blame(subjects, target).await;
            let why = format!("{} in {}: {what}; {path}", target.pod, target.cluster);
            return (verdict, why);
        }
    }
    let count = answers.len();
    (Verdict::Pass, format!("{count} instances answer 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_may_name_its_port() {
        assert_eq!(split("/health"), (None, "/health"));
        assert_eq!(split(":8080/health?x=1"), (Some(8080), "/health?x=1"));
        let mut target = Target {
            cluster: "one".to_owned(),
            pod: "p".to_owned(),
            node: None,
            addresses: vec!["fd00::1".to_owned()],
            port: Some(9000),
        };
        let at = |target: &Target, probe| url(target, probe).expect("it has an address");
        assert_eq!(at(&target, "/a"), "http://[fd00::1]:9000/a");
        target.addresses = vec!["10.0.0.1".to_owned()];
        assert_eq!(at(&target, ":81/a"), "http://10.0.0.1:81/a");
        target.port = None;
        assert_eq!(at(&target, "/a"), "http://10.0.0.1:80/a");
        target.addresses.clear();
        assert_eq!(url(&target, "/a"), None);
    }
}
