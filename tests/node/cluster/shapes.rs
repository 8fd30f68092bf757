//! What a node answers, as the tests read it. The only file that knows the JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// The answer to a command.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It was carried out.
    Done { text: String, data: Value },
    /// It was refused.
    Refused { code: String, message: String },
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn of(json: &Value) -> Self {
        if json["ok"] == true {
            Self::Done { text: text(&json["text"]), data: json["reply"]["data"].clone() }
        } else {
            assert_eq!(json["ok"], false, "neither carried out nor refused: {json}");
            Self::Refused { code: text(&json["code"]), message: text(&json["message"]) }
        }
    }
}

/// How many users are how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Users {
    pub(crate) asked: u64,
    pub(crate) waiting: u64,
    pub(crate) running: u64,
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    pub(crate) removed: u64,
}

impl Users {
    fn of(json: &Value) -> Self {
        let number = |name: &str| json[name].as_u64().unwrap_or_default();
        Self {
            asked: number("asked"),
            waiting: number("waiting"),
            running: number("running"),
            finished: number("finished"),
            failed: number("failed"),
            removed: number("removed"),
        }
    }

    /// All that were asked for and are told of.
    pub(crate) fn told_of(&self) -> u64 {
        self.waiting + self.running + self.finished + self.failed + self.removed
    }
}

/// Users that were on a node when it was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) node: String,
    pub(crate) users: u64,
    /// How many of them went to which node.
    pub(crate) went: BTreeMap<String, u64>,
    /// From when to when what it measured is missing, in milliseconds of the run.
    pub(crate) missing: Option<(u64, Option<u64>)>,
}

/// How far a load profile is, and what became of its arrivals.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Profile {
    pub(crate) stage: u64,
    pub(crate) elapsed: f64,
    pub(crate) scheduled: u64,
    pub(crate) started: u64,
    pub(crate) no_user: u64,
    pub(crate) no_node: u64,
    pub(crate) stopped: u64,
}

impl Profile {
    fn of(json: &Value) -> Self {
        let number = |json: &Value| json.as_u64().unwrap_or_default();
        let [elapsed, arrivals] = ["elapsed", "arrivals"].map(|name| &json[name]);
        Self {
            stage: number(&json["stage"]),
            elapsed: number(&elapsed["secs"]) as f64 + number(&elapsed["nanos"]) as f64 / 1e9,
            scheduled: number(&arrivals["scheduled"]),
            started: number(&arrivals["started"]),
            no_user: number(&arrivals["no_user"]),
            no_node: number(&arrivals["no_node"]),
            stopped: number(&arrivals["stopped"]),
        }
    }

    /// All that were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.no_user + self.no_node + self.stopped
    }
}

/// The answer to `status`.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) state: String,
    pub(crate) scenario: String,
    pub(crate) users: Users,
    pub(crate) highest_user_id: u64,
    /// By the name of the node.
    pub(crate) nodes: BTreeMap<String, Users>,
    /// By the name of the node.
    pub(crate) states: BTreeMap<String, String>,
    pub(crate) gaps: Vec<Gap>,
    /// Of a run with a load profile.
    pub(crate) profile: Profile,
}

impl Status {
    pub(crate) fn of(data: &Value) -> Self {
        let nodes = list(&data["nodes"]);
        Self {
            state: text(&data["state"]),
            scenario: text(&data["scenario"]),
            users: Users::of(&data["users"]),
            highest_user_id: data["highest_user_id"].as_u64().unwrap_or_default(),
            nodes: nodes
                .iter()
                .map(|node| (text(&node["name"]), Users::of(&node["users"])))
                .collect(),
            states: nodes.iter().map(|node| (text(&node["name"]), text(&node["state"]))).collect(),
            gaps: list(&data["gaps"])
                .iter()
                .map(|gap| Gap {
                    node: text(&gap["node"]),
                    users: gap["users"].as_u64().unwrap_or_default(),
                    went: shares(&gap["went"]),
                    missing: gap["missing"]["from_ms"]
                        .as_u64()
                        .map(|from| (from, gap["missing"]["to_ms"].as_u64())),
                })
                .collect(),
            profile: Profile::of(&data["profile"]),
        }
    }

