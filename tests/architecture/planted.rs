//! The guard itself: a violation that is planted is found, however it is written.

use std::collections::BTreeSet;

use crate::{
    circles::{circles, imports},
    pure::impurities,
    reading::Source,
};

/// Two folders, of which `low` must not import `high`, and what is planted in `low`.
fn found(file: &str, planted: &str) -> bool {
    let low = Source::new(file, planted);
    let high = Source::new("high.rs", "use crate::low::Thing;");
    let lib = Source::new("lib.rs", "mod high;\nmod low;");
    let circle = BTreeSet::from(["high".to_owned(), "low".to_owned()]);
    circles(&imports(&[lib, low, high])) == [circle]
}

#[test]
fn an_import_upwards_is_found_however_it_is_written() {
    for (file, planted) in [
        ("low.rs", "use crate::high::Thing;"),
        ("low.rs", "use crate::{ other::Thing, high::{self, deep::Thing as Another} };"),
        ("low.rs", "use crate::{\n    high as renamed,\n};"),
        ("low.rs", "use super::high;"),
        ("low.rs", "use crate::high::*;"),
        ("low.rs", "pub(crate) use crate::high::Thing;"),
        ("low/deep.rs", "use super::super::high::Thing;"),
        ("low/deep.rs", "mod within { use super::super::super::{high::Thing}; }"),
        ("low.rs", "fn f() { crate::high::g(); }"),
        ("low.rs", "fn f() -> crate::high::Thing { todo!() }"),
        ("low.rs", "fn f() { use crate::high::Thing; }"),
        ("low.rs", "fn f() { let x = vec![crate::high::g()]; }"),
        ("low.rs", "#[derive(Debug)] struct S(crate::high::Thing);"),
        ("low.rs", "impl crate::high::Trait for S {}"),
        // Behind a test within the file as well.
        ("low.rs", "#[cfg(test)] mod tests { fn t() {} }\nuse crate::high::Thing;"),
        ("low.rs", "#[cfg(not(test))] use crate::high::Thing;"),
    ] {
        assert!(found(file, planted), "{file}: {planted}");
    }
}

#[test]
fn what_is_none_is_not_found() {
    for (file, plain) in [
        ("low.rs", "// use crate::high::Thing;"),
        ("low.rs", "const TEXT: &str = \"crate::high::Thing\";"),
        ("low.rs", "#[cfg(test)] mod tests { use crate::high::Thing; }"),
        ("low.rs", "#[cfg(test)] use crate::high::Thing;"),
        ("low.rs", "use other_crate::high::Thing;"),
        ("low/deep.rs", "use super::high::Thing;"),
        ("low.rs", "mod high { pub struct Thing; }\nuse high::Thing;"),
    ] {
        assert!(!found(file, plain), "{file}: {plain}");
    }
}

#[test]
fn a_longer_circle_is_found() {
    let sources =
        [("a.rs", "use crate::b::X;"), ("b.rs", "use crate::c::X;"), ("c.rs", "use crate::a::X;")];
    let sources = sources.map(|(file, text)| Source::new(file, text));
    assert_eq!(circles(&imports(&sources)).len(), 1);
    assert_eq!(circles(&imports(&sources[..2])).len(), 0);
}

#[test]
fn what_a_pure_module_must_not_name_is_found_however_it_is_written() {
    for planted in [
        "use tokio::time;",
        "use std::{collections::BTreeMap, time::{Duration, Instant}};",
        "use std::time::SystemTime as Clock;",
        "use std::net::{IpAddr, TcpStream};",
        "fn f() { std::fs::read(\"x\"); }",
        "async fn f() {}",
        "fn f() { let g = async { 5 }; }",
        "fn f(t: tokio::time::Interval) {}",
        "fn f() { print(format_args!(\"{}\", std::time::Instant::now())); }",
    ] {
        assert!(!impurities(&Source::new("low.rs", planted)).is_empty(), "{planted}");
    }
    let plain =
        "use std::{net::IpAddr, time::Duration};\n#[cfg(test)] mod tests { use tokio::time; }";
    assert!(impurities(&Source::new("low.rs", plain)).is_empty());
}
