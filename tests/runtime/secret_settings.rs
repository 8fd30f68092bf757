//! Settings that a scenario declares secret: nothing that shows settings shows them.

use std::{
    io,
    ops::Range,
    sync::{Arc, Mutex},
};

use crowd::{
    control::view::{ScenarioView, SettingLine},
    prelude::*,
    scenario::catalog::Catalog,
    telemetry::event::ConfigUpdate,
    user::task::log_panics,
};

use super::support::*;

struct Login;

#[derive(Clone, Debug, Settings)]
struct LoginSettings {
    /// A key.
    #[setting(secret, check = no_blank, update = free)]
    key: String,
    /// A password, which is secret by its type.
    #[setting(default = "S3CRETdefault", update = hook)]
    password: Secret,
    /// A user and its password.
    #[setting(default = "ann:S3CRETann", secret = behind_colon, check = named)]
    account: String,
}

fn no_blank(key: String) -> Result<String, String> {
    assert!(!key.starts_with('!'), "bad key {key}");
    match key.split_once(' ') {
        Some((before, _)) => Err(format!("`{before}` is followed by a space in `{key}`")),
        None => Ok(key),
    }
}

fn behind_colon(text: &str) -> Option<Range<usize>> {
    assert!(!text.contains('!'), "bad parts of {text}");
    Some(text.find(':').map_or(0, |at| at + 1)..text.len())
}

fn named(account: String) -> Result<String, String> {
    match account.starts_with(':') {
        true => Err(format!("the account '{account}' has no name")),
        false => Ok(account),
    }
}

impl Scenario for Login {
    const NAME: &'static str = "login";
    type Settings = LoginSettings;
    type Message = ();

    async fn init(run: &Run<Self>) -> Result<Self, Failure> {
        // The scenario itself has them.
        let LoginSettings { key, password, account } = &*run.settings();
        assert_eq!(
            (&**key, password.expose(), &**account),
            ("S3CRETkey", "S3CRETdefault", "bob:S3CRETbob")
        );
        Ok(Self)
    }

    async fn start(&self, user: User<Self>) -> Result<(), Failure> {
        user.stopped().await;
        Ok(())
    }
}

#[track_caller]
fn clean(text: String) -> String {
    assert!(!text.contains("S3CRET"), "{text}");
    text
}

#[tokio::test]
async fn whatever_shows_settings_hides_what_is_declared_secret() {
    let node = node_with(Catalog::new().with::<Login>(), &[("CROWD_KEY", "S3CRETkey")]).await;
    let changes = Arc::new(Mutex::new(String::new()));
    let told = changes.clone();
    let subscription = node.telemetry().subscribe(move |occurrence| {
        if let Some(event) = occurrence.event.downcast_ref::<ConfigUpdate>() {
            *told.lock().unwrap() += &format!("{event:?}");
        }
    });
    for view in ScenarioView::of(&*node.catalog().get("login").unwrap(), "1/s").settings {
        clean(format!("{view:?}"));
        assert_eq!(view.secret, ["key", "password", "account"].contains(&&*view.name));
    }
    node.start_run("login", 1, given(&[("account", "bob:S3CRETbob")])).await.unwrap();
    let lines: Vec<SettingLine> =
        node.settings().await.unwrap().into_iter().map(SettingLine::from).collect();
    clean(format!("{lines:?} {:?}", node.settings().await.unwrap()));
    let value = |name: &str| lines.iter().find(|line| line.name == name).unwrap().value.clone();
    assert_eq!(value("key").unwrap(), "***");
    assert_eq!(value("password").unwrap(), "***");
    assert_eq!(value("account").unwrap(), "bob:***");
    node.set(given(&[("key", "S3CRETnew"), ("password", "S3CRETnewer")])).await.unwrap();
    let told = clean(changes.lock().unwrap().clone());
    assert!(told.contains(r#"("key", "***")"#), "{told}");
    node.stop().await.unwrap();
    node.ended().await;
    let report = clean(format!("{:?}", node.report(false).await.unwrap()));
    assert!(report.contains("bob:***"), "{report}");
    drop(subscription);
    node.shutdown().await;
}

#[tokio::test]
async fn a_refusal_quotes_no_secret() {
    let node = node(Catalog::new().with::<Login>()).await;
    let told = |pairs: &'static [(&str, &str)]| {
        let node = node.clone();
        async move { clean(node.start_run("login", 1, given(pairs)).await.unwrap_err().message) }
    };
    assert_eq!(
        told(&[("key", "S3CRET one"), ("account", ":S3CRETtwo")]).await,
        "`key` = `***`: `***` is followed by a space in `***`; \
         `account` = `:***`: the account ':***' has no name"
    );
    told(&[("key", "S3CRET"), ("key", "S3CRET")]).await;
    told(&[("keys", "S3CRET")]).await;
    node.shutdown().await;
}

/// What is logged, from all threads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_over_a_secret_is_logged_by_its_place() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).init();
    log_panics();
    let node = node(Catalog::new().with::<Login>()).await;
    let pairs = given(&[("key", "!S3CRET"), ("account", ":S3CRET!")]);
    let refusal = node.start_run("login", 1, pairs).await.unwrap_err();
    assert!(clean(refusal.message).contains("its check panicked"));
    // What this test itself has to complain of is for the standard error.
    drop(std::panic::take_hook());
    let logged = log.0.lock().unwrap().clone();
    let logged = clean(String::from_utf8(logged).unwrap());
    // The check of the one, and twice what answers which parts of the other are secret.
    let places = logged.matches("what reads a setting panicked at tests/runtime/").count();
    assert!(places >= 2, "{logged}");
    node.shutdown().await;
}
