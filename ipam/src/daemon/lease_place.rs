//! Where a Kubernetes Lease is, as the command line names it.

use flatnet_leader::ObjectName;

/// A Lease's place: `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePlace {
    /// Its namespace.
    pub namespace: ObjectName,
    /// Its name.
    pub name: ObjectName,
}

impl std::str::FromStr for LeasePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = text
            .split_once('/')
            .ok_or_else(|| format!("`{text}` is no NAMESPACE/NAME, such as flatnet/ipamd"))?;
        let parse = |text: &str| ObjectName::try_from(text.to_owned()).map_err(|e| e.to_string());
        Ok(Self {
            namespace: parse(namespace)?,
            name: parse(name)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_named_with_its_namespace() {
        let place: LeasePlace = "flatnet/ipamd".parse().expect("a place");
        assert_eq!((&*place.namespace, &*place.name), ("flatnet", "ipamd"));
        for wrong in ["ipamd", "", "/", "flatnet/", "flatnet/Ipamd", "a/b/c"] {
            assert!(wrong.parse::<LeasePlace>().is_err(), "{wrong}");
        }
    }
}
