//! What is tried.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::desk::PEOPLE;
use super::world::{SOON, World, registry, repo_url};
use crate::LabGuard;
use crate::suites::cluster::node::Node;
use crate::suites::cluster::world::SERVER;
use crate::suites::kit::called::Called;
use crate::suites::kit::{eventually, output, say};
use crate::suites::platform::world::locked;

/// The base image, as the node has it and as the registry does.
const LAB_IMAGE: &str = "flatnet.io/lab/busybox:1";
const BASE: &str = "base/busybox";
/// The port of the application.
const PORT: u16 = 8080;
const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nCOPY . /app\nRUN cd /app && sh build.sh\n";

/// A node pushes an image of its own, as somebody, by a tag: of one that is there already nothing would be pushed.
fn push(node: &Node, user: &str, repository: &str, tag: &str) -> Result<String> {
    let to = format!("{}/{repository}:{tag}", registry());
    node.ctr(&["images", "tag", "--force", LAB_IMAGE, &to])?;
    let mut push = node.command("ctr");
    push.args([
        "-n",
        "k8s.io",
        "images",
        "push",
        "--plain-http",
        "--user",
        user,
        &to,
    ]);
    output(&mut push)
}

/// A node pulls an image, as somebody.
fn pull(node: &Node, user: Option<&str>, image: &str) -> Result<String> {
    let mut pull = node.command("ctr");
    pull.args(["-n", "k8s.io", "images", "pull", "--plain-http"]);
    if let Some(user) = user {
        pull.args(["--user", user]);
    }
    output(pull.arg(image))
}

fn person(name: &str) -> String {
    let password = PEOPLE
        .iter()
        .find(|(n, _)| *n == name)
        .map_or("", |(_, p)| p);
    format!("{name}:{password}")
}

fn digest_of(node: &Node, image: &str) -> Result<String> {
    let listed = node.ctr(&["images", "ls", &format!("name=={image}")])?;
    let found = listed.split_whitespace().find(|w| w.starts_with("sha256:"));
    found
        .map(str::to_owned)
        .with_context(|| format!("ctr lists {listed}"))
}

/// The last node, which serves.
fn server(world: &World) -> Result<&Node> {
    world.nodes.last().context("there is no node")
}

pub(super) fn base(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let node = server(&world)?;
    for (user, repository) in [
        (person("ann"), BASE),
        (person("ann"), "shop/web"),
        (person("ops"), "shop/web"),
        ("ann:wrong".to_owned(), BASE),
        ("builder/shop/web:fnpr_x".to_owned(), "shop/web"),
    ] {
        let pushed = push(node, &user, repository, "refused");
        ensure!(
            pushed.is_err(),
            "{} pushed {repository}",
            user.split(':').next().unwrap_or_default()
        );
    }
    eventually(SOON, || push(node, &person("ops"), BASE, "1")).with_context(|| world.log())?;
    let image = format!("{}/{BASE}:1", registry());
    ensure!(
        pull(node, None, &image).is_err(),
        "it is pulled without a password"
    );
    pull(node, Some(&person("ann")), &image)?;
    let digest = digest_of(node, &image)?;
    let pod = json!({"spec": {
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 2,
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [{
            "name": "app", "image": format!("{}/shop/web@{{{{ .digest }}}}", registry()),
            "command": ["/bin/busybox", "httpd", "-f", "-p", PORT.to_string(), "-h", "/app/www"],
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 5},
        }],
    }});
    let template = json!({
        "name": "site", "version": 1, "podTemplate": pod, "dockerfile": DOCKERFILE,
        "baseImage": format!("{}/{BASE}@{digest}", registry()),
    });
    world
        .call_with(
            "ops",
            &["template", "add", "-f", "-"],
            &template.to_string(),
        )?
        .well()?;
    let app = json!({
        "team": "shop", "name": "web",
        "spec": {
            "repo": repo_url(), "team": "shop", "replicas": 2,
            "template": {"name": "site", "version": 1},
            "resources": {"cpuMillis": 10, "memoryBytes": 8 << 20},
            "placement": {"locations": [{"name": "idc"}]},
            "release": {"steps": [{"instances": 1, "bake": "1s", "gates": [{"probe": "/health"}]}],
                "keepOld": {"count": 0, "for": "1s"}, "maxSurge": "100%"},
        },
    });
    world
        .call_with("ann", &["app", "apply", "-f", "-"], &app.to_string())?
        .well()?;
    Ok(())
}

