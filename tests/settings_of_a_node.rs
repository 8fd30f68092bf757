//! The settings of a node: which layer wins, and what is wrong, all at once.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{fs, path::Path, time::Duration};

use crowd::settings::{NodeSettings, Secret, Sources};
use tempfile::TempDir;

/// Layers in the making. The files are gone when it is dropped.
struct Scene {
    directory: TempDir,
    sources: Sources,
}

impl Scene {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), sources: Sources::default() }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn file(mut self, text: &str) -> Self {
        self.sources.file = Some(self.write("node.toml", text).into());
        self
    }

    fn variable(mut self, name: &str, text: &str) -> Self {
        self.sources.environment.insert(name.into(), text.into());
        self
    }

    fn flag(mut self, name: &str, text: &str) -> Self {
        self.sources.overrides.push((name.into(), text.into()));
        self
    }

    fn load(&self) -> NodeSettings {
        NodeSettings::load(&self.sources).unwrap()
    }

    /// The faults, with the directory's name left out.
    fn faults(&self) -> Vec<String> {
        let faults = NodeSettings::load(&self.sources).unwrap_err();
        assert_eq!(faults.to_string(), faults.0.join("\n"));
        let directory = format!("{}/", self.directory.path().display());
        faults.0.iter().map(|fault| fault.replace(&directory, "")).collect()
    }
}

#[test]
fn without_any_source_the_defaults_hold() {
    let settings = Scene::new().load();
    assert_eq!(settings, NodeSettings::default());
    assert!(!settings.node_name.is_empty());
    assert_eq!(settings.graphite_prefix(), settings.node_name);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:4370");
    assert_eq!(settings.api_listen.to_string(), "127.0.0.1:4000");
    assert_eq!(settings.user_rate, "1200/min");
    assert_eq!(settings.init_timeout, Duration::from_secs(60));
    assert_eq!(settings.throttle_tolerance, Duration::from_millis(5));
}

#[test]
fn the_command_line_is_louder_than_the_environment_and_that_than_the_file() {
    let settings = Scene::new()
        .file(
            "node_name = 'file'\ngraphite_port = 1\nlog = 'error'\ninit_timeout = '1s'\n\
             data_dir = 'runs'",
        )
        .variable("CROWD_NODE_NAME", "environment")
        .variable("CROWD_GRAPHITE_PORT", "2")
        .variable("CROWD_LOG", "warn")
        .flag("node_name", "flag")
        .flag("graphite_port", "3")
        .load();
    assert_eq!(settings.node_name, "flag");
    assert_eq!(settings.graphite_port, 3);
    assert_eq!(settings.log, "warn");
    assert_eq!(settings.init_timeout, Duration::from_secs(1));
    assert_eq!(settings.data_dir.as_deref(), Some(Path::new("runs")));
    assert_eq!(settings.drain_timeout, Duration::from_secs(30));
}

#[test]
fn the_environment_may_name_the_file_and_the_command_line_another() {
    let mut scene = Scene::new();
    let path = scene.write("from_environment.toml", "node_name = 'a'");
    scene = scene.variable("CROWD_CONFIG", &path);
    assert_eq!(scene.load().node_name, "a");
    assert_eq!(scene.file("node_name = 'b'").load().node_name, "b");
    assert_eq!(Scene::new().variable("CROWD_CONFIG", "").load(), NodeSettings::default());
}

#[test]
fn a_file_may_begin_with_a_byte_order_mark() {
    assert_eq!(Scene::new().file("\u{feff}log = 'warn'").load().log, "warn");
}

