//! What a build's pod says of it. Pure.

use flatnet_platform_types::kinds::BUILD_CONTAINERS;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};

use super::settings::Builds;

/// The longest text of an application's own that is shown, in characters.
const SAID_MAX: usize = 400;

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on; what is waited for.
    Running(String),
    /// The image is in the registry.
    Done(String),
    /// It ended without one; why.
    Failed(String),
}

/// What a pod says.
pub(crate) fn progress(pod: &Pod, builds: &Builds) -> Progress {
    let none = Default::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    let statuses = || {
        let all = status.init_container_statuses.iter().flatten();
        all.chain(status.container_statuses.iter().flatten())
    };
    let of = |name: &str| statuses().find(|c| c.name == name);
    match status.phase.as_deref() {
        Some("Succeeded") => match of(BUILD_CONTAINERS[2]).and_then(digest) {
            Some(digest) => Progress::Done(digest),
            None => Progress::Failed(
                "the image was pushed, and the builder did not say its digest".to_owned(),
            ),
        },
        Some("Failed") => Progress::Failed(match status.reason.as_deref() {
            Some("DeadlineExceeded") => {
                format!(
                    "it took longer than {} (--build-time)",
                    humane(builds.time.as_secs())
                )
            }
            Some("Evicted") => evicted(status.message.as_deref().unwrap_or_default(), builds),
            reason => statuses()
                .find_map(|c| Some((c, ended(c)?)).filter(|(_, t)| t.exit_code != 0))
                .map_or_else(
                    || {
                        let reason = reason.unwrap_or("it ended");
                        format!(
                            "{reason}: {}",
                            status.message.as_deref().unwrap_or("no more is known")
                        )
                    },
                    |(container, end)| failed(&container.name, end, builds),
                ),
        }),
        _ => Progress::Running(waits(pod, statuses())),
    }
}

fn ended(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}

/// The digest that the last container wrote as its last word.
fn digest(container: &ContainerStatus) -> Option<String> {
    let text = ended(container)?.message.as_deref()?.trim();
    let digits = text.strip_prefix("sha256:")?;
    let is_digest = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then(|| text.to_owned())
}

fn evicted(message: &str, builds: &Builds) -> String {
    match message.contains("emptyDir") || message.contains("EmptyDir") {
        true => format!("it used more disk than {} (--build-disk)", builds.disk),
        false => format!("its node sent it away: {message}"),
    }
}

fn failed(container: &str, end: &ContainerStateTerminated, builds: &Builds) -> String {
    let step = match container {
        name if name == BUILD_CONTAINERS[0] => "fetching the source",
        name if name == BUILD_CONTAINERS[1] => "building the image",
        _ => "pushing the image",
    };
    let said = end.message.as_deref().unwrap_or_default();
    // A shell says 137 where a child of its was killed; the kernel kills the largest process of a group, and not the first.
    if end.reason.as_deref() == Some("OOMKilled") || said.contains("Killed") && end.exit_code == 137
    {
        return format!(
            "{step} used more memory than {} (--build-memory)",
            builds.memory
        );
    }
    if said.contains("no space left on device") {
        return format!("{step} used more disk than {} (--build-disk)", builds.disk);
    }
    let last: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let last = last[last.len().saturating_sub(4)..].join("\n");
    let skip = last.chars().count().saturating_sub(SAID_MAX);
    let last: String = last.chars().skip(skip).collect();
    match last.is_empty() {
        true => format!("{step} ended with {}", end.exit_code),
        false => format!("{step} ended with {}: {last}", end.exit_code),
    }
}

fn waits<'a>(pod: &Pod, statuses: impl Iterator<Item = &'a ContainerStatus>) -> String {
    for container in statuses {
        let state = container.state.as_ref();
        if let Some(ContainerState {
            waiting: Some(w), ..
        }) = state
        {
            let reason = w.reason.as_deref().unwrap_or_default();
            // What comes next waits for what is before it.
            if !matches!(reason, "" | "PodInitializing" | "ContainerCreating") {
                let message = w.message.as_deref().unwrap_or_default();
                return format!("{} waits: {reason}: {message}", container.name);
            }
        }
        if state.is_some_and(|s| s.running.is_some()) {
            let name = container.name.as_str();
            return match name {
                _ if name == BUILD_CONTAINERS[0] => "the source is fetched".to_owned(),
                _ if name == BUILD_CONTAINERS[1] => "the image is built".to_owned(),
                _ => "the image is pushed".to_owned(),
            };
        }
    }
    let conditions = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let unscheduled = conditions
        .filter(|c| c.type_ == "PodScheduled" && c.status == "False")
        .find_map(|c| c.message.as_deref());
    unscheduled.map_or_else(
        || "its pod starts".to_owned(),
        |why| format!("no node takes its pod: {why}"),
    )
}

