//! What is asked for: the parameter `scope` of a token's request, `TYPE:NAME:ACTION,ACTION` (distribution,
//! docs/spec/auth/scope.md).

use serde::{Deserialize, Serialize};

/// What may be done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read images.
    Pull,
    /// Write images.
    Push,
}

/// A repository, and what is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `TEAM/APP`.
    pub repository: String,
    /// In order, each once.
    pub actions: Vec<Action>,
}

impl Scope {
    /// Of the parameter's text, which may hold several scopes, separated by spaces. What is no repository, and actions that
    /// nobody is ever given (`delete`, `*`), are left out: a registry asks for what it likes, and gets what there is.
    pub fn read(text: &str) -> Vec<Self> {
        text.split(' ').filter_map(Self::one).collect()
    }

    fn one(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("repository:")?;
        let (repository, actions) = rest.rsplit_once(':')?;
        let mut actions: Vec<Action> = actions
            .split(',')
            .filter_map(|action| match action {
                "pull" => Some(Action::Pull),
                "push" => Some(Action::Push),
                _ => None,
            })
            .collect();
        actions.sort();
        actions.dedup();
        let is_named = repository.split('/').all(is_part);
        (is_named && !actions.is_empty()).then(|| Self {
            repository: repository.to_owned(),
            actions,
        })
    }

    /// The team and the application whose images are there.
    pub fn app(&self) -> Option<(&str, &str)> {
        let (team, app) = self.repository.split_once('/')?;
        (!app.contains('/')).then_some((team, app))
    }
}

/// A part of a repository's name: what names of teams and applications are, and so a subset of what the registry takes.
fn is_part(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    end(text.chars().next())
        && end(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_registries_write_them_and_others_are_none() {
        let read = Scope::read("repository:shop/web:push,pull,pull repository:base/java:pull");
        assert_eq!(
            read,
            [
                Scope {
                    repository: "shop/web".to_owned(),
                    actions: vec![Action::Pull, Action::Push]
                },
                Scope {
                    repository: "base/java".to_owned(),
                    actions: vec![Action::Pull]
                }
            ]
        );
        assert_eq!(read[0].app(), Some(("shop", "web")));
        for none in [
            "",
            "registry:catalog:*",
            "repository:shop/web:delete",
            "repository:shop/web",
            "repository::pull",
            "repository:shop/../x:pull",
            "repository:Shop/web:pull",
            "repository:shop/:pull",
        ] {
            assert_eq!(Scope::read(none), [], "{none}");
        }
        let deep = Scope::read("repository:a/b/c:pull");
        assert_eq!(deep[0].app(), None);
    }
}