/// The digest that a build said.
fn digest(called: Called, world: &World) -> Result<(String, String)> {
    let err = called.err.clone();
    let out = called.well().with_context(|| world.log())?;
    let found = out.lines().find(|l| l.starts_with("sha256:"));
    let found = found
        .with_context(|| format!("no digest in {out}{err}"))?
        .to_owned();
    Ok((found, out))
}

pub(super) fn built(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let begun = std::time::Instant::now();
    let (digest, out) = digest(world.build("main")?, &world)?;
    say(&format!(
        "from flatctl to the digest {:.1?}",
        begun.elapsed()
    ));
    ensure!(
        out.contains("built from one"),
        "the script's own words are not in {out}"
    );
    let list = world.call("ann", &["build", "shop/web"])?.well()?;
    ensure!(list.contains("Done") && list.contains("site@1"), "{list}");
    let image = format!("{}/shop/web@{digest}", registry());
    let node = server(&world)?;
    ensure!(
        pull(node, None, &image).is_err(),
        "it is pulled without a password"
    );
    pull(node, Some(&person("ann")), &image)?;
    let log = world.told_by_name(&world.told_main()?)?;
    ensure!(log.contains("built from one"), "the log is gone: {log}");
    Ok(())
}

impl World {
    /// Builds a commit as ann, waits for its end.
    pub(super) fn build(&self, reference: &str) -> Result<Called> {
        let commit = format!("--commit={reference}");
        self.call("ann", &["build", "shop/web", &commit])
    }

    /// The build of a commit, as the API tells it.
    pub(super) fn told(&self, commit: &str) -> Result<Value> {
        let path = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/builds";
        let builds = self.api.items(path)?;
        let found = builds.into_iter().find(|b| b["spec"]["commit"] == commit);
        found.with_context(|| format!("no build of {commit}"))
    }

    /// The name of the build of `main`.
    fn told_main(&self) -> Result<String> {
        let list = self
            .call("ann", &["build", "shop/web", "-o", "json"])?
            .well()?;
        let list: Value = serde_json::from_str(&list)?;
        let name = list[0]["name"].as_str();
        name.map(str::to_owned)
            .with_context(|| format!("no build in {list}"))
    }

    /// A build's log, once more.
    fn told_by_name(&self, name: &str) -> Result<String> {
        self.call("ann", &["build", "shop/web", "--log", name])?
            .well()
    }

    fn jobs(&self) -> Result<usize> {
        Ok(self
            .api
            .items("/apis/batch/v1/namespaces/flatnet-builds/jobs")?
            .len())
    }

    /// A build that fails; why.
    fn fails(&self, commit: &str, words: &[&str]) -> Result<()> {
        let called = self.build(commit)?;
        called.answers_failure(words).with_context(|| self.log())?;
        let build = self.told(commit)?;
        ensure!(build["status"]["phase"] == "Failed", "{build}");
        say(&format!("{}", build["status"]["reason"]));
        Ok(())
    }
}

pub(super) fn same(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let jobs = world.jobs()?;
    let (first, _) = digest(world.build("main")?, &world)?;
    ensure!(world.jobs()? == jobs, "there is another Job");
    // Nothing of the first is left but the repository.
    let name = world.told_main()?;
    let build = format!("/apis/platform.flatnet.io/v1alpha1/namespaces/shop/builds/{name}");
    world.api.delete(&build)?;
    let job = format!("/apis/batch/v1/namespaces/flatnet-builds/jobs/shop.{name}");
    world
        .api
        .delete(&format!("{job}?propagationPolicy=Background"))?;
    eventually(SOON, || {
        ensure!(world.jobs()? == jobs - 1, "the Job is left");
        ensure!(world.api.get(&build).is_err(), "the build is left");
        Ok(())
    })?;
    let (again, _) = digest(world.build("main")?, &world)?;
    ensure!(again == first, "{again} is not {first}");
    Ok(())
}

