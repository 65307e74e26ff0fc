//! A build as objects of the member: the Job and the Secret with which it pushes. Pure.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flatnet_platform_types::kinds::{
    BUILD_CONTAINERS, BUILD_LABEL, BUILDS_NAMESPACE, BuildSpec, TEAM_LABEL, TemplateSpec,
};
use serde_json::{Value, json};

use super::settings::Builds;

/// For how long a build that ended is kept with its log, in seconds.
const KEPT: u32 = 86_400;
/// The user and group of the builder's image.
const USER: u32 = 1000;
/// The profile of system calls, which deploy/platform/builds.yaml puts on nodes.
const SECCOMP: &str = "flatnet/builder.json";
/// Where the Secret is, in the containers that have it.
const AUTH: &str = "/run/registry";

/// How long a build may wait for a node, and for the builder's image.
const WAIT: Duration = Duration::from_secs(3_600);

/// How long a build may last in all: so long its Job runs, and the password is valid that it pushes with.
pub(crate) fn longest(builds: &Builds) -> Duration {
    builds.time + WAIT
}

/// A build that is to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) team: &'a str,
    pub(crate) name: &'a str,
    pub(crate) spec: &'a BuildSpec,
    pub(crate) template: &'a TemplateSpec,
}

impl Subject<'_> {
    /// The name of Job and Secret: teams may have applications of one name.
    pub(crate) fn object_name(&self) -> String {
        object_name(self.team, self.name)
    }

    /// Where the image goes: a tag is for people, the digest is what counts.
    pub(crate) fn image(&self, registry: &str) -> String {
        let commit = self.spec.commit.get(..12).unwrap_or(&self.spec.commit);
        format!(
            "{registry}/{}/{}:{commit}-v{}",
            self.team, self.spec.app, self.spec.template_version
        )
    }
}

/// The name of a build's Job and Secret.
pub(crate) fn object_name(team: &str, build: &str) -> String {
    format!("{team}.{build}")
}

fn labels(team: &str, build: &str) -> Value {
    json!({BUILD_LABEL: build, TEAM_LABEL: team})
}

/// The Secret with which the image is pushed, in the form of containers-auth.json(5).
pub(crate) fn secret(
    subject: &Subject<'_>,
    registry: &str,
    (user, password): (&str, &str),
) -> Value {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    let text = json!({"auths": {registry: {"auth": auth}}}).to_string();
    json!({
        "metadata": {"name": subject.object_name(), "namespace": BUILDS_NAMESPACE, "labels": labels(subject.team, subject.name)},
        "stringData": {"auth.json": text},
    })
}

