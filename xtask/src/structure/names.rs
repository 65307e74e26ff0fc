//! Collects what a module's items import and name, down into bodies, macros and attributes.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// What a module's text says about names.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What it defines itself, but modules.
    pub(super) items: BTreeSet<String>,
    /// What its imports are called in it, and the whole path of each.
    pub(super) aliases: Vec<(String, Vec<String>)>,
    /// Paths that it imports everything of.
    pub(super) globs: Vec<Vec<String>>,
    /// Every path that it names or imports.
    pub(super) references: Vec<Reference>,
    /// First segments of its longer paths: in the scope of this module they are no functions.
    pub(super) qualifiers: BTreeSet<String>,
}

/// A path in the text.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// An import takes a name in every namespace; a path in an expression or a type does not end in
    /// a module.
    pub(super) import: bool,
}

/// Fills the [`Names`] of one module.
pub(super) struct Collector<'a> {
    names: &'a mut Names,
}

impl<'a> Collector<'a> {
    pub(super) fn new(names: &'a mut Names) -> Self {
        Self { names }
    }

    /// Takes one item of the module itself; a child module is none of its own.
    pub(super) fn item(&mut self, item: &Item) {
        if matches!(item, Item::Mod(_)) || is_test(attributes(item)) {
            return;
        }
        self.names.items.extend(defined(item));
        self.visit_item(item);
    }

    fn path(&mut self, segments: Vec<String>, line: usize, import: bool) {
        if let [first, _, ..] = segments.as_slice()
            && !import
        {
            self.names.qualifiers.insert(first.clone());
        }
        self.names.references.push(Reference {
            segments,
            line,
            import,
        });
    }

    /// An import, spread out: `use a::{b, c as d, e::*}`.
    fn import(&mut self, before: &[String], tree: &UseTree) {
        let with = |ident: &syn::Ident| {
            let mut path = before.to_vec();
            let name = plain(&ident.to_string());
            // `use a::{self}` is `use a`.
            if name != "self" || path.is_empty() {
                path.push(name);
            }
            path
        };
        match tree {
            UseTree::Path(path) => self.import(&with(&path.ident), &path.tree),
            UseTree::Name(name) => {
                let path = with(&name.ident);
                let line = name.ident.span().start().line;
                let called = path.last().cloned().unwrap_or_default();
                self.names.aliases.push((called, path.clone()));
                self.path(path, line, true);
            }
            UseTree::Rename(renamed) => {
                let path = with(&renamed.ident);
                let line = renamed.ident.span().start().line;
                let called = plain(&renamed.rename.to_string());
                self.names.aliases.push((called, path.clone()));
                self.path(path, line, true);
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.span.start().line;
                self.names.globs.push(before.to_vec());
                self.path(before.to_vec(), line, true);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(before, tree);
                }
            }
        }
    }

    /// Paths among tokens that are no syntax tree: those of macros.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        // Colons since the last name, and whether a `.` or `::` was before the first.
        let (mut colons, mut inside) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    let name = plain(&ident.to_string());
                    if colons == 2 && !path.is_empty() {
                        path.push(name);
                    } else {
                        self.found(&mut path, line, inside);
                        inside = colons == 2;
                        line = ident.span().start().line;
                        path.push(name);
                    }
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.found(&mut path, line, inside);
                    (colons, inside) = (0, false);
                    self.tokens(group.stream());
                }
                TokenTree::Punct(punct) => {
                    self.found(&mut path, line, inside);
                    // A field or a method is no path.
                    (colons, inside) = (0, punct.as_char() == '.');
                }
                TokenTree::Literal(_) => {
                    self.found(&mut path, line, inside);
                    (colons, inside) = (0, false);
                }
            }
        }
        self.found(&mut path, line, inside);
    }

    /// Keeps a path of tokens that has more than a name.
    fn found(&mut self, path: &mut Vec<String>, line: usize, inside: bool) {
        let path = std::mem::take(path);
        if path.len() > 1 && !inside {
            self.path(path, line, false);
        }
    }

    /// Paths in an attribute's texts: `#[serde(with = "super::duration")]`.
    fn texts(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.texts(group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    let text = literal.to_string();
                    let path = syn::parse_str::<syn::Path>(text.trim_matches('"'));
                    if let Ok(path) = path
                        && path.segments.len() > 1
                    {
                        self.path(segments(&path), line, false);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Visit<'_> for Collector<'_> {
    fn visit_item(&mut self, item: &Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        // `use ::name` is another crate.
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_local(&mut self, local: &syn::Local) {
        if !is_test(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    /// `pub(in …)` names a module above.
    fn visit_visibility(&mut self, _: &syn::Visibility) {}

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() {
            let line = path.segments.first().map(|s| s.ident.span().start().line);
            self.path(segments(path), line.unwrap_or_default(), false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &syn::Macro) {
        self.visit_path(&invoked.path);
        self.tokens(invoked.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            self.texts(list.tokens.clone());
        }
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    let names = path.segments.iter().map(|s| plain(&s.ident.to_string()));
    names.collect()
}

/// The name of what an item defines.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(plain(&ident.to_string()))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether something is there in tests alone: `#[test]`, and `cfg` that asks for `test`.
pub(super) fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let path = attr.path();
        let last = path.segments.last().map(|s| s.ident.to_string());
        match last.as_deref() {
            Some("test") => true,
            Some("cfg") => attr.parse_args::<syn::Meta>().is_ok_and(|m| wants_test(&m)),
            _ => false,
        }
    })
}

/// Whether a `cfg` cannot hold without `test`; features may be on.
fn wants_test(meta: &syn::Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let parser = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
        list.parse_args_with(parser)
    };
    match meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => {
            parts(list).is_ok_and(|all| all.iter().any(wants_test))
        }
        syn::Meta::List(list) if list.path.is_ident("any") => {
            parts(list).is_ok_and(|any| !any.is_empty() && any.iter().all(wants_test))
        }
        _ => false,
    }
}

/// An identifier as others name it.
pub(super) fn plain(ident: &str) -> String {
    ident.strip_prefix("r#").unwrap_or(ident).to_owned()
}
