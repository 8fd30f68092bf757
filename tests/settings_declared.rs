//! What a scenario declares: order, properties, groups, replacements, and what does not go
//! together. After amoc's config_attributes and config_scenario suites.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(dead_code, reason = "fields are declared here, not read")]

use std::{net::SocketAddr, time::Duration};

use crowd::{
    prelude::Settings,
    refusal::{Code, Refusal},
    scenario::settings::{Declaration, Declarations, FaultKind, SettingValue, Update, check},
};

#[derive(SettingValue, Debug, Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    #[setting(name = "tls")]
    Encrypted,
}

#[derive(Settings, Debug, Clone)]
struct Target {
    /// The server's host.
    #[setting(default = "localhost")]
    host: String,
    /// The server's port.
    #[setting(default = 80, one_of = [80, 443])]
    port: u16,
}

#[derive(Settings, Debug, Clone)]
struct Chat {
    /// Who is to be greeted: René, say.
    ///
    /// Everybody else is not.
    name: String,
    #[setting(group)]
    target: Target,
    /// Length of a pause.
    #[setting(default = Duration::from_secs(90), update = free)]
    pause: Duration,
    /// How to connect.
    #[setting(default = Mode::Encrypted, update = hook)]
    mode: Mode,
    /// Named like a word of the language.
    r#type: Option<u8>,
    /// Peers.
    #[setting(default = vec![], name = "peer_list")]
    peers: Vec<SocketAddr>,
    /// A factor.
    #[setting(default = 1.5, update = read_only)]
    factor: f64,
}

fn names(declarations: &Declarations) -> Vec<&str> {
    declarations.names().collect()
}

fn faults(declarations: &Declarations) -> Vec<String> {
    let faults = check(declarations).unwrap_err();
    assert!(faults.0.iter().all(|fault| fault.kind == FaultKind::Declaration));
    assert_eq!(Refusal::from(faults.clone()).code, Code::ParameterOverriding);
    faults.0.iter().map(ToString::to_string).collect()
}

fn text(name: &str) -> Declaration {
    Declaration::of::<String>(name).description("Some text.").default_text("x").build()
}

#[test]
fn settings_are_read_in_order_those_of_a_group_where_it_stands() {
    let declarations = Chat::declarations();
    assert_eq!(
        names(&declarations),
        ["name", "host", "port", "pause", "mode", "type", "peer_list", "factor"]
    );
    check(&declarations).unwrap();
}

#[test]
fn what_is_not_said_has_a_default() {
    let declarations = Chat::declarations();
    let name = declarations.get("name").unwrap();
    assert_eq!(name.default, None);
    assert!(name.allowed.is_empty());
    assert!(!name.optional);
    assert_eq!(name.update, Update::ReadOnly);
    assert_eq!(name.owner, "Chat");
    assert_eq!(name.type_name, "text");
}

#[test]
fn a_doc_comment_is_the_description_in_any_language() {
    let declarations = Chat::declarations();
    let name = declarations.get("name").unwrap();
    assert_eq!(name.description, "Who is to be greeted: René, say.\nEverybody else is not.");
}

#[test]
fn what_is_said_is_declared() {
    let declarations = Chat::declarations();
    let get = |name| declarations.get(name).unwrap();
    assert_eq!(get("pause").default.as_deref(), Some("1m30s"));
    assert_eq!(get("pause").update, Update::Free);
    assert_eq!(get("mode").default.as_deref(), Some("tls"));
    assert_eq!(get("mode").update, Update::Hook);
    assert_eq!(get("mode").allowed, ["plain", "tls"]);
    assert_eq!(get("port").allowed, ["80", "443"]);
    assert_eq!(get("type").default, None);
    assert!(get("type").optional);
    assert_eq!(get("peer_list").default.as_deref(), Some(""));
    assert_eq!(get("peer_list").type_name, "list of IP address with port");
    assert_eq!(get("factor").default.as_deref(), Some("1.5"));
}

#[test]
fn a_group_owns_its_settings() {
    assert_eq!(Chat::declarations().get("host").unwrap().owner, "Target");
}

// amoc takes any name and any description; what it refuses later (no description, not a name) is
// refused here all at once, in order, and what is right is not named.
#[test]
fn every_fault_of_the_declarations_is_told_in_order() {
    let declarations = Declarations::new("Chat")
        .with(text("good"))
        .with(text("Big"))
        .with(Declaration::of::<u8>("mute"))
        .with(text("with-dash"))
        .with(text("_x"))
        .with(text(""))
        .with(text("fine_2"));
    let rule = "of `Chat` is not a name of lower-case letters, digits and `_`, a letter first";
    assert_eq!(
        faults(&declarations),
        [
            format!("`Big` {rule}"),
            "`mute` of `Chat` is not described".into(),
            format!("`with-dash` {rule}"),
            format!("`_x` {rule}"),
            format!("`` {rule}"),
        ]
    );
}

#[test]
fn a_name_is_declared_once() {
    let twice = Declarations::new("Chat").with(text("a")).with(text("b")).with(text("a"));
    assert_eq!(faults(&twice), ["`a` is declared by `Chat` and by `Chat`"]);
}