pub(super) fn released(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    // What docs/platform/builds.md says to do for a cluster.
    let made = world
        .call(
            "ops",
            &["cluster", "registry-password", "idc", "-o", "json"],
        )?
        .well()?;
    let made: Value = serde_json::from_str(&made)?;
    let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
    let (user, password) = (text("user"), text("password"));
    world.cluster.kubectl(&[
        "-n",
        "shop",
        "create",
        "secret",
        "docker-registry",
        "registry",
        &format!("--docker-server={}", registry()),
        &format!("--docker-username={user}"),
        &format!("--docker-password={password}"),
    ])?;
    let (digest, _) = digest(world.build("main")?, &world)?;
    let begun = std::time::Instant::now();
    let start = [
        "release", "start", "shop/web", "--digest", &digest, "--watch",
    ];
    world
        .call("ann", &start)?
        .well()
        .with_context(|| world.log())?;
    say(&format!(
        "two instances in service {:.1?} after the release was started",
        begun.elapsed()
    ));
    let pods = world.api.items("/api/v1/namespaces/shop/pods")?;
    ensure!(pods.len() >= 2, "{} pods", pods.len());
    for pod in &pods {
        let ip = pod["status"]["podIP"].as_str().context("no address")?;
        let mut ask = server(&world)?.command("busybox");
        let page = output(ask.args(["wget", "-q", "-O", "-", &format!("http://{ip}:{PORT}/")]))?;
        ensure!(page.trim() == "one", "{ip} says {page}");
    }
    Ok(())
}

pub(super) fn isolated(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let pods = world.api.items("/api/v1/namespaces/shop/pods")?;
    let pod = pods.first().and_then(|p| p["status"]["podIP"].as_str());
    let pod = pod.context("there is no instance to be reached")?;
    let host = lab
        .node("idc1")?
        .spec
        .host_addresses
        .first()
        .context("no address")?
        .ip();
    let targets = [
        format!("{SERVER} 6443"),
        "10.96.0.1 443".to_owned(),
        "100.100.100.200 80".to_owned(),
        "169.254.169.254 80".to_owned(),
        format!("{host} 10250"),
        format!("{host} 22"),
        format!("{pod} {PORT}"),
        format!("{SERVER} 22"),
    ];
    // What is allowed is reached, so that what is not reached says something.
    let mut script = format!(
        "set -u\nbad=\nnc -w 5 {SERVER} 8088 < /dev/null && echo reached the repository || bad=1\n"
    );
    for target in &targets {
        script += &format!(
            "if nc -w 2 {target} < /dev/null; then echo REACHED {target}; bad=1; else echo refused {target}; fi\n"
        );
    }
    script += "for f in /run/registry/auth.json /var/run/secrets /run/secrets/kubernetes.io; do [ ! -e $f ] || { echo THERE IS $f; bad=1; }; done\n\
        for p in /proc/[0-9]*/environ; do if tr '\\0' '\\n' < $p 2>/dev/null | grep -i -e password -e token -e auth=; then bad=1; fi; done\n\
        find / -xdev -name 'auth*.json' 2>/dev/null | grep . && bad=1\n\
        grep -h ^Cap /proc/self/status\nid\ntouch /usr/x 2>/dev/null\n[ -z \"$bad\" ] || exit 9\nmkdir -p www; cp page www/index.html\n";
    let commit = world.repo.commit("curious", &script, "curious")?;
    let (_, out) = digest(world.build(&commit)?, &world)?;
    ensure!(out.contains("reached the repository"), "{out}");
    for target in &targets {
        ensure!(
            out.contains(&format!("refused {target}")),
            "{target}: {out}"
        );
    }
    ensure!(
        !out.contains("REACHED") && !out.contains("THERE IS"),
        "{out}"
    );
    say(&format!(
        "{} places refused, and no secret found",
        targets.len()
    ));
    Ok(())
}

