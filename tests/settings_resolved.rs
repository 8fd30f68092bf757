//! Where the values of a scenario's settings come from and how they are checked. After amoc's
//! config_env, config_verification and config_scenario suites.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use crowd::{
    prelude::Settings,
    refusal::{Code, Refusal},
    scenario::settings::{
        Declaration, Declarations, FaultKind, Faults, Origin, SettingValue, Value, Values, resolve,
    },
};

type Environment = BTreeMap<String, String>;

fn pairs<const N: usize>(given: [(&str, &str); N]) -> Vec<(String, String)> {
    given.into_iter().map(|(name, text)| (name.into(), text.into())).collect()
}

fn environment<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    pairs(variables).into_iter().collect()
}

fn value(text: &str, origin: Origin) -> Value {
    Value { text: Some(text.into()), origin }
}

fn from(variable: &str) -> Origin {
    Origin::Environment(variable.into())
}

fn texts(faults: &Faults) -> Vec<String> {
    faults.0.iter().map(ToString::to_string).collect()
}

fn number(name: &str, default: u8) -> Declaration {
    Declaration::of::<u8>(name).description("A number.").default(default).build()
}

fn small(value: u8) -> Result<u8, &'static str> {
    if value < 100 { Ok(value) } else { Err("not less than 100") }
}

fn three() -> Declarations {
    Declarations::new("Three").with(number("a", 1)).with(number("b", 2)).with(number("c", 3))
}

#[test]
fn without_anything_else_the_defaults_hold() {
    let values = resolve(&three(), &[], &Environment::new()).unwrap();
    assert_eq!(values.all["a"], value("1", Origin::Default));
    assert_eq!(values.all.len(), 3);
}

#[test]
fn the_environment_shadows_a_default_and_an_argument_shadows_both() {
    let set = environment([("CROWD_A", "11"), ("CROWD_B", "12")]);
    let values = resolve(&three(), &pairs([("b", "22")]), &set).unwrap();
    assert_eq!(values.all["a"], value("11", from("CROWD_A")));
    assert_eq!(values.all["b"], value("22", Origin::Argument));
    assert_eq!(values.all["c"], value("3", Origin::Default));
}

#[test]
fn unset_again_the_default_is_back() {
    let mut set = HashMap::from([("CROWD_A".to_owned(), "11".to_owned())]);
    assert_eq!(resolve(&three(), &[], &set).unwrap().get("a"), Some("11"));
    set.clear();
    assert_eq!(resolve(&three(), &[], &set).unwrap().get("a"), Some("1"));
}

#[test]
fn an_empty_variable_is_unset() {
    let declarations =
        three().with(Declaration::of::<Option<u8>>("d").description("Maybe a number."));
    let set = environment([("CROWD_A", ""), ("CROWD_D", "")]);
    let values = resolve(&declarations, &[], &set).unwrap();
    assert_eq!(values.all["a"], value("1", Origin::Default));
    assert_eq!(values.all["d"], Value { text: None, origin: Origin::Unset });
}

/// A type with a language of its own, as amoc has parser modules.
#[derive(Debug, Clone, PartialEq)]
struct Shouted(String);

impl SettingValue for Shouted {
    fn type_name() -> String {
        "shouted text".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "panic" => panic!("cannot read this"),
            text => match text.strip_suffix('!') {
                Some(text) => Ok(Self(text.to_uppercase())),
                None => Err("not a text that ends with `!`".into()),
            },
        }
    }

    fn render(&self) -> String {
        format!("{}!", self.0)
    }
}

fn shouted() -> Declarations {
    Declarations::new("Own")
        .with(Declaration::of::<Shouted>("cry").description("A cry.").default(Shouted("NO".into())))
}

#[test]
fn a_type_reads_its_own_language() {
    let values = resolve(&shouted(), &[], &environment([("CROWD_CRY", "hey!")])).unwrap();
    assert_eq!(values.all["cry"], value("HEY!", from("CROWD_CRY")));
    assert_eq!(values.read::<Shouted>("cry").unwrap(), Shouted("HEY".into()));
    let values = resolve(&shouted(), &[], &environment([("CROWD_CRY", "")])).unwrap();
    assert_eq!(values.get("cry"), Some("NO!"));
}

