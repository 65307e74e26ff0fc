//! What an application that is gone has left in a member. Pure.
//!
//! Only what has no instances is taken away: a hub that was restored from a copy of before an application was made does not
//! know it, and its instances serve.

use flatnet_platform_watch::Key;
use flatnet_platform_watch::member::Member;
use flatnet_platform_watch::seen::{PodSeen, SetSeen};

use crate::request::{Kind, Request};

/// What is to be done in a member for an application that the hub does not have.
#[derive(Debug, PartialEq)]
pub(crate) enum Left {
    /// Instances, so many, or ReplicaSets that want some: nothing is touched.
    Instances(usize),
    /// What goes, in this order.
    Goes(Vec<Request>),
}

/// What an application left in a member.
pub(crate) fn left(member: &Member, app: &Key) -> Left {
    let own = |p: &&PodSeen| {
        !p.ended && p.key.namespace == app.namespace && p.app.as_ref() == Some(&app.name)
    };
    let of_app = |s: &&SetSeen| s.key.namespace == app.namespace && s.app == app.name;
    let sets = || member.sets.iter().filter(of_app);
    let wanted: u32 = sets().map(|s| s.replicas).sum();
    let there = member.pods.iter().filter(own).count();
    let instances = there.max(wanted as usize);
    if instances > 0 {
        return Left::Instances(instances);
    }
    let delete = |kind: Kind, key: &Key, version: &str| Request::Delete {
        kind,
        key: key.clone(),
        version: version.to_owned(),
    };
    let mut requests: Vec<Request> = sets()
        .map(|s| delete(Kind::Set, &s.key, &s.version))
        .collect();
    let service = member.services.get(app);
    requests.extend(service.map(|s| delete(Kind::Service, app, &s.version)));
    let pdb = member.pdbs.get(app);
    requests.extend(pdb.map(|p| delete(Kind::Pdb, app, &p.version)));
    Left::Goes(requests)
}

/// The applications that a member has something of.
pub(crate) fn applications(member: &Member) -> impl Iterator<Item = Key> {
    let sets = member
        .sets
        .iter()
        .map(|s| Key::new(&s.key.namespace, &s.app));
    let services = member.services.iter().map(|s| s.key.clone());
    let pdbs = member.pdbs.iter().map(|p| p.key.clone());
    sets.chain(services).chain(pdbs)
}

#[cfg(test)]
mod tests {
    use flatnet_platform_watch::Told;
    use flatnet_platform_watch::member::MemberTold;
    use flatnet_platform_watch::seen::{PdbSeen, ServiceSeen};

    use super::*;

    #[test]
    fn what_has_instances_stays_and_the_rest_goes() {
        let app = Key::new("shop", "web");
        let set = |replicas| SetSeen {
            key: Key::new("shop", "web-r1-mixed"),
            app: "web".to_owned(),
            replicas,
            version: "3".to_owned(),
            ..SetSeen::default()
        };
        let pod = PodSeen {
            key: Key::new("shop", "p"),
            app: Some("web".to_owned()),
            ..PodSeen::default()
        };
        let service = ServiceSeen {
            key: app.clone(),
            version: "4".to_owned(),
            ..ServiceSeen::default()
        };
        let pdb = PdbSeen {
            key: app.clone(),
            version: "5".to_owned(),
            ..PdbSeen::default()
        };
        let at = || "1".to_owned();
        let mut member = Member::default();
        member.told(MemberTold::Sets(Told::Listed(vec![set(2)], at())));
        member.told(MemberTold::Pods(Told::Listed(vec![pod.clone()], at())));
        member.told(MemberTold::Services(Told::Listed(vec![service], at())));
        member.told(MemberTold::Pdbs(Told::Listed(vec![pdb], at())));
        assert_eq!(left(&member, &app), Left::Instances(2));
        member.told(MemberTold::Sets(Told::Applied(set(0))));
        assert_eq!(left(&member, &app), Left::Instances(1));
        member.told(MemberTold::Pods(Told::Deleted(pod)));
        let Left::Goes(requests) = left(&member, &app) else {
            panic!("it has no instances");
        };
        let kinds: Vec<Kind> = requests
            .iter()
            .filter_map(|r| match r {
                Request::Delete { kind, .. } => Some(*kind),
                _ => None,
            })
            .collect();
        assert_eq!(kinds, [Kind::Set, Kind::Service, Kind::Pdb]);
        // Another application of the same namespace is not touched.
        let other = left(&member, &Key::new("shop", "api"));
        assert_eq!(other, Left::Goes(Vec::new()));
        assert!(applications(&member).all(|a| a == app));
    }
}