pub(super) fn failing(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world
        .build("no-such-branch")?
        .refused(&["no branch or tag", "no-such-branch"])?;
    world
        .build("--upload-pack=x")?
        .refused(&["neither a commit"])?;
    let nowhere = "0123456789abcdef0123456789abcdef01234567";
    world.fails(nowhere, &["fetching the source", nowhere])?;
    let script = world
        .repo
        .commit("script", "echo before; exit 7\n", "script")?;
    world.fails(&script, &["building the image", "7"])?;
    // It is not built again by itself, and is where that is asked for.
    world
        .build(&script)?
        .answers_failure(&["building the image"])?;
    world.with_limits(&["--build-memory", "128Mi"])?;
    let memory = world.repo.commit("memory", "tail /dev/zero\n", "memory")?;
    world.fails(&memory, &["more memory than 128Mi"])?;
    world.with_limits(&["--build-time", "30"])?;
    let time = world.repo.commit("time", "sleep 3600\n", "time")?;
    world.fails(&time, &["longer than 30 s"])?;
    // The kubelet looks at volumes every ten seconds or so.
    world.with_limits(&["--build-disk", "150Mi"])?;
    let disk = world.repo.commit(
        "disk",
        "dd if=/dev/zero of=/big bs=1M count=400; sleep 3600\n",
        "disk",
    )?;
    world.fails(&disk, &["more disk than 150Mi"])?;
    world.with_limits(&[])
}

pub(super) fn controller_killed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let commit = world.repo.page("next", "two")?;
    world
        .call(
            "ann",
            &["build", "shop/web", "--commit", &commit, "--no-wait"],
        )?
        .well()?;
    for phase in ["Running", "Running"] {
        eventually(SOON, || {
            let build = world.told(&commit)?;
            ensure!(build["status"]["phase"] == phase, "{build}");
            Ok(())
        })?;
        let running = locked(&world.controller).take();
        running.context("platformd does not run")?.kill()?;
        world.start_controller(&[])?;
    }
    let (digest, _) = digest(world.build(&commit)?, &world)?;
    ensure!(digest.len() == 71, "{digest}");
    // What it pushed with is gone.
    let secrets = "/api/v1/namespaces/flatnet-builds/secrets";
    eventually(SOON, || {
        let left = world.api.items(secrets)?;
        ensure!(left.is_empty(), "{} Secrets are left", left.len());
        Ok(())
    })?;
    Ok(())
}

pub(super) fn tokens(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let node = server(&world)?;
    let made = world
        .call(
            "ops",
            &["cluster", "registry-password", "idc", "-o", "json"],
        )?
        .well()?;
    let made: Value = serde_json::from_str(&made)?;
    let user = format!(
        "{}:{}",
        made["user"].as_str().unwrap_or_default(),
        made["password"].as_str().unwrap_or_default()
    );
    let (digest, _) = digest(world.build("main")?, &world)?;
    let image = format!("{}/shop/web@{digest}", registry());
    pull(node, Some(&user), &image)?;
    ensure!(
        push(node, &user, "shop/web", "refused").is_err(),
        "a cluster pushes"
    );
    ensure!(
        push(node, &user, BASE, "refused").is_err(),
        "a cluster pushes a base image"
    );
    // The application leaves the location: its images are not for that cluster any more.
    let place = |location: &str| {
        let patch = json!({"spec": {"placement": {"locations": [{"name": location}]}}});
        let path = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/apps/web";
        world.api.merge(path, &patch).map(drop)
    };
    place("elsewhere")?;
    eventually(Duration::from_secs(20), || {
        ensure!(
            pull(node, Some(&user), &image).is_err(),
            "it is pulled still"
        );
        Ok(())
    })?;
    place("idc")?;
    // Whoever has no right to a team's builds has none to its images.
    ensure!(
        pull(node, Some(&person("ops")), &image).is_err(),
        "ops pulls the team's image"
    );
    Ok(())
}