#[test]
fn a_clash_of_groups_names_both() {
    #[derive(Settings, Debug, Clone)]
    struct Proxy {
        /// Its host.
        host: String,
    }
    #[derive(Settings, Debug, Clone)]
    struct Both {
        #[setting(group)]
        target: Target,
        #[setting(group)]
        proxy: Proxy,
    }
    assert_eq!(faults(&Both::declarations()), ["`host` is declared by `Target` and by `Proxy`"]);
}

#[test]
fn a_group_taken_in_twice_clashes_with_itself() {
    #[derive(Settings, Debug, Clone)]
    struct Twice {
        #[setting(group)]
        first: Target,
        #[setting(group)]
        second: Target,
    }
    assert_eq!(
        faults(&Twice::declarations()),
        [
            "`host` is declared by `Target` and by `Target`",
            "`port` is declared by `Target` and by `Target`"
        ]
    );
}

#[test]
fn names_of_the_nodes_settings_are_taken() {
    let declarations = ["user_rate", "listen", "log", "config", "throttle_tolerance", "logs"]
        .into_iter()
        .fold(Declarations::new("Chat"), |all, name| all.with(text(name)));
    let faults = faults(&declarations);
    assert_eq!(faults.len(), 5, "{faults:?}");
    assert_eq!(
        faults[0],
        "`user_rate` is declared by `Chat`, but is a setting of the node (`crowd`)"
    );
}

#[test]
fn the_runtimes_own_setting_clashes_with_nobody_else() {
    let own = Declaration::of::<String>("user_rate").description("Rate.").owner("crowd");
    check(&Declarations::new("Chat").with(text("a")).with(own)).unwrap();
    let own = Declaration::of::<String>("user_rate").description("Rate.").owner("crowd");
    let both = Declarations::new("Chat").with(text("user_rate")).with(own);
    assert_eq!(faults(&both).len(), 1);
}

#[test]
fn a_scenario_replaces_a_declaration_whole_and_owns_it_then() {
    let replaced = Chat::declarations().replace(
        Declaration::of::<String>("host")
            .description("The chat server.")
            .default_text("chat.example.org")
            .update(Update::Free)
            .owner("somebody"),
    );
    check(&replaced).unwrap();
    assert_eq!(names(&replaced), names(&Chat::declarations()), "its place stays");
    let host = replaced.get("host").unwrap();
    assert_eq!(host.description, "The chat server.");
    assert_eq!(host.default.as_deref(), Some("chat.example.org"));
    assert_eq!(host.update, Update::Free);
    assert_eq!(host.owner, "Chat");
    assert_eq!(replaced.get("port").unwrap().owner, "Target");
}

#[test]
fn of_several_replacements_the_last_one_wins() {
    let with =
        |text: &str| Declaration::of::<String>("host").description("Host.").default_text(text);
    let replaced = Chat::declarations().replace(with("first")).replace(with("last"));
    assert_eq!(replaced.get("host").unwrap().default.as_deref(), Some("last"));
}

// In amoc an override may change everything: there are no types.
#[test]
fn a_replacement_keeps_the_type() {
    let replaced = Chat::declarations()
        .replace(Declaration::of::<u16>("host").description("Host."))
        .replace(Declaration::of::<Option<u16>>("port").description("Port."));
    assert_eq!(
        faults(&replaced),
        [
            "`host` is, as `Target` declares it, of type text, not whole number from 0 to 65535",
            "`port` is, as `Target` declares it, of type whole number from 0 to 65535, not whole \
             number from 0 to 65535 that may be absent"
        ]
    );
}

// In amoc this adds a setting; here no field would hold it, so that it can only be a mistake.
#[test]
fn only_what_is_there_is_replaced() {
    let replaced = Chat::declarations().replace(text("hots"));
    assert_eq!(
        faults(&replaced),
        ["`hots` is replaced by `Chat`, but no group declares it; did you mean `host`?"]
    );
}

#[test]
fn an_override_in_the_struct_changes_a_part_of_a_groups_declaration() {
    #[derive(Settings, Debug, Clone)]
    struct Other {
        #[setting(group, override(
            host(default = "example.org", description = "Another host.", update = hook),
            port(default = 443),
        ))]
        target: Target,
    }
    let declarations = Other::declarations();
    check(&declarations).unwrap();
    let host = declarations.get("host").unwrap();
    assert_eq!(host.default.as_deref(), Some("example.org"));
    assert_eq!(host.description, "Another host.");
    assert_eq!(host.update, Update::Hook);
    assert_eq!(host.owner, "Other");
    let port = declarations.get("port").unwrap();
    assert_eq!(port.default.as_deref(), Some("443"));
    assert_eq!(port.description, "The server's port.");
    assert_eq!(port.allowed, ["80", "443"]);
}

#[test]
fn nothing_declared_is_nothing_wrong() {
    check(&<()>::declarations()).unwrap();
    assert!(<()>::declarations().all.is_empty());
}