// amoc falls back to the default without a word when a variable cannot be read (W24).
#[test]
fn a_variable_that_cannot_be_read_is_an_error() {
    let faults = resolve(&shouted(), &[], &environment([("CROWD_CRY", "hey")])).unwrap_err();
    assert_eq!(texts(&faults), ["`cry` = `hey` (from CROWD_CRY): not a text that ends with `!`"]);
    assert_eq!(faults.0[0].variable(), Some("CROWD_CRY"));
    let faults = resolve(&shouted(), &[], &environment([("CROWD_CRY", "panic")])).unwrap_err();
    assert_eq!(
        texts(&faults),
        ["`cry` = `panic` (from CROWD_CRY): its check panicked: cannot read this"]
    );
}

#[test]
fn a_variable_that_an_argument_shadows_is_not_read() {
    let set = environment([("CROWD_CRY", "panic")]);
    let values = resolve(&shouted(), &pairs([("cry", "me!")]), &set).unwrap();
    assert_eq!(values.get("cry"), Some("ME!"));
}

#[test]
fn all_values_that_are_refused_are_told_in_order() {
    let declarations = Declarations::new("Many")
        .with(number("a", 1))
        .with(Declaration::of::<u8>("b").description("Small.").default(5).check(small))
        .with(Declaration::of::<bool>("c").description("A flag.").default(true))
        .with(Declaration::of::<String>("d").description("Which.\nMore.").one_of(["x", "y"]))
        .with(Declaration::of::<u8>("e").description("Wrong by default.").default(200).check(small))
        .with(Declaration::of::<u8>("f").description("A needed number."))
        .with(Declaration::of::<String>("g").description("One.").one_of(["x"]).default_text("z"));
    let given = pairs([("c", "maybe"), ("a", "-1")]);
    let faults = resolve(&declarations, &given, &environment([("CROWD_B", "100")])).unwrap_err();
    assert_eq!(
        texts(&faults),
        [
            "`a` = `-1`: not a whole number from 0 to 255",
            "`b` = `100` (from CROWD_B): not less than 100",
            "`c` = `maybe`: not `true` or `false`",
            // An allow-list without a default makes a setting a required one.
            "`d` must be given, as d=… or in CROWD_D (one of x, y): Which.",
            "`e` = `200` (its default): not less than 100",
            "`f` must be given, as f=… or in CROWD_F (whole number from 0 to 255): A needed number.",
            "`g` = `z` (its default): not `x`",
        ]
    );
    let kinds: Vec<_> = faults.0.iter().map(|fault| fault.kind).collect();
    use FaultKind::{Missing, Refused};
    assert_eq!(kinds, [Refused, Refused, Refused, Missing, Refused, Missing, Refused]);
    let refusal = Refusal::from(faults);
    assert_eq!(refusal.code, Code::ParametersVerificationFailed);
    assert!(refusal.message.contains("; `b` = `100` (from CROWD_B): not less than 100; `c`"));
}

#[test]
fn a_check_may_put_another_value_in_the_place_of_the_given_one() {
    let double = |value: u8| Ok::<_, String>(value * 2);
    let declarations = Declarations::new("Double")
        .with(Declaration::of::<u8>("a").description("Doubled.").default(4).check(double))
        .with(
            Declaration::of::<Option<u8>>("b")
                .description("Never absent.")
                .check(|value: Option<u8>| Ok::<_, String>(Some(value.unwrap_or(9)))),
        );
    let values = resolve(&declarations, &[], &Environment::new()).unwrap();
    assert_eq!(values.all["a"], value("8", Origin::Default));
    assert_eq!(values.get("b"), Some("9"));
    let values = resolve(&declarations, &pairs([("a", "5"), ("b", "")]), &Environment::new());
    assert_eq!(values.unwrap().all["a"], value("10", Origin::Argument));
}

