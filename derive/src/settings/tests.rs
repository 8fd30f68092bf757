use syn::parse_quote;

use super::*;

/// Every message of a refused struct.
fn faults(input: &DeriveInput) -> Vec<String> {
    match expand(input) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.to_string()).collect(),
    }
}

fn refused_for(input: &DeriveInput, reason: &str) {
    let faults = faults(input);
    assert!(faults.len() == 1 && faults[0].contains(reason), "{faults:?}");
}

#[test]
fn a_struct_that_says_everything_is_accepted() {
    let input = parse_quote! {
        struct Target {
            /// Host.
            #[setting(default = "localhost", check = resolvable, update = hook, name = "server")]
            host: String,
            /// Port.
            #[setting(default = 80, one_of = [80, 443], update = free)]
            port: u16,
            /// Type.
            r#type: Option<u8>,
            #[setting(group, override(rate(default = 5, description = "Five.", update = hook)))]
            pace: Pace,
        }
    };
    assert_eq!(faults(&input), Vec::<String>::new());
}

#[test]
fn a_setting_without_a_doc_comment_is_refused() {
    let reason = "the setting `host` needs a doc comment: it is what people read about it";
    refused_for(&parse_quote! { struct A { host: String } }, reason);
    refused_for(&parse_quote! { struct A { #[doc = "  "] host: String } }, reason);
}

#[test]
fn every_fault_is_told_at_once() {
    let input = parse_quote! {
        struct A {
            host: String,
            /// Port.
            #[setting(defalt = 5)]
            port: u16,
            /// Good.
            good: u16,
            /// Mode.
            #[setting(update = sometimes)]
            mode: u8,
        }
    };
    let faults = faults(&input);
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[1].starts_with("unknown word"), "{faults:?}");
    assert_eq!(faults[2], "expected `read_only`, `free` or `hook`");
}

#[test]
fn a_thing_may_be_said_once() {
    refused_for(
        &parse_quote! { struct A { /** A. */ #[setting(default = 1, default = 2)] a: u8 } },
        "`default` is said twice",
    );
    refused_for(
        &parse_quote! { struct A { /** A. */ #[setting(name = "b")] #[setting(name = "c")] a: u8 } },
        "`name` is said twice",
    );
}

#[test]
fn a_name_must_fit_an_environment_variable() {
    for name in ["Host", "ho-st", "1host", "", "_host", "höst", "a b"] {
        let input = parse_quote! { struct A { /** A. */ #[setting(name = #name)] a: u8 } };
        refused_for(&input, "is no name for a setting");
    }
    refused_for(&parse_quote! { struct A { /** A. */ Host: u8 } }, "`Host` is no name");
}

#[test]
fn an_allow_list_allows_something() {
    refused_for(
        &parse_quote! { struct A { /** A. */ #[setting(one_of = [])] a: u8 } },
        "nothing is allowed",
    );
}

#[test]
fn a_group_is_only_overridden() {
    refused_for(
        &parse_quote! { struct A { #[setting(group, default = 1)] a: B } },
        "a group is said nothing about but",
    );
    refused_for(
        &parse_quote! { struct A { /** A. */ #[setting(override(b(default = 1)))] a: u8 } },
        "`override` goes with `group`",
    );
    refused_for(
        &parse_quote! { struct A { #[setting(group, override(b(check = c)))] a: B } },
        "call `Declarations::replace`",
    );
}

#[test]
fn only_structs_with_named_fields_are_settings() {
    refused_for(&parse_quote! { enum A { B } }, "derive `SettingValue`");
    refused_for(&parse_quote! { struct A(u8); }, "a struct with named fields");
    refused_for(&parse_quote! { struct A<T> { a: T } }, "cannot be generic");
    refused_for(&parse_quote! { #[setting(group)] struct A { } }, "belongs on a field");
}

#[test]
fn a_doc_comment_becomes_one_line_a_paragraph() {
    let field: Field = parse_quote! {
        /// First line,
        /// the same line.
        ///
        /// Second line.
        a: u8
    };
    assert_eq!(attribute::description(&field.attrs), "First line, the same line.\nSecond line.");
}
