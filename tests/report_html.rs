//! The page: bounded, escaped, and in need of nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use crowd::report::{
    RunReport, html, json,
    over_time::{ArrivalSeries, SeriesReport},
};
use proptest::prelude::*;

#[path = "report/documents.rs"]
mod documents;

#[test]
fn a_page_is_less_than_a_megabyte_whatever_was_measured() {
    for (name, report) in documents::all() {
        let page = html::render(&report);
        assert!(page.len() < 1_000_000, "{name} takes {} bytes", page.len());
        // For those who want to look at them.
        if let Some(folder) = std::env::var_os("CROWD_TEST_PAGES") {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), page)
                .unwrap();
        }
    }
}

/// What a page must not hold outside of its own script and style.
fn harm(page: &str) -> Option<&'static str> {
    let [before, after] = [page.find("<style>").unwrap(), page.find("</style>").unwrap()];
    let body = [&page[..before], &page[after..]].concat();
    let scripts = body.matches("<script").count();
    let bad =
        ["src=", "href=", "url(", "@import", "<img", "<link", "<iframe", "onerror=", "javascript:"];
    // A text may say any of these; a tag may not.
    let tags = body.split('<').skip(1).filter_map(|tag| tag.split('>').next());
    let found =
        tags.flat_map(|tag| bad.iter().filter(move |word| outside_of_quotes(tag).contains(**word)));
    (scripts != 1).then_some("<script").or(found.copied().next())
}

/// A tag without the values of its attributes, which may be texts.
fn outside_of_quotes(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

#[test]
fn texts_stay_texts() {
    let page = html::render(&documents::month());
    assert_eq!(harm(&page), None);
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains('\u{1b}') && !page.contains('\u{0}'));
}

#[test]
fn nothing_is_loaded_and_only_its_own_script_may_run() {
    let page = html::render(&documents::busy());
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("script-src 'sha256-"));
    for word in ["http://", "src=", "href="] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn what_matters_is_on_the_page() {
    let page = html::render(&documents::busy());
    for text in [
        "FAILED",
        "p99(pay) &lt; 1s: it was 1.84 s",
        "Users running",
        "Users starting and ending",
        "Failed actions",
        "Arrivals",
        "How long users took, by when they started",
        "Response time",
        "Service time",
        "Distribution",
        "2 · hold 400 users",
        "birch lost",
        "503 Service Unavailable",
        "https://shop.example",
        "of birch",
    ] {
        let known =
            page.contains(text) || text == "of birch" && page.contains("birch was lost at 500.2 s");
        assert!(known, "{text} is missing");
    }
}

#[test]
fn a_document_without_series_has_a_page_too() {
    let mut old = serde_json::to_value(documents::busy()).unwrap();
    let fields = old.as_object_mut().unwrap();
    fields.remove("series");
    fields.remove("lifetimes");
    let old: RunReport = serde_json::from_value(old).unwrap();
    let page = html::render(&old);
    assert!(page.contains("Nothing was recorded over time."));
    assert!(page.contains("Distribution"));
}

#[test]
fn a_document_is_read_back_with_all_that_it_holds_over_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    for (name, report) in documents::all() {
        json::write(&report, &path).unwrap();
        let read = json::read(&path).unwrap();
        assert!(read.series == report.series, "{name}");
        assert_eq!(read.lifetimes, report.lifetimes, "{name}");
        assert_eq!(read.failures, report.failures, "{name}");
        assert_eq!(html::render(&read).len(), html::render(&report).len(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A document may come from anywhere: lists of other lengths and numbers of any size make a page.
    #[test]
    fn any_document_makes_a_page(
        ends in prop::collection::vec(-1e20..1e20f64, 0..9),
        counts in prop::collection::vec(any::<u64>(), 0..9),
        times in prop::collection::vec(-1e9..1e300f64, 0..9),
        text: String,
    ) {
        let mut report = documents::blink();
        report.run.duration_ms = ends.first().copied().unwrap_or(0.0);
        report.run.scenario.clone_from(&text);
        report.reasons = vec![text];
        let series = &mut report.series;
        (series.end_ms, series.span_ms) = (ends, times.clone());
        (series.running, series.failed) = (counts.clone(), counts.clone());
        series.arrivals.scheduled.clone_from(&counts);
        for action in series.actions.values_mut() {
            action.count.clone_from(&counts);
            action.response.p50.clone_from(&times);
            action.service.p99.clone_from(&times);
        }
        for cell in &mut report.lifetimes.cells {
            (cell.from_ms, cell.to_ms) = (times.first().copied().unwrap_or(-1.0), times.last().copied().unwrap_or(0.0));
        }
        let page = html::render(&report);
        prop_assert_eq!(harm(&page), None);
        prop_assert!(!page.contains("NaN") && !page.contains("inf "));
    }
}

/// The charts over time, each from its title on.
fn charts(page: &str) -> Vec<&str> {
    let figures = page.split("<figure class=\"chart\">").skip(1);
    figures
        .filter_map(|figure| figure.split("</figure>").next())
        .filter(|figure| figure.contains("data-unit"))
        .collect()
}

#[test]
fn every_chart_names_its_curves() {
    let page = html::render(&documents::busy());
    let charts = charts(&page);
    assert!(charts.iter().any(|chart| chart.matches("class=\"line ").count() == 1));
    for chart in charts {
        let curves = chart.matches("class=\"line ").count();
        let (_, legend) = chart.split_once("<ul class=\"legend\">").expect(chart);
        let (legend, _) = legend.split_once("</ul>").unwrap();
        assert_eq!(legend.matches("<li").count(), curves, "{chart}");
    }
}

#[test]
fn the_last_moments_are_not_scaled_up_to_a_second() {
    let zero = || vec![0; 3];
    let mut report = documents::nothing();
    report.run.duration_ms = 2_250.0;
    report.series = SeriesReport {
        end_ms: vec![1_000.0, 2_000.0, 2_250.0],
        span_ms: vec![1_000.0, 1_000.0, 250.0],
        running: zero(),
        started: vec![40, 40, 30],
        ended: zero(),
        arrivals: ArrivalSeries { scheduled: zero(), started: zero(), dropped: zero() },
        failed: zero(),
        ..SeriesReport::default()
    };
    let page = html::render(&report);
    let charts = charts(&page);
    let chart = charts.iter().find(|chart| chart.contains("Users starting and ending")).unwrap();
    // As high as 40 a second need; 30 in a quarter of a second are no 120.
    assert!(chart.contains("data-high=\"40\"") || chart.contains("data-high=\"50\""), "{chart}");
}