/// The Job. One attempt: what a build is made of does not change by trying again.
pub(crate) fn job(subject: &Subject<'_>, builds: &Builds) -> Value {
    let insecure = if builds.insecure { "1" } else { "" };
    let env = |name: &str, value: &str| json!({"name": name, "value": value});
    let mut source = vec![
        env("REPO", &subject.spec.repo),
        env("COMMIT", &subject.spec.commit),
        env("INSECURE", insecure),
    ];
    let wanted = [
        ("BASE_IMAGE", &subject.spec.base_image),
        ("DOCKERFILE", &subject.template.dockerfile),
    ];
    source.extend(
        wanted
            .iter()
            .filter_map(|(n, v)| Some(env(n, v.as_deref()?))),
    );
    let image = subject.image(&builds.registry);
    let push = vec![env("IMAGE", &image), env("INSECURE", insecure)];
    let container = |place: usize, env: Vec<Value>, secret: bool| {
        let name = BUILD_CONTAINERS[place];
        let mut mounts = vec![
            json!({"name": "work", "mountPath": "/work"}),
            json!({"name": "tmp", "mountPath": "/tmp"}),
            json!({"name": "tmp", "mountPath": "/var/tmp"}),
        ];
        if secret {
            mounts.push(json!({"name": "registry", "mountPath": AUTH, "readOnly": true}));
        }
        // Rootless buildah makes a user namespace of many users: newuidmap and newgidmap have these two capabilities as
        // capabilities of their files. The other containers need none.
        let capabilities = match place {
            1 => json!({"drop": ["ALL"], "add": ["SETUID", "SETGID"]}),
            _ => json!({"drop": ["ALL"]}),
        };
        json!({
            "name": name, "image": builds.builder, "imagePullPolicy": "IfNotPresent",
            "command": [format!("/usr/local/bin/flatnet-build-{name}")],
            "env": env,
            "volumeMounts": mounts,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": place == 1, "capabilities": capabilities,
            },
            "resources": {"limits": {"memory": builds.memory}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        })
    };
    json!({
        "metadata": {"name": subject.object_name(), "namespace": BUILDS_NAMESPACE, "labels": labels(subject.team, subject.name)},
        "spec": {
            "backoffLimit": 0, "ttlSecondsAfterFinished": KEPT,
            // Of one that no node takes.
            "activeDeadlineSeconds": longest(builds).as_secs(),
            "template": {
                "metadata": {
                    "labels": labels(subject.team, subject.name),
                    "annotations": {"flatnet.io/network": builds.network},
                },
                "spec": {
                    // A shell as the first process takes no SIGTERM.
                    "restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
                    "nodeSelector": builds.nodes,
                    // Of one that runs: the Job's would delete the pod with its log.
                    "activeDeadlineSeconds": builds.time.as_secs(),
                    "automountServiceAccountToken": false, "enableServiceLinks": false,
                    "securityContext": {
                        "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "runAsNonRoot": true,
                        "seccompProfile": {"type": "Localhost", "localhostProfile": SECCOMP},
                    },
                    "initContainers": [container(0, source, true), container(1, Vec::new(), false)],
                    "containers": [container(2, push, true)],
                    "volumes": [
                        {"name": "work", "emptyDir": {"sizeLimit": builds.disk}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": builds.disk}},
                        {"name": "registry", "secret": {"secretName": subject.object_name(), "defaultMode": 0o440}},
                    ],
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builds() -> Builds {
        Builds {
            cluster: "idc".to_owned(),
            registry: "registry.example".to_owned(),
            insecure: false,
            network: "builds".to_owned(),
            nodes: [("pool".to_owned(), "builds".to_owned())].into(),
            builder: "builder:1".to_owned(),
            time: std::time::Duration::from_secs(60),
            memory: "1Gi".to_owned(),
            disk: "2Gi".to_owned(),
            at_once: 1,
        }
    }

    fn made() -> Value {
        let spec = BuildSpec {
            app: "web".to_owned(),
            repo: "https://git.example/shop/web".to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            template: "plain".to_owned(),
            template_version: 3,
            base_image: Some("registry.example/base/java@sha256:1".to_owned()),
        };
        let template: TemplateSpec = serde_json::from_value(
            json!({"name": "plain", "version": 3, "podTemplate": {}, "dockerfile": "FROM scratch"}),
        )
        .expect("a template");
        let subject = Subject {
            team: "shop",
            name: "web-0123456789",
            spec: &spec,
            template: &template,
        };
        job(&subject, &builds())
    }

    #[test]
    fn what_the_application_says_runs_without_any_secret_account_or_right() {
        let job = made();
        let pod = &job["spec"]["template"]["spec"];
        let image = &pod["initContainers"][1];
        assert_eq!(image["name"], BUILD_CONTAINERS[1]);
        assert_eq!(image["env"], json!([]));
        let mounts = image["volumeMounts"].as_array().expect("mounts");
        assert!(
            mounts
                .iter()
                .all(|m| m["name"] == "work" || m["name"] == "tmp"),
            "{mounts:?}"
        );
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert!(pod["hostNetwork"].is_null());
        assert_eq!(pod["nodeSelector"], json!({"pool": "builds"}));
        let added = &image["securityContext"]["capabilities"]["add"];
        assert_eq!(*added, json!(["SETUID", "SETGID"]));
        for other in [&pod["initContainers"][0], &pod["containers"][0]] {
            assert!(other["securityContext"]["capabilities"]["add"].is_null());
            assert_eq!(other["securityContext"]["allowPrivilegeEscalation"], false);
        }
        let network = &job["spec"]["template"]["metadata"]["annotations"]["flatnet.io/network"];
        assert_eq!(*network, "builds");
    }

    #[test]
    fn the_image_is_the_applications_and_its_tag_names_commit_and_template() {
        let push = &made()["spec"]["template"]["spec"]["containers"][0];
        let image = &push["env"][0];
        assert_eq!(
            *image,
            json!({"name": "IMAGE", "value": "registry.example/shop/web:0123456789ab-v3"})
        );
    }

    #[test]
    fn a_build_that_runs_too_long_keeps_its_pod_and_one_that_no_node_takes_ends_too() {
        let job = made();
        let of_pod = &job["spec"]["template"]["spec"]["activeDeadlineSeconds"];
        assert_eq!(*of_pod, 60);
        assert_eq!(job["spec"]["activeDeadlineSeconds"], 60 + 3_600);
    }

    #[test]
    fn the_password_is_in_the_secret_alone() {
        let job = made().to_string();
        assert!(!job.contains("auths"), "{job}");
    }
}
