//! The objects' source without an API server; the suite `kubernetes` has a real one.

mod node;

use std::time::Duration;

use flatnet_k8s_api::split;
use flatnet_k8s_api::status::NetworkPlanStatus;
use serde_json::json;

use super::verdict::verdict;
use super::*;
use crate::{State, Version};

const LAB: &str = include_str!("../../../../examples/lab.yaml");
const NOW: Timestamp = Timestamp::from_millis(9_500);

/// The lab's plan as objects.
fn lab() -> Vec<Object> {
    let text = LAB.replacen("spec:\n", "spec:\n  cluster: lab\n", 1);
    let plan = flatnet_plan::load(&text).expect("a plan");
    split(plan).expect("objects")
}

fn objects(all: &[Object]) -> Objects {
    Objects {
        server: "https://api".to_owned(),
        joined: join(all),
        in_force: None,
    }
}

fn forbidden(what: &str) -> ClusterError {
    ClusterError::Forbidden {
        doing: "list",
        what: what.to_owned(),
        server: "https://api".to_owned(),
        said: "no".to_owned(),
    }
}

fn open(dir: &Path, read: Result<Objects, Refusal>) -> Result<Policy<usize>, OpenError> {
    let take = |plan: NetworkPlan, _: &str| match plan.spec.hosts.len() {
        0 => Err(UnusablePlan::from("it has no host")),
        hosts => Ok(hosts),
    };
    let clock = Arc::new(|| Timestamp::from_millis(1_000));
    Policy::open(dir, clock, read, Box::new(take))
}

fn state(policy: &Policy<usize>) -> State<usize> {
    policy.watch().borrow().clone()
}

fn host<'a>(all: &'a mut [Object], name: &str) -> &'a mut Object {
    let mut hosts = all.iter_mut();
    let found = hosts.find(|o| o.kind == Kind::Host && o.name == name);
    found.expect("the host")
}

/// Two hosts with one address.
fn wrong_together() -> Vec<Object> {
    let mut all = lab();
    let address = host(&mut all, "idc2").spec["addresses"][0].clone();
    host(&mut all, "idc1").spec["addresses"][0] = address;
    all
}

#[test]
fn objects_that_ipamd_has_not_accepted_are_not_gone_by_and_say_which_are() {
    let version = Version::of(&join(&lab()).text);
    let with = |all: &[Object], accepted: &[String]| Objects {
        in_force: Some(accepted.to_vec()),
        ..objects(all)
    };
    let dir = tempfile::tempdir().expect("a directory");
    let none = open(dir.path(), Ok(with(&lab(), &[]))).map(drop);
    assert!(none.is_err(), "there is nothing to go by");
    let accepted = [version.to_string()];
    let policy = open(dir.path(), Ok(with(&lab(), &accepted))).expect("opens");
    let mut changed = lab();
    host(&mut changed, "idc1").spec.remove("ranges");
    let host = host(&mut changed, "idc1");
    host.spec.insert("density".to_owned(), json!(7));
    policy.accept_or_refuse(Ok(with(&changed, &accepted)));
    let waits = state(&policy);
    assert_eq!(waits.accepted.version, version);
    let refused = waits.refused.expect("it waits");
    let short = Version::of(&join(&changed).text).short();
    assert!(matches!(&refused.why, Refusal::NotInForce { revision } if *revision == short));
    assert!(refused.why.text().contains("kubectl get fnplan"));
    // Accepted by ipamd meanwhile.
    let accepted = [Version::of(&join(&changed).text).to_string()];
    policy.accept_or_refuse(Ok(with(&changed, &accepted)));
    let now = state(&policy);
    assert!(now.refused.is_none() && now.accepted.version.to_string() == accepted[0]);
    // What is wrong is told as wrong, and not as waiting.
    policy.accept_or_refuse(Ok(with(&wrong_together(), &accepted)));
    let refused = state(&policy).refused.expect("refused");
    assert!(matches!(refused.why, Refusal::Objects(_)));
}