#[test]
fn every_check_runs_once_and_the_others_run_when_one_fails() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let logged = |name: &'static str, fails: bool| {
        let calls = calls.clone();
        Declaration::of::<u8>(name).description("Logged.").default(1).check(move |value| {
            calls.lock().unwrap().push((name, value));
            if fails { Err("no") } else { Ok(value) }
        })
    };
    let good = Declarations::new("All").with(logged("a", false)).with(logged("b", false));
    resolve(&good, &pairs([("b", "7")]), &environment([("CROWD_A", "5"), ("CROWD_B", "6")]))
        .unwrap();
    assert_eq!(std::mem::take(&mut *calls.lock().unwrap()), [("a", 5), ("b", 7)]);

    let bad = Declarations::new("All")
        .with(logged("a", true))
        .with(logged("b", false))
        .with(logged("c", true));
    let faults = resolve(&bad, &pairs([("zz", "1")]), &Environment::new()).unwrap_err();
    assert_eq!(faults.0.len(), 3);
    assert_eq!(*calls.lock().unwrap(), [("a", 1), ("b", 1), ("c", 1)]);
}

#[test]
fn a_check_that_panics_is_a_fault_of_its_setting() {
    let declarations = three().with(
        Declaration::of::<u8>("d")
            .description("Never right.")
            .check(|value| -> Result<u8, String> { panic!("lost at {value}") }),
    );
    let given = pairs([("d", "4"), ("a", "x")]);
    let faults = resolve(&declarations, &given, &Environment::new()).unwrap_err();
    assert_eq!(
        texts(&faults),
        ["`a` = `x`: not a whole number from 0 to 255", "`d` = `4`: its check panicked: lost at 4"]
    );
    assert_eq!(faults.0[1].kind, FaultKind::Panicked);
}

// amoc names the last one first, and nothing else that is wrong.
#[test]
fn all_keys_that_nobody_declared_are_named_and_everything_else_that_is_wrong() {
    let declarations = three().with(Declaration::of::<u8>("users_per_room").description("Room."));
    let given = pairs([("user_per_room", "1"), ("a", "x"), ("colour", "red"), ("colour", "blue")]);
    let faults = resolve(&declarations, &given, &Environment::new()).unwrap_err();
    assert_eq!(
        texts(&faults),
        [
            "`user_per_room` is not a setting of this scenario; did you mean `users_per_room`?",
            "`colour` is not a setting of this scenario (it has: a, b, c, users_per_room)",
            "`a` = `x`: not a whole number from 0 to 255",
            "`users_per_room` must be given, as users_per_room=… or in CROWD_USERS_PER_ROOM \
             (whole number from 0 to 255): Room.",
        ]
    );
    assert_eq!(faults.code(), Code::UndefinedParameters);
    let faults = resolve(&Declarations::default(), &pairs([("a", "1")]), &Environment::new());
    assert_eq!(
        texts(&faults.unwrap_err()),
        ["`a` is not a setting of this scenario, which has none"]
    );
}

// In amoc the first of two wins and the other is forgotten.
#[test]
fn a_key_given_twice_is_an_error() {
    let given = pairs([("b", "1"), ("a", "x"), ("b", "1"), ("b", "2")]);
    let faults = resolve(&three(), &given, &Environment::new()).unwrap_err();
    assert_eq!(
        texts(&faults),
        ["`b` is given more than once", "`a` = `x`: not a whole number from 0 to 255"]
    );
    assert_eq!(faults.code(), Code::ParametersVerificationFailed);
}

#[test]
fn declarations_that_clash_are_refused_before_any_value_is_looked_at() {
    let clash = three().with(
        Declaration::of::<u8>("a")
            .description("Again.")
            .default(1)
            .check(|_| -> Result<u8, String> { panic!("looked at") }),
    );
    let faults = resolve(&clash, &pairs([("zz", "1")]), &Environment::new()).unwrap_err();
    assert_eq!(texts(&faults), ["`a` is declared by `Three` and by `Three`"]);
    assert_eq!(faults.code(), Code::ParameterOverriding);
}

#[test]
fn of_the_runtimes_own_settings_the_environment_is_not_asked_again() {
    let own = Declaration::of::<String>("user_rate")
        .description("Rate.")
        .default_text("node's")
        .owner("crowd");
    let set = environment([("CROWD_USER_RATE", "louder than the command line")]);
    let values = resolve(&Declarations::new("Any").with(own), &[], &set).unwrap();
    assert_eq!(values.all["user_rate"], value("node's", Origin::Default));
}

#[test]
fn a_value_nobody_declared_cannot_be_read() {
    let values = resolve(&three(), &[], &Environment::new()).unwrap();
    assert_eq!(values.get("zz"), None);
    assert_eq!(values.read::<u8>("zz").unwrap_err().code, Code::UndefinedParameters);
    assert_eq!(
        values.read::<bool>("a").unwrap_err().message,
        "`a` cannot be read as true or false: not `true` or `false`"
    );
}

