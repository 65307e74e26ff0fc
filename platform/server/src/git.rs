//! What a branch or a tag of a repository stands for.

use std::process::Stdio;
use std::time::Duration;

use flatnet_platform_types::api::Code;
use tokio::process::Command;

use crate::problem::{Refusal, Reply};

/// How long a repository may take to answer: who waits is a person.
const ANSWER: Duration = Duration::from_secs(20);
/// The longest name of a branch or tag.
const LONGEST: usize = 256;
/// How repositories are reached. `ext` and the like would run what a URL says.
const PROTOCOLS: &str = "https:ssh:http";

/// Whether a text is a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a text can be a branch or a tag (git-check-ref-format(1), as far as it keeps options and patterns out).
fn is_reference(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-+@#".contains(c);
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(plain)
        && !text.starts_with(['-', '/', '.'])
        && !text.contains("..")
        && !text.contains("@{")
}

/// The commit that a text stands for: itself, or where a branch or a tag of the repository is.
pub(crate) async fn commit(repo: &str, text: &str) -> Reply<String> {
    if is_commit(text) {
        return Ok(text.to_owned());
    }
    if !is_reference(text) {
        return Err(Refusal::new(
            Code::Invalid,
            format!("{text:?} is neither a commit (40 hexadecimal digits) nor a branch or tag"),
        )
        .field("commit", "is none"));
    }
    // A tag with a message is an object of its own: `^{}` is what it is of.
    let wanted = [
        format!("refs/heads/{text}"),
        format!("refs/tags/{text}"),
        format!("refs/tags/{text}^{{}}"),
    ];
    let listing = Command::new("git")
        .arg("ls-remote")
        .arg("--")
        .arg(repo)
        .args(&wanted)
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let answer = tokio::time::timeout(ANSWER, listing).await;
    let away = |why: String| {
        Refusal::new(
            Code::WrongState,
            format!("repository {repo} does not say where {text} is: {why}"),
        )
        .hint("name the commit itself: 40 hexadecimal digits")
    };
    let answer = answer.map_err(|_| away(format!("no answer within {} s", ANSWER.as_secs())))?;
    let answer = answer.map_err(|e| away(format!("cannot run git: {e}")))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Err(away(
            said.lines().last().unwrap_or_default().trim().to_owned(),
        ));
    }
    found(&String::from_utf8_lossy(&answer.stdout), &wanted).ok_or_else(|| {
        Refusal::new(
            Code::NotFound,
            format!("repository {repo} has no branch or tag {text:?}"),
        )
        .field("commit", "is not there")
    })
}

/// The commit in what `git ls-remote` lists: a branch before a tag of its name.
fn found(listing: &str, wanted: &[String; 3]) -> Option<String> {
    let of = |reference: &String| {
        let mut lines = listing.lines().filter_map(|l| l.split_once('\t'));
        let (commit, _) = lines.find(|(_, name)| name == reference)?;
        is_commit(commit).then(|| commit.to_owned())
    };
    let [branch, tag, peeled] = wanted;
    of(branch).or_else(|| of(peeled)).or_else(|| of(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_would_be_an_option_or_another_transport_is_refused() {
        for text in [
            "--upload-pack=x",
            "-x",
            "a b",
            "",
            "a..b",
            "x@{1}",
            "a\nb",
            "/a",
            ":x",
        ] {
            let refused = commit("https://git.example/x", text)
                .await
                .map_err(|r| r.code());
            assert_eq!(refused, Err(Code::Invalid), "{text}");
        }
        let itself = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(commit("nowhere", itself).await.as_deref(), Ok(itself));
        let outside = commit("ext::sh -c true", "main")
            .await
            .map_err(|r| r.code());
        assert_eq!(outside, Err(Code::WrongState));
    }

    #[test]
    fn a_tag_with_a_message_is_the_commit_that_it_is_of() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let wanted = ["refs/heads/v1", "refs/tags/v1", "refs/tags/v1^{}"].map(str::to_owned);
        let tag = format!("{a}\trefs/tags/v1\n{b}\trefs/tags/v1^{{}}\n");
        assert_eq!(found(&tag, &wanted), Some(b.clone()));
        let plain = format!("{a}\trefs/tags/v1\n");
        assert_eq!(found(&plain, &wanted), Some(a.clone()));
        let branch = format!("{b}\trefs/heads/v1\n{a}\trefs/tags/v1\n");
        assert_eq!(found(&branch, &wanted), Some(b));
        assert_eq!(found("", &wanted), None);
    }
}