#[test]
fn objects_are_accepted_and_kept_as_the_document_that_export_prints() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let text = join(&lab()).text;
    assert_eq!(state(&policy).accepted.version, Version::of(&text));
    assert_eq!(*state(&policy).accepted.plan, 4);
    let kept = std::fs::read_to_string(dir.path().join(crate::COPY)).expect("kept");
    assert!(kept.starts_with(&text));
}

#[test]
fn objects_that_are_wrong_together_are_refused_with_object_and_field_and_the_plan_of_before_stands()
{
    let dir = tempfile::tempdir().expect("a directory");
    let policy = open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let before = state(&policy).accepted.version;
    policy.accept_or_refuse(Ok(objects(&wrong_together())));
    let refused = state(&policy).refused.expect("refused");
    assert_eq!(state(&policy).accepted.version, before);
    let headline = refused.why.headline();
    assert!(headline.starts_with("FN0114: Host/idc"), "{headline}");
    assert!(headline.contains(" spec.addresses[0]: "), "{headline}");
    let text = refused.why.text();
    assert!(text.contains("no valid plan\nFN0114: Host/idc"), "{text}");
    let version = Version::of(&join(&wrong_together()).text);
    assert_eq!(refused.version, Some(version));
    // Put right, it is as it was.
    policy.accept_or_refuse(Ok(objects(&lab())));
    assert!(state(&policy).refused.is_none());
}

#[test]
fn an_object_without_a_place_is_an_error_although_the_text_is_the_accepted_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let mut all = lab();
    let nowhere = json!({"host": "nowhere", "network": "pods", "prefix": "10.9.0.0/24"});
    all.push(Object {
        kind: Kind::HostRange,
        name: "nowhere.pods".to_owned(),
        plan: None,
        spec: nowhere.as_object().expect("fields").clone(),
    });
    assert_eq!(join(&all).text, join(&lab()).text);
    policy.accept_or_refuse(Ok(objects(&all)));
    let refused = state(&policy).refused.expect("refused");
    assert_eq!(refused.version, None);
    let headline = refused.why.headline();
    assert!(
        headline.starts_with("FN0006: HostRange/nowhere.pods spec.host"),
        "{headline}"
    );
    // Nor is it a start.
    let policy = open(dir.path(), Ok(objects(&all))).expect("goes by the copy");
    assert!(state(&policy).refused.is_some());
}

#[test]
fn without_the_api_server_the_copy_is_the_plan_and_without_a_copy_there_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let away = || Err(unreadable(forbidden("hosts")));
    let error = open(dir.path(), away()).err().expect("no plan");
    assert_eq!(error.to_string(), "there is no plan to go by");
    open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let policy = open(dir.path(), away()).expect("goes by the copy");
    assert_eq!(*state(&policy).accepted.plan, 4);
    let why = state(&policy).refused.expect("refused").why.text();
    assert!(
        why.contains("cannot list hosts: https://api refuses"),
        "{why}"
    );
    policy.accept_or_refuse(Ok(objects(&lab())));
    assert!(state(&policy).refused.is_none());
}

#[test]
fn the_verdict_is_written_once_and_its_time_is_that_of_the_last_change() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let told = |old: &NetworkPlanStatus, at| verdict((&state(&policy), &None), old, at);
    let valid = told(&NetworkPlanStatus::default(), NOW).expect("news");
    let condition = &valid.conditions[0];
    assert_eq!((&*condition.status, &*condition.reason), ("True", "Valid"));
    let accepted = valid.accepted.as_ref().expect("a revision");
    assert_eq!(
        accepted.revision,
        state(&policy).accepted.version.to_string()
    );
    // As a server gives it back.
    let read = serde_json::to_value(&valid).expect("JSON");
    let read: NetworkPlanStatus = serde_json::from_value(read).expect("a status");
    let later = Timestamp::from_millis(60_000);
    assert_eq!(told(&read, later), None, "nothing is new");

    policy.accept_or_refuse(Ok(objects(&wrong_together())));
    let wrong = told(&read, later).expect("news");
    let condition = &wrong.conditions[0];
    assert_eq!(
        (&*condition.status, &*condition.reason),
        ("False", "Invalid")
    );
    assert!(condition.message.starts_with("FN0114: Host/idc"));
    assert_ne!(
        condition.last_transition_time,
        valid.conditions[0].last_transition_time
    );
    assert_eq!(wrong.accepted, valid.accepted);
    assert!(wrong.errors > 0 && wrong.refused_revision.is_some());
    let one = wrong.diagnostics.first().expect("diagnostics");
    assert_eq!((&*one.code, &*one.field), ("FN0114", "spec.addresses[0]"));

    // What nobody can see is neither True nor False: the last word stands.
    policy.accept_or_refuse(Err::<Objects, _>(unreadable(forbidden("hosts"))));
    assert_eq!(told(&wrong, later), None);
}