    /// How many users run on that node.
    pub(crate) fn running_on(&self, node: &str) -> u64 {
        self.nodes.get(node).map_or(0, |users| users.running)
    }
}

/// A line of the answer to `nodes`.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) here: bool,
    pub(crate) state: String,
    pub(crate) address: String,
    pub(crate) version: String,
    pub(crate) running: u64,
    pub(crate) role: String,
    pub(crate) clock_offset_us: Option<i64>,
    pub(crate) round_trip_us: Option<u64>,
}

/// The answer to `nodes`.
pub(crate) fn members(data: &Value) -> Vec<Member> {
    list(data)
        .iter()
        .map(|node| Member {
            name: text(&node["name"]),
            here: node["here"] == true,
            state: text(&node["state"]),
            address: text(&node["address"]),
            version: text(&node["version"]),
            running: node["running"].as_u64().unwrap_or_default(),
            role: text(&node["role"]),
            clock_offset_us: node["clock_offset_us"].as_i64(),
            round_trip_us: node["round_trip_us"].as_u64(),
        })
        .collect()
}

/// The state of a member that takes part.
pub(crate) const UP: &str = "up";

/// The answer to `do` and `add`: the ids, and how many of them each node got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) shares: BTreeMap<String, u64>,
}

/// The answer to `do` and `add`.
pub(crate) fn given(data: &Value) -> Given {
    // `do` names the scenario too; `add` is only the ids.
    let ids = if data["users"].is_object() { &data["users"] } else { data };
    Given {
        first: ids["first"].as_u64().unwrap_or_default(),
        last: ids["last"].as_u64().unwrap_or_default(),
        shares: shares(&data["shares"]),
    }
}

/// The answer to `remove`: how many were chosen.
pub(crate) fn chosen(data: &Value) -> u64 {
    data["chosen"].as_u64().unwrap_or_else(|| panic!("no number of users chosen: {data}"))
}

/// How many were chosen on which node.
pub(crate) fn shares_of(data: &Value) -> BTreeMap<String, u64> {
    shares(&data["shares"])
}

/// The answer to `settings`: values by name.
pub(crate) fn settings(data: &Value) -> BTreeMap<String, String> {
    list(data).iter().map(|line| (text(&line["name"]), text(&line["value"]))).collect()
}

/// The rate of a throttle, in the answer to `throttle info`.
pub(crate) fn rate(data: &Value) -> String {
    text(&data["rate"])
}

/// How often an action was measured and how often it failed, in the answer to `metrics`.
pub(crate) fn action(data: &Value, name: &str) -> (u64, u64) {
    let action = &data["actions"][name];
    let number = |name: &str| action[name].as_u64().unwrap_or_default();
    (number("count"), number("failed"))
}

/// How often an action was given up, or has not ended, in the answer to `metrics`.
pub(crate) fn unfinished(data: &Value, name: &str) -> u64 {
    data["actions"][name]["unfinished"].as_u64().unwrap_or_default()
}

/// The longest response and service time of an action in milliseconds, in the answer to `metrics`.
pub(crate) fn longest(data: &Value, name: &str) -> (f64, f64) {
    let times = &data["actions"][name];
    let [response, service] = ["response", "service"].map(|time| times[time]["max"].as_f64());
    let told = response.zip(service);
    told.unwrap_or_else(|| panic!("no times of {name}: {data}"))
}

/// A counter, in the answer to `metrics`.
pub(crate) fn counter(data: &Value, name: &str) -> u64 {
    let counter = &data["counters"][name];
    counter.as_u64().or_else(|| counter["count"].as_u64()).unwrap_or_default()
}

/// Pairs of a node and a number.
fn shares(json: &Value) -> BTreeMap<String, u64> {
    list(json).iter().map(|pair| (text(&pair[0]), pair[1].as_u64().unwrap_or_default())).collect()
}

fn list(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
