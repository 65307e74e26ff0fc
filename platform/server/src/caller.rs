//! Who asks, by the names that RBAC knows.

/// Before the name of a local account, in RBAC.
pub(crate) const LOCAL: &str = "local:";
/// The group of everybody who is known here, as Kubernetes names it.
const EVERYBODY: &str = "system:authenticated";

/// Who asks, by the names that RBAC knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl Caller {
    pub(crate) fn new(name: String, mut groups: Vec<String>) -> Self {
        if !groups.iter().any(|g| g == EVERYBODY) {
            groups.push(EVERYBODY.to_owned());
        }
        Self { name, groups }
    }
}