#[test]
fn what_the_daemon_cannot_use_is_said_with_a_reason_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = open(dir.path(), Ok(objects(&lab()))).expect("opens");
    let mut all = lab();
    all.retain(|o| !matches!(o.kind, Kind::Host | Kind::HostRange));
    policy.accept_or_refuse(Ok(objects(&all)));
    let said = verdict((&state(&policy), &None), &NetworkPlanStatus::default(), NOW).expect("news");
    let condition = &said.conditions[0];
    assert_eq!(
        (&*condition.status, &*condition.reason),
        ("False", "Unusable")
    );
    assert!(
        condition.message.contains("it has no host"),
        "{}",
        condition.message
    );
    assert_eq!((said.errors, said.diagnostics.len()), (1, 0));
}

#[test]
fn a_status_is_no_change_and_an_object_is() {
    let mut gathered = Gathered::default();
    let all = lab();
    for kind in Kind::ALL {
        assert!(!gathered.is_complete());
        let own = all.iter().filter(|o| o.kind == kind).cloned().collect();
        assert!(gathered.take(&Event::Listed(kind, own)));
    }
    assert!(gathered.is_complete());
    assert_eq!(join(&gathered.objects()), join(&all));
    let mut host = all
        .into_iter()
        .find(|o| o.kind == Kind::Host)
        .expect("a host");
    // With another status it is the same object.
    assert!(!gathered.take(&Event::Applied(host.clone())));
    host.spec.insert("cluster".to_owned(), json!("other"));
    assert!(gathered.take(&Event::Applied(host.clone())));
    assert!(gathered.objects().contains(&host));
    assert!(gathered.take(&Event::Deleted(Kind::Host, host.name.clone())));
    assert!(!gathered.take(&Event::Deleted(Kind::Host, host.name.clone())));
    assert!(!gathered.objects().contains(&host));
}

#[test]
fn of_kinds_that_are_away_one_tells_it_and_only_all_together_are_a_plan() {
    let mut gathered = Gathered::default();
    for kind in Kind::ALL {
        gathered.take(&Event::Listed(kind, Vec::new()));
    }
    for kind in [Kind::Host, Kind::Site, Kind::Host] {
        assert!(!gathered.take(&Event::Away(kind, forbidden(kind.plural()))));
        assert!(!gathered.is_complete());
        assert_eq!(gathered.is_told(kind), kind == Kind::Host);
    }
    assert!(
        gathered.take(&Event::Listed(Kind::Host, Vec::new())),
        "it is back"
    );
    assert!(!gathered.is_complete(), "the other one is not");
    gathered.take(&Event::Away(Kind::Site, forbidden("sites")));
    assert!(gathered.is_told(Kind::Site));
    assert!(gathered.take(&Event::Listed(Kind::Site, Vec::new())));
    assert!(gathered.is_complete());
}

#[test]
fn changes_are_judged_when_they_are_quiet_and_after_a_limit_where_they_never_are() {
    let begun = Instant::now();
    let mut quiet = Quiet::default();
    assert_eq!(quiet.due(), None);
    quiet.changed(begun);
    assert_eq!(quiet.due(), Some(begun + QUIET));
    let next = begun + Duration::from_millis(900);
    quiet.changed(next);
    assert_eq!(quiet.due(), Some(next + QUIET));
    quiet.changed(begun + LONGEST);
    assert_eq!(quiet.due(), Some(begun + LONGEST));
}