#[derive(SettingValue, Debug, Clone, Copy, PartialEq)]
enum Mode {
    LongPoll,
    Stream,
}

#[derive(Settings, Debug, Clone, PartialEq)]
struct Target {
    /// Host.
    #[setting(default = "localhost", check = lower_case)]
    host: String,
    /// Addresses.
    #[setting(default = "", one_of = ["::1", "127.0.0.1"])]
    bind: Vec<IpAddr>,
}

fn lower_case(host: String) -> Result<String, std::convert::Infallible> {
    Ok(host.to_lowercase())
}

#[derive(Settings, Debug, Clone, PartialEq)]
struct Everything {
    #[setting(group, override(host(default = "EXAMPLE.org")))]
    target: Target,
    /// Mode.
    #[setting(default = "long-poll", one_of = [Mode::LongPoll])]
    mode: Mode,
    /// Pause.
    #[setting(default = "90s")]
    pause: Duration,
    /// Limit.
    #[setting(check = |limit: Option<u64>| if limit == Some(0) { Err("not above 0") } else { Ok(limit) })]
    limit: Option<u64>,
    /// Separator.
    #[setting(default = ';')]
    separator: char,
    /// Text.
    #[setting(default = "")]
    r#type: String,
    /// Large.
    #[setting(default = 18_446_744_073_709_551_615, one_of = [1, 18_446_744_073_709_551_615])]
    large: u64,
    /// Below zero.
    #[setting(default = -1, one_of = [-1, 1])]
    sign: i8,
}

#[test]
fn checked_values_become_a_typed_struct() {
    let values = resolve(&Everything::declarations(), &[], &Environment::new()).unwrap();
    let everything = Everything::from_values(&values).unwrap();
    assert_eq!(
        everything,
        Everything {
            target: Target { host: "example.org".into(), bind: vec![] },
            mode: Mode::LongPoll,
            pause: Duration::from_secs(90),
            limit: None,
            separator: ';',
            r#type: String::new(),
            large: u64::MAX,
            sign: -1,
        }
    );
    let given = pairs([("bind", "::1, 0:0::1"), ("limit", "5"), ("type", " a "), ("sign", "1")]);
    let values = resolve(&Everything::declarations(), &given, &Environment::new()).unwrap();
    assert_eq!(values.get("bind"), Some("::1,::1"));
    let everything = Everything::from_values(&values).unwrap();
    assert_eq!((everything.limit, everything.r#type.as_str()), (Some(5), " a "));
}

#[test]
fn a_typed_struct_has_faults_like_any_other() {
    let given = pairs([("bind", "::2"), ("mode", "stream"), ("limit", "0"), ("sign", "0")]);
    let faults = resolve(&Everything::declarations(), &given, &Environment::new()).unwrap_err();
    assert_eq!(
        texts(&faults),
        [
            "`bind` = `::2`: not one of `::1`, `127.0.0.1`",
            "`mode` = `stream`: not `long-poll`",
            "`limit` = `0`: not above 0",
            "`sign` = `0`: not one of `-1`, `1`",
        ]
    );
}

#[test]
fn values_of_other_declarations_are_refused_not_guessed() {
    let refusal = Everything::from_values(&Values::default()).unwrap_err();
    assert_eq!(refusal.code, Code::UndefinedParameters);
}

#[test]
fn a_secret_is_shown_nowhere() {
    use crowd::settings::Secret;
    let declarations = Declarations::new("Login").with(
        Declaration::of::<Secret>("password").description("Password.").check(|secret: Secret| {
            if secret.expose().len() > 3 { Ok(secret) } else { Err("not long enough") }
        }),
    );
    let faults = resolve(&declarations, &pairs([("password", "abc")]), &Environment::new());
    assert_eq!(texts(&faults.unwrap_err()), ["`password` = `***`: not long enough"]);
    let values =
        resolve(&declarations, &pairs([("password", "swordfish")]), &Environment::new()).unwrap();
    let password = declarations.get("password").unwrap();
    assert_eq!(password.shown(&values.all["password"]), "***");
    assert_eq!(values.read::<Secret>("password").unwrap().expose(), "swordfish");
}