fn humane(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, s) => format!("{s} s"),
        (m, 0) => format!("{m} min"),
        (m, s) => format!("{m} min {s} s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(status: &Value) -> Progress {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {}, "status": status})).expect("a pod");
        let builds = Builds {
            cluster: "idc".to_owned(),
            registry: "r".to_owned(),
            insecure: false,
            network: "builds".to_owned(),
            nodes: std::collections::BTreeMap::new(),
            builder: "b".to_owned(),
            time: std::time::Duration::from_secs(90),
            memory: "1Gi".to_owned(),
            disk: "2Gi".to_owned(),
            at_once: 1,
        };
        progress(&pod, &builds)
    }

    fn container(name: &str, state: &Value) -> Value {
        json!({"name": name, "image": "b", "imageID": "", "ready": false, "restartCount": 0, "state": state})
    }

    #[test]
    fn a_digest_is_taken_from_the_last_word_and_from_nothing_else() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let done = |message: &str| {
            of(&json!({"phase": "Succeeded", "containerStatuses": [
                container("push", &json!({"terminated": {"exitCode": 0, "message": message}}))]}))
        };
        assert_eq!(done(&format!("{digest}\n")), Progress::Done(digest.clone()));
        for wrong in ["", "sha256:12", "latest", &format!("{digest} and more")] {
            assert!(matches!(done(wrong), Progress::Failed(_)), "{wrong}");
        }
    }

    #[test]
    fn each_limit_that_is_hit_is_named_with_how_to_change_it() {
        let failed = |status: Value| match of(&status) {
            Progress::Failed(why) => why,
            other => panic!("{other:?}"),
        };
        let time = failed(json!({"phase": "Failed", "reason": "DeadlineExceeded"}));
        assert_eq!(time, "it took longer than 1 min 30 s (--build-time)");
        let disk = failed(json!({"phase": "Failed", "reason": "Evicted",
            "message": "Usage of EmptyDir volume \"work\" exceeds the limit \"2Gi\". "}));
        assert!(disk.contains("--build-disk"), "{disk}");
        let ended = |name: &str, state: &Value| {
            failed(json!({"phase": "Failed", "initContainerStatuses": [container(name, state)]}))
        };
        let memory = ended(
            "image",
            &json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        );
        assert_eq!(
            memory,
            "building the image used more memory than 1Gi (--build-memory)"
        );
        let script = ended(
            "image",
            &json!({"terminated": {"exitCode": 1, "message": "a\n\nb\nc\nd\nbuild.sh: line 3: make: not found\n"}}),
        );
        assert_eq!(
            script,
            "building the image ended with 1: b\nc\nd\nbuild.sh: line 3: make: not found"
        );
        let long = ended(
            "source",
            &json!({"terminated": {"exitCode": 128, "message": "x".repeat(3000)}}),
        );
        assert!(long.len() < SAID_MAX + 100, "{}", long.len());
    }

    #[test]
    fn what_is_waited_for_is_told() {
        let running = |status: Value| match of(&status) {
            Progress::Running(what) => what,
            other => panic!("{other:?}"),
        };
        let pulls = running(
            json!({"phase": "Pending", "initContainerStatuses": [container("source",
            &json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}}))]}),
        );
        assert_eq!(pulls, "source waits: ErrImagePull: not found");
        let builds = running(json!({"phase": "Pending", "initContainerStatuses": [
            container("source", &json!({"terminated": {"exitCode": 0}})),
            container("image", &json!({"running": {}}))]}));
        assert_eq!(builds, "the image is built");
        let full = running(json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]}));
        assert_eq!(full, "no node takes its pod: 0/2 nodes are available");
        assert_eq!(running(json!({})), "its pod starts");
    }
}