#[test]
fn a_rate_needs_a_time_and_no_time_is_for_ever() {
    let faults = Scene::new()
        .variable("CROWD_USER_RATE", "10")
        .variable("CROWD_MASTER_TIMEOUT", "300000000000y")
        .variable("CROWD_DRAIN_TIMEOUT", "2y")
        .faults();
    insta::assert_snapshot!(faults.join("\n"), @r"
    master_timeout = `300000000000y` (from CROWD_MASTER_TIMEOUT): more than a year, 365days
    user_rate = `10` (from CROWD_USER_RATE): `10` is no rate: write 10/s or 10/min
    drain_timeout = `2y` (from CROWD_DRAIN_TIMEOUT): more than a year, 365days
    ");
}

#[test]
fn an_empty_variable_is_unset() {
    let settings = Scene::new()
        .file("log = 'warn'")
        .variable("CROWD_LOG", "")
        .variable("CROWD_LISTEN", "")
        .load();
    assert_eq!(settings.log, "warn");
    assert_eq!(settings, NodeSettings { log: "warn".into(), ..NodeSettings::default() });
}

#[test]
fn a_text_that_looks_like_a_number_or_a_list_stays_a_text() {
    let settings = Scene::new()
        .file("api_token = '1e3'\nlog = 'warn,crowd=debug'")
        .variable("CROWD_COOKIE", "0123")
        .variable("CROWD_NODE_NAME", "007")
        .load();
    assert_eq!(settings.cookie, Some(Secret::new("0123")));
    assert_eq!(settings.node_name, "007");
    assert_eq!(settings.api_token, Some(Secret::new("1e3")));
    assert_eq!(settings.log, "warn,crowd=debug");
}

#[test]
fn nodes_are_a_list_in_the_file_and_separated_by_commas_elsewhere() {
    let nodes = |scene: Scene| -> Vec<String> {
        let settings = scene.flag("cookie", "c").load();
        settings.nodes.iter().map(ToString::to_string).collect()
    };
    let expected = ["a:1", "[::1]:2"];
    assert_eq!(nodes(Scene::new().file("nodes = ['a:1', '[::1]:2']")), expected);
    assert_eq!(nodes(Scene::new().file("nodes = 'a:1, [::1]:2'")), expected);
    assert_eq!(nodes(Scene::new().variable("CROWD_NODES", "a:1,[::1]:2")), expected);
    assert_eq!(nodes(Scene::new()), Vec::<String>::new());
}

#[test]
fn every_fault_of_every_layer_is_told_at_once() {
    let faults = Scene::new()
        .file(
            "colour = 'red'\nlisten = ['127.0.0.1:1']\ninit_timeout = 60\ngraphite_prefix = 'a b'\n\
             [data_dir]\nx = 1",
        )
        .variable("CROWD_NODES", "worker-1")
        .variable("CROWD_GRAPHITE_PORT", "0")
        .variable("CROWD_LISTNE", "x")
        .variable("CROWD_CONFIGURATION", "x")
        .variable("HOME", "/")
        .flag("log_", "x")
        .flag("user_supervisors", "5000")
        .flag("log", "a=b=c")
        .flag("log", "a=b=c")
        .flag("drain_timeout", "0s")
        .flag("throttle_tolerance", "0s")
        .faults();
    insta::assert_snapshot!(faults.join("\n"), @r#"
    `colour` in node.toml is not a setting of a node
    `CROWD_CONFIGURATION` in the environment names no setting, neither of the node nor of a scenario
    `CROWD_LISTNE` in the environment names no setting, neither of the node nor of a scenario; did you mean `CROWD_LISTEN`?
    `log_` on the command line is not a setting of a node; did you mean `log`?
    `log` is given twice on the command line
    nodes = `worker-1` (from CROWD_NODES): item 1, `worker-1`: not an address such as `worker-1:4370` or `[::1]:4370`
    listen = `127.0.0.1:1` (from node.toml): a list, where one value belongs
    graphite_port = `0` (from CROWD_GRAPHITE_PORT): not a port from 1 to 65535
    graphite_prefix = `a b` (from node.toml): not a name of letters, digits, `-`, `.` and `_`
    data_dir = `…` (from node.toml): neither a text, a number nor a list
    log = `a=b=c` (from the command line): not a log filter such as `info` or `warn,crowd=debug` (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5)
    init_timeout = `60` (from node.toml): not a duration such as `1m30s` or `200ms` (time unit needed, for example 60sec or 60ms)
    throttle_tolerance = `0s` (from the command line): not longer than 0s
    user_supervisors = `5000` (from the command line): not a number from 0 (one per core) to 1024
    "#);
}

#[test]
fn variables_of_scenarios_are_no_mistakes() {
    let mut scene = Scene::new().variable("CROWD_ROOM_SIZE", "5").variable("CROWD_ROOM_SIEZ", "5");
    scene.sources.scenario_settings.insert("room_size".into());
    assert_eq!(
        scene.faults(),
        ["`CROWD_ROOM_SIEZ` in the environment names no setting, neither of the node nor of a \
             scenario; did you mean `CROWD_ROOM_SIZE`?"]
    );
    scene.sources.environment.remove("CROWD_ROOM_SIEZ");
    scene.load();
}

#[test]
fn a_file_that_is_not_there_or_is_no_toml_is_a_fault_beside_others() {
    let mut scene = Scene::new().variable("CROWD_GRAPHITE_PORT", "x");
    scene.sources.file = Some(scene.directory.path().join("none.toml"));
    let faults = scene.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("the file of settings `none.toml` cannot be read: No such file"));
    let faults = Scene::new().file("log = 'warn'\ncookie = 'swordfish\n").faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("node.toml is not TOML: "), "{faults:?}");
    assert!(faults[0].contains("line 2"), "{faults:?}");
    assert!(!faults[0].contains("swordfish"), "a secret of the file was quoted: {faults:?}");
}

