//! What each setting of a node must keep to, and what several must keep to together.

use std::{fs, net::SocketAddr, num::NonZeroU16, path::PathBuf, time::Duration};

use crowd_core::{mark, rate::Rate};
use tracing_subscriber::EnvFilter;

use super::{NodeSettings, env, faults::SettingsFaults, layers::Layers, secret::Secret};

/// More supervisors than this cannot be meant: one per core is plenty.
const MOST_SUPERVISORS: usize = 1024;

#[expect(clippy::ptr_arg, reason = "a check takes a reference to the type of its setting")]
pub(super) fn name(name: &String) -> Result<(), String> {
    part_of_name(name, "-._")
}

pub(super) fn prefix(prefix: &Option<String>) -> Result<(), String> {
    prefix.as_ref().map_or(Ok(()), |prefix| part_of_name(prefix, "-._"))
}

fn part_of_name(text: &str, others: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
    if !text.is_empty() && text.chars().all(allowed) {
        Ok(())
    } else {
        Err("not a name of letters, digits, `-`, `.` and `_`".into())
    }
}

/// The longest that a node waits for anything: a year.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 86_400);

pub(super) fn not_for_ever(duration: &Duration) -> Result<(), String> {
    if *duration > LONGEST { Err("more than a year, 365days".into()) } else { Ok(()) }
}

pub(super) fn longer_than_nothing(duration: &Duration) -> Result<(), String> {
    if duration.is_zero() { Err("not longer than 0s".into()) } else { not_for_ever(duration) }
}

pub(super) fn port(port: &u16) -> Result<(), String> {
    NonZeroU16::new(*port).map(drop).ok_or_else(|| "not a port from 1 to 65535".into())
}

pub(super) fn supervisors(count: &usize) -> Result<(), String> {
    if *count <= MOST_SUPERVISORS {
        Ok(())
    } else {
        Err(format!("not a number from 0 (one per core) to {MOST_SUPERVISORS}"))
    }
}

/// The text of a rate stays text here: the throttle that is made of it reads it again.
#[expect(clippy::ptr_arg, reason = "a check takes a reference to the type of its setting")]
pub(super) fn rate(text: &String) -> Result<(), String> {
    text.parse::<Rate>().map(drop).map_err(|error| error.to_string())
}

pub(super) fn log_filter(filter: &String) -> Result<(), String> {
    EnvFilter::builder()
        .parse(filter)
        .map(drop)
        .map_err(|error| format!("not a log filter such as `info` or `warn,crowd=debug` ({error})"))
}

/// It travels in an HTTP header.
pub(super) fn token(token: &Option<Secret>) -> Result<(), String> {
    match token {
        Some(token) if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("not made of visible ASCII characters without spaces".into())
        }
        _ => Ok(()),
    }
}

/// A secret comes from a setting or from the file another names; the later layer wins.
fn secret_of_file(
    layers: &Layers,
    names: [&str; 2],
    (secret, file): (&mut Option<Secret>, &mut Option<PathBuf>),
    faults: &mut SettingsFaults,
) {
    let [name, file_name] = names;
    let (Some(path), layer) = (file.clone(), layers.layer(file_name)) else { return };
    if secret.is_some() && layers.layer(name) > layer {
        *file = None;
        return;
    }
    if secret.is_some() && layers.layer(name) == layer {
        faults.add(format!(
            "{name} and {file_name} are both given ({} and {}): one is enough",
            layers.place(name),
            layers.place(file_name)
        ));
        return;
    }
    let place = layers.place(file_name);
    match fs::read_to_string(&path).map(|text| mark::skipped(&text).trim().to_owned()) {
        Ok(text) if text.is_empty() => {
            faults.add(format!("{file_name} = `{}` ({place}): the file is empty", path.display()));
        }
        Ok(text) => *secret = Some(Secret::new(text)),
        Err(error) => {
            faults.add(format!("{file_name} = `{}` ({place}): {error}", path.display()));
        }
    }
}

pub(super) fn read_secrets(
    settings: &mut NodeSettings,
    layers: &Layers,
    faults: &mut SettingsFaults,
) {
    let cookie = (&mut settings.cookie, &mut settings.cookie_file);
    secret_of_file(layers, ["cookie", "cookie_file"], cookie, faults);
    let api_token = (&mut settings.api_token, &mut settings.api_token_file);
    secret_of_file(layers, ["api_token", "api_token_file"], api_token, faults);
    // A token given directly was checked when it was read.
    if settings.api_token_file.is_some()
        && let Err(reason) = token(&settings.api_token)
    {
        faults.add(format!("api_token_file: the token in it is {reason}"));
    }
}

/// What must hold between settings. A secret that was given and could not be read is one fault,
/// not two.
pub(super) fn together(settings: &NodeSettings, layers: &Layers, faults: &mut SettingsFaults) {
    let cookie = layers.says("cookie") || layers.says("cookie_file");
    let token = layers.says("api_token") || layers.says("api_token_file");
    if !cookie && !on_loopback(settings.listen) {
        faults.add(needs("listen", &settings.listen.to_string(), layers, "cookie"));
    }
    if !cookie && !settings.nodes.is_empty() {
        let nodes: Vec<_> = settings.nodes.iter().map(ToString::to_string).collect();
        faults.add(format!(
            "nodes = `{}` ({}) needs a cookie that all nodes share: set cookie_file ({}) or \
             cookie ({})",
            nodes.join(","),
            layers.place("nodes"),
            env::variable("cookie_file"),
            env::variable("cookie"),
        ));
    }
    if !token && !on_loopback(settings.api_listen) {
        faults.add(needs("api_listen", &settings.api_listen.to_string(), layers, "api_token"));
    }
    tls(settings, layers, faults);
}

fn needs(name: &str, value: &str, layers: &Layers, secret: &str) -> String {
    let file = format!("{secret}_file");
    format!(
        "{name} = `{value}` ({}) can be reached from other hosts, which needs {}: set {file} \
         ({}) or {secret} ({})",
        layers.place(name),
        if secret == "cookie" { "a cookie" } else { "a token" },
        env::variable(&file),
        env::variable(secret),
    )
}

fn on_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// TLS between nodes is mutual, so it takes all three files, and they must be there.
fn tls(settings: &NodeSettings, layers: &Layers, faults: &mut SettingsFaults) {
    let files = [
        ("tls_cert", &settings.tls_cert),
        ("tls_key", &settings.tls_key),
        ("tls_ca", &settings.tls_ca),
    ];
    let named = |set: bool| {
        let names: Vec<_> =
            files.iter().filter(|(_, path)| path.is_some() == set).map(|(name, _)| *name).collect();
        names.join(" and ")
    };
    if !named(true).is_empty() && !named(false).is_empty() {
        faults.add(format!("TLS between nodes takes {} as well as {}", named(false), named(true)));
    }
    for (name, path) in files {
        if let Some(path) = path
            && let Err(error) = fs::read(path)
        {
            let place = layers.place(name);
            faults.add(format!("{name} = `{}` ({place}): {error}", path.display()));
        }
    }
}
