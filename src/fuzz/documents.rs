//! Results of runs, as they are read from a file or another node.

use std::{
    io::Write,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use crowd_core::failure::Failure;
use crowd_measure::{
    Measure, Sample, Source,
    health::HealthSummary,
    series::Series,
    timing::{BOUNDS, Timing},
};
use flate2::{Compression, write::ZlibEncoder};

use super::{targets, text};
use crate::{
    compare::{self, Options, Side},
    report::{
        Colour, ReportInput, RunReport, html,
        input::{Outcome, RunFacts, ThrottleRow, UserTotals},
        json, junit,
        text::summary,
    },
};

fn document(bytes: &[u8]) {
    let Ok(report) = json::of_text(text(bytes)) else { return };
    let written = json::render(&report).unwrap();
    let again = json::of_text(&written).unwrap();
    assert_eq!(json::render(&again).unwrap(), written);
    let _ = (summary(&report, Colour::Ansi), html::render(&report), junit::render(&report));
    let one = [Side::new("one", &report)];
    let other = [Side::new("other", &again)];
    let options = Options { confidence: 0.95, tolerance: 0.05, actions: Vec::new() };
    if let Ok(comparison) = compare::compare(&one, &other, &options) {
        let _ = compare::render(&comparison, Colour::Plain);
        let _ = serde_json::to_string(&comparison);
    }
}

/// A document in which a distribution was made up: deflated, a fuzzer could not reach it.
fn distribution(bytes: &[u8]) {
    static DOCUMENT: OnceLock<serde_json::Value> = OnceLock::new();
    let mut whole = DOCUMENT.get_or_init(|| serde_json::from_str(&of_run(200)).unwrap()).clone();
    // Cookie, length, offset, digits, lowest, highest, ratio.
    let [digits, length] = [u32::from(BOUNDS.digits), bytes.len() as u32];
    let mut plain = [0x1c84_9313, length, 0, digits].map(u32::to_be_bytes).concat();
    plain.extend([BOUNDS.lowest_us, BOUNDS.highest_us].map(u64::to_be_bytes).concat());
    plain.extend(1_f64.to_be_bytes());
    plain.extend(bytes);
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflated.write_all(&plain).unwrap();
    let deflated = deflated.finish().unwrap();
    let mut all = [0x1c84_9314, deflated.len() as u32].map(u32::to_be_bytes).concat();
    all.extend(deflated);
    let text = BASE64_STANDARD.encode(all);
    let Ok(timing) = Timing::decode(&text) else { return };
    let again = Timing::decode(&timing.encode().unwrap()).unwrap();
    assert_eq!(again.count(), timing.count());
    let mut twice = timing.clone();
    twice.merge(&timing);
    let _ = (twice.mean(), twice.quantile(0.999), twice.max());
    for times in ["response", "service"] {
        whole["actions"]["get"][times]["histogram"] = text.clone().into();
    }
    document(whole.to_string().as_bytes());
}

/// Counts in the format of the library: zigzag numbers, of which negative ones are runs of nothing.
const COUNTS: [&[u8]; 3] =
    [&[1, 9, 4, 2], &[0x82, 4], &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 2]];

/// The document of a run in which that many requests were made.
fn of_run(requests: u64) -> String {
    let measure = Measure::default();
    for millis in 1..=requests {
        let refused = Failure::target("refused by 10.0.0.1");
        let service = Duration::from_millis(millis);
        let failure = (millis % 90 == 0).then_some(&refused);
        measure.record("get", Sample { service, response: service * 2, failure });
    }
    measure.count("target.picks.a:80", requests);
    measure.gauge("target.score.a:80", -1.0);
    measure.check("fast", true);
    measure.failure(Source::ALL[0], &Failure::scenario("lost its way"));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let report = RunReport::build(ReportInput {
        run: RunFacts {
            id: "r1".to_owned(),
            scenario: "http".to_owned(),
            settings: vec![("url".to_owned(), Some("http://127.0.0.1:1/".to_owned()))],
            nodes: vec!["a".to_owned()],
            user_rate: None,
            start,
            end: start + Duration::from_secs(10),
            duration: Duration::from_secs(10),
            profile: None,
        },
        outcome: Outcome::Ended,
        users: UserTotals { asked: 2, started: 2, finished: 2, peak: 2, ..UserTotals::default() },
        measured: measure.snapshot().total,
        thresholds: Vec::new(),
        series: Series::default(),
        throttles: vec![ThrottleRow { name: "get".to_owned(), ..ThrottleRow::default() }],
        coordinators: Vec::new(),
        health: HealthSummary { samples: 10, cores: 2.0, ..HealthSummary::default() },
        nodes: Vec::new(),
        gaps: Vec::new(),
    });
    json::render(&report).unwrap()
}

targets! {
    /// Documents of runs, up to their pages and comparisons.
    result_documents(document, [of_run(0), of_run(200)]);
    /// Distributions in documents.
    result_distributions(distribution, COUNTS);
}