#[test]
fn other_hosts_are_let_in_only_with_a_secret() {
    let open = || {
        Scene::new()
            .variable("CROWD_LISTEN", "0.0.0.0:4370")
            .flag("nodes", "worker-1:4370")
            .flag("api_listen", "[::]:4000")
    };
    insta::assert_snapshot!(open().faults().join("\n"), @"
    listen = `0.0.0.0:4370` (from CROWD_LISTEN) can be reached from other hosts, which needs a cookie: set cookie_file (CROWD_COOKIE_FILE) or cookie (CROWD_COOKIE)
    nodes = `worker-1:4370` (from the command line) needs a cookie that all nodes share: set cookie_file (CROWD_COOKIE_FILE) or cookie (CROWD_COOKIE)
    api_listen = `[::]:4000` (from the command line) can be reached from other hosts, which needs a token: set api_token_file (CROWD_API_TOKEN_FILE) or api_token (CROWD_API_TOKEN)
    ");
    open().flag("cookie", "c").flag("api_token", "t").load();
    Scene::new().flag("listen", "[::ffff:127.0.0.1]:1").flag("api_listen", "[::1]:1").load();
    // A secret that cannot be used is one fault, not two.
    let faults = open().flag("cookie", "c").flag("api_token", "with space").faults();
    assert_eq!(
        faults,
        [
            "api_token = `***` (from the command line): not made of visible ASCII characters without \
          spaces"
        ]
    );
}

#[test]
fn secrets_may_stand_in_files() {
    let scene = Scene::new();
    let cookie = scene.write("cookie", "  swordfish\n");
    let token = scene.write("token", "open-sesame\n");
    let settings = scene
        .variable("CROWD_COOKIE_FILE", &cookie)
        .flag("api_token_file", &token)
        .flag("listen", "0.0.0.0:1")
        .load();
    assert_eq!(settings.cookie, Some(Secret::new("swordfish")));
    assert_eq!(settings.api_token, Some(Secret::new("open-sesame")));
}

#[test]
fn of_a_secret_and_its_file_the_louder_layer_wins() {
    let scene = Scene::new();
    let cookie = scene.write("cookie", "of-the-file");
    let quiet = format!("cookie_file = '{cookie}'");
    let settings = scene.file(&quiet).variable("CROWD_COOKIE", "direct").load();
    assert_eq!(settings.cookie, Some(Secret::new("direct")));
    assert_eq!(settings.cookie_file, None);

    let scene = Scene::new();
    let cookie = scene.write("cookie", "of-the-file");
    let settings = scene.file("cookie = 'direct'").variable("CROWD_COOKIE_FILE", &cookie).load();
    assert_eq!(settings.cookie, Some(Secret::new("of-the-file")));
}

#[test]
fn faults_of_secrets_and_their_files() {
    let scene = Scene::new().flag("cookie", "a").flag("listen", "0.0.0.0:1");
    let (empty, spaced) = (scene.write("empty", " \n"), scene.write("spaced", "a b"));
    let scene = scene.flag("cookie_file", &empty).flag("api_token_file", &spaced);
    assert_eq!(
        scene.faults(),
        [
            "cookie and cookie_file are both given (from the command line and from the command \
             line): one is enough",
            "api_token_file: the token in it is not made of visible ASCII characters without \
             spaces"
        ]
    );
    let scene = Scene::new().flag("cookie_file", &empty).flag("api_token_file", "/none/such");
    let faults = scene.flag("listen", "0.0.0.0:1").faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[1].starts_with("api_token_file = `/none/such` (from the command line): No such")
    );
}

#[test]
fn secrets_are_not_printed() {
    let settings = Scene::new().flag("cookie", "swordfish").flag("api_token", "sesame").load();
    let text = format!("{settings:?}");
    assert!(text.contains("cookie: Some(***)"), "{text}");
    assert!(!text.contains("swordfish") && !text.contains("sesame"), "{text}");
}

#[test]
fn tls_takes_three_files_that_are_there() {
    let scene = Scene::new();
    let [cert, key, ca] = ["cert", "key", "ca"].map(|name| scene.write(name, "pem"));
    let scene = scene.flag("tls_cert", &cert).flag("tls_key", &key);
    assert_eq!(scene.faults(), ["TLS between nodes takes tls_ca as well as tls_cert and tls_key"]);
    let settings = scene.flag("tls_ca", &ca).load();
    assert_eq!(settings.tls_ca.as_deref(), Some(Path::new(&ca)));
    let faults = Scene::new()
        .flag("tls_cert", &format!("{cert}-missing"))
        .flag("tls_key", "/")
        .flag("tls_ca", "/none")
        .faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
}
