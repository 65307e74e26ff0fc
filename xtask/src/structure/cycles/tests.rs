use super::*;

/// The imports on a cycle of a crate whose modules are all in one text.
fn on_cycles(text: &str) -> Vec<String> {
    let imports = imports(&Tree::of_text("x", text));
    let pairs = cycles(&imports).into_keys();
    pairs.map(|(a, b)| format!("{a} -> {b}")).collect()
}

#[test]
fn two_modules_that_import_each_other_are_a_cycle_and_one_way_is_none() {
    assert_eq!(
        on_cycles("mod a { use crate::b::B; } mod b { pub struct B; use super::a; }"),
        ["x::a -> x::b", "x::b -> x::a"]
    );
    assert!(on_cycles("mod a { use crate::b::B; } mod b { pub struct B; }").is_empty());
}

#[test]
fn a_cycle_of_three_is_found_by_imports_bodies_types_macros_and_attributes() {
    let text = r#"
        mod a { fn f() { crate::b::g(); } }
        mod b { struct B { c: super::c::C } }
        mod c { fn h() { println!("{}", crate::a::f()); } }
    "#;
    let all = ["x::a -> x::b", "x::b -> x::c", "x::c -> x::a"];
    assert_eq!(on_cycles(text), all);
    let text = r#"
        mod a { use crate::{b::{self, g as other}, d}; fn f() { b::g(); } }
        mod b { #[serde(with = "crate::c")] struct No; #[serde(with = "super::c::text")] struct B; }
        mod c { #[derive(crate::a::Derived)] struct C; }
        mod d {}
    "#;
    assert_eq!(on_cycles(text), all);
}

#[test]
fn an_import_by_way_of_a_re_export_counts_for_where_the_thing_is() {
    // `P` is of `p::inner`: `q` and `p::other` import that, whoever hands it on.
    let text = "
        mod p {
            mod inner { pub struct P; use super::other::O; }
            mod other { use super::P; pub struct O; }
            pub use self::inner::P;
        }
        mod q { use crate::P; pub struct Q; }
        pub use p::P;
    ";
    assert_eq!(
        on_cycles(text),
        ["x::p::inner -> x::p::other", "x::p::other -> x::p::inner"]
    );
    let text = "
        pub use b::*;
        mod a { use super::B; pub struct A; }
        mod b { pub struct B; use crate::prelude::A; }
        mod prelude { pub use crate::a::A; }
    ";
    // What `b` takes is of `a`, though `prelude` names it.
    assert_eq!(on_cycles(text), ["x::a -> x::b", "x::b -> x::a"]);
}

#[test]
fn a_name_in_scope_leads_where_its_import_leads() {
    let text = "
        mod p {
            use crate::p;
            mod a { use crate::p; fn f() { p::b::g(); } }
            mod b { use super::*; fn g() { a::f(); } }
        }
    ";
    assert_eq!(
        on_cycles(text),
        ["x::p::a -> x::p::b", "x::p::b -> x::p::a"]
    );
}

#[test]
fn what_is_below_a_module_counts_as_it_and_parents_and_children_are_no_siblings() {
    let text = "
        mod a { mod deep { use crate::b::B; } }
        mod b { pub struct B; mod deep { use crate::a; } }
    ";
    assert_eq!(on_cycles(text), ["x::a -> x::b", "x::b -> x::a"]);
    let text = "
        struct Mine;
        use child::Child;
        mod child { use super::Mine; pub struct Child; mod deep { use crate::{Child, child}; } }
    ";
    assert!(on_cycles(text).is_empty());
}

#[test]
fn tests_are_left_out_and_features_are_not() {
    let cycle = |attribute: &str| {
        on_cycles(&format!(
            "mod a {{ use crate::b::B; }} mod b {{ pub struct B; {attribute} mod c {{ use crate::a; }} }}"
        ))
    };
    assert!(cycle("#[cfg(test)]").is_empty());
    assert!(cycle("#[cfg(all(test, feature = \"x\"))]").is_empty());
    assert_eq!(cycle("#[cfg(any(test, feature = \"x\"))]").len(), 2);
    assert_eq!(cycle("#[cfg(not(test))]").len(), 2);
    let text =
        "mod a { use crate::b::B; } mod b { pub struct B; #[test] fn t() { crate::a::f(); } }";
    assert!(on_cycles(text).is_empty());
    let text = "mod a { use crate::b::B; } mod b { pub struct B; #[cfg(test)] use crate::a; }";
    assert!(on_cycles(text).is_empty());
}

#[test]
fn a_function_with_the_name_of_a_module_is_not_the_module() {
    // `plan` is defined by the parent; the module of that name is another thing.
    let text = "
        mod plan { use super::a::A; }
        fn plan() {}
        mod a { use super::plan; pub struct A; fn f() { plan(); } }
    ";
    assert!(on_cycles(text).is_empty());
    let text = "
        mod plan { use super::a::A; pub fn go() {} }
        fn plan() {}
        mod a { use super::plan; pub struct A; fn f() { plan::go(); } }
    ";
    assert_eq!(on_cycles(text).len(), 2);
}

#[test]
fn modules_that_re_export_each_other_and_unknown_names_end_the_search() {
    let text = "
        mod a { pub use super::b::*; pub use super::c::*; use crate::b::Nowhere; }
        mod b { pub use super::a::*; use super::a::Nowhere; fn f() { Nowhere::x(); } }
        mod c { use serde::de; pub use super::*; fn f() { de::Error::custom(); } }
    ";
    assert_eq!(on_cycles(text).len(), 2, "{:?}", on_cycles(text));
}

#[test]
fn each_cycle_is_told_with_where_its_imports_stand() {
    let of = |text: &str| told(&imports(&Tree::of_text("x", text)));
    let wrong = of("mod a {\n use crate::b::B;\n}\nmod b { pub struct B;\n use super::a;\n}");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    for line in ["x::a -> x::b  lib.rs:2\n", "x::b -> x::a  lib.rs:5\n"] {
        assert!(wrong[0].contains(line), "{wrong:?}");
    }
    assert!(of("mod a { use crate::b::B; } mod b { pub struct B; }").is_empty());
}
