//! A crate's modules as its files have them: what each imports, names and defines. Tests are left
//! out: what is behind `cfg(test)` or is a `#[test]`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::{Attribute, Item, ItemMod};

use super::names::{Collector, Names, Reference, is_test, plain};

/// The index of a module in its [`Tree`].
pub(super) type Id = usize;

/// The modules of one library or program; the first is its root.
#[derive(Debug)]
pub(super) struct Tree {
    /// The crate's name, as paths from outside begin.
    pub(super) name: String,
    pub(super) modules: Vec<Module>,
}

#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) parent: Option<Id>,
    pub(super) children: BTreeMap<String, Id>,
    pub(super) names: Names,
    /// Relative to the workspace.
    file: PathBuf,
}

/// Where an import stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// The file that is read, and where its child modules are.
struct Location<'a> {
    workspace: &'a Path,
    file: PathBuf,
    children: PathBuf,
}

impl Tree {
    /// Reads a crate from its root file, which is given relative to the workspace.
    ///
    /// # Errors
    /// If a file is missing or cannot be parsed.
    pub(super) fn load(name: &str, workspace: &Path, root: &Path) -> Result<Self> {
        let text = read(workspace, root)?;
        let location = Location {
            workspace,
            file: root.to_owned(),
            children: root.parent().unwrap_or(Path::new("")).to_owned(),
        };
        Self::of(name, &text, &location)
    }

    /// A crate whose modules are all in one text.
    #[cfg(test)]
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        let location = Location {
            workspace: Path::new(""),
            file: PathBuf::from("lib.rs"),
            children: PathBuf::new(),
        };
        Self::of(name, text, &location).expect("the text is Rust")
    }

    fn of(name: &str, text: &str, location: &Location<'_>) -> Result<Self> {
        let mut tree = Self {
            name: name.to_owned(),
            modules: Vec::new(),
        };
        let file = parse(text, &location.file)?;
        let root = tree.add("crate", None, &location.file);
        tree.fill(root, &file.items, location)?;
        Ok(tree)
    }

    fn add(&mut self, name: &str, parent: Option<Id>, file: &Path) -> Id {
        let id = self.modules.len();
        self.modules.push(Module {
            name: name.to_owned(),
            parent,
            children: BTreeMap::new(),
            names: Names::default(),
            file: file.to_owned(),
        });
        if let Some(parent) = parent {
            self.modules[parent].children.insert(name.to_owned(), id);
        }
        id
    }

    fn fill(&mut self, id: Id, items: &[Item], location: &Location<'_>) -> Result<()> {
        let mut names = Names::default();
        let mut collector = Collector::new(&mut names);
        for item in items {
            collector.item(item);
        }
        self.modules[id].names = names;
        for item in items {
            if let Item::Mod(module) = item
                && !is_test(&module.attrs)
            {
                self.child(id, module, location)?;
            }
        }
        Ok(())
    }

    fn child(&mut self, parent: Id, item: &ItemMod, location: &Location<'_>) -> Result<()> {
        let name = plain(&item.ident.to_string());
        if let Some((_, items)) = &item.content {
            let id = self.add(&name, Some(parent), &location.file);
            let inside = Location {
                file: location.file.clone(),
                children: location.children.join(&name),
                ..*location
            };
            return self.fill(id, items, &inside);
        }
        let (file, children) = location.find(&name, &item.attrs)?;
        let text = read(location.workspace, &file)?;
        let parsed = parse(&text, &file)?;
        if is_test(&parsed.attrs) {
            return Ok(());
        }
        let id = self.add(&name, Some(parent), &file);
        let inside = Location {
            workspace: location.workspace,
            file,
            children,
        };
        self.fill(id, &parsed.items, &inside)
    }

    /// Where a reference of a module stands.
    pub(super) fn place(&self, id: Id, reference: &Reference) -> Place {
        Place {
            file: self.modules[id].file.clone(),
            line: reference.line,
        }
    }

    /// From the root down to a module.
    pub(super) fn way(&self, id: Id) -> Vec<Id> {
        let mut way = vec![id];
        let mut at = id;
        while let Some(parent) = self.modules[at].parent {
            way.push(parent);
            at = parent;
        }
        way.reverse();
        way
    }

    /// A module's path with the crate's name.
    pub(super) fn path(&self, id: Id) -> String {
        let below = self.way(id).into_iter().skip(1);
        let names = below.map(|id| self.modules[id].name.clone());
        let whole: Vec<String> = std::iter::once(self.name.clone()).chain(names).collect();
        whole.join("::")
    }
}

impl Location<'_> {
    /// The file of a child module, and the directory of that one's children (Rust reference,
    /// "Module source filenames").
    fn find(&self, name: &str, attrs: &[Attribute]) -> Result<(PathBuf, PathBuf)> {
        if let Some(path) = path_attribute(attrs) {
            let dir = self.file.parent().unwrap_or(Path::new(""));
            let file = dir.join(path);
            let children = file.parent().unwrap_or(Path::new("")).to_owned();
            return Ok((file, children));
        }
        let children = self.children.join(name);
        let beside = self.children.join(format!("{name}.rs"));
        let inside = children.join("mod.rs");
        for file in [beside, inside] {
            if self.workspace.join(&file).is_file() {
                return Ok((file, children));
            }
        }
        bail!("module {name} of {} has no file", self.file.display())
    }
}

fn read(workspace: &Path, file: &Path) -> Result<String> {
    let path = workspace.join(file);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn parse(text: &str, file: &Path) -> Result<syn::File> {
    syn::parse_file(text).map_err(|e| {
        let line = e.span().start().line;
        anyhow::anyhow!("{}:{line} is no Rust: {e}", file.display())
    })
}

fn path_attribute(attrs: &[Attribute]) -> Option<String> {
    attrs.iter().find_map(|attr| match &attr.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
