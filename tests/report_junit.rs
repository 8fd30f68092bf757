//! JUnit's XML: a case for the verdict and one for each threshold, valid whatever texts say.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use crowd::report::{RunReport, Verdict, junit};
use proptest::prelude::*;
use quick_xml::{Reader, events::Event};

#[path = "report/documents.rs"]
mod documents;

/// The names of the elements, in order, if the text is well-formed and holds nothing that XML
/// cannot say.
fn elements(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut names = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) if check(&tag) => {
                names.push(tag.name().as_ref().to_owned());
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(depth >= 0);
    let allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    assert!(text.chars().all(allowed));
    names
}

fn check(tag: &quick_xml::events::BytesStart<'_>) -> bool {
    tag.attributes().all(|attribute| attribute.is_ok())
}

fn cases(report: &RunReport) -> String {
    let text = junit::render(report).unwrap();
    elements(&text);
    let lines = text.lines().filter(|line| {
        let line = line.trim_start();
        ["<testsuites", "<testcase", "<failure", "<error"].iter().any(|tag| line.starts_with(tag))
    });
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_that_failed_is_a_failure_with_its_reasons() {
    insta::assert_snapshot!(cases(&documents::busy()), @r#"
    <testsuites name="crowd" tests="5" failures="3" errors="0" time="600.000">
    <testcase classname="crowd.checkout" name="run completed" time="600.000">
    <failure type="FAILED" message="FAILED: p99(pay) &lt; 1s: it was 1.84 s">p99(pay) &lt; 1s: it was 1.84 s
    <testcase classname="crowd.checkout.threshold" name="p95(login) &lt; 400ms" time="0"/>
    <testcase classname="crowd.checkout.threshold" name="p99(pay) &lt; 1s" time="0">
    <failure type="threshold" message="p99(pay) &lt; 1s does not hold: it was 1841"/>
    <testcase classname="crowd.checkout.threshold" name="error_rate &lt; 1%" time="0"/>
    <testcase classname="crowd.checkout.threshold" name="rate(nothing of that name) &gt;= 10/s" time="0">
    <failure type="threshold" message="rate(nothing of that name) &gt;= 10/s does not hold: nothing was measured that it asks for"/>
    "#);
}

#[test]
fn an_invalid_run_is_an_error_and_a_passed_one_is_neither() {
    let mut report = documents::blink();
    insta::assert_snapshot!(cases(&report), @r#"
    <testsuites name="crowd" tests="1" failures="0" errors="0" time="1.003">
    <testcase classname="crowd.idle" name="run completed" time="1.003"/>
    "#);
    report.verdict = Verdict::Invalid;
    report.reasons = vec!["the generator could not keep up: CPU".to_owned()];
    insta::assert_snapshot!(cases(&report), @r#"
    <testsuites name="crowd" tests="1" failures="0" errors="1" time="1.003">
    <testcase classname="crowd.idle" name="run completed" time="1.003">
    <error type="INVALID" message="INVALID: the generator could not keep up: CPU">the generator could not keep up: CPU</error>
    "#);
}

#[test]
fn hostile_texts_stay_texts() {
    for report in documents::all().values() {
        let text = junit::render(report).unwrap();
        assert!(!elements(&text).iter().any(|name| name == "script" || name == "img"));
    }
}

proptest! {
    #[test]
    fn any_text_makes_valid_xml(texts in prop::collection::vec(any::<String>(), 4)) {
        let mut report = documents::blink();
        report.run.scenario.clone_from(&texts[0]);
        report.run.settings.insert(texts[1].clone(), Some(texts[2].clone()));
        report.verdict = Verdict::Failed;
        report.reasons = vec![texts[3].clone(), "]]>&amp;<a b='c'>".to_owned(), "\u{1}\u{b}\u{fffe}".to_owned()];
        let names = elements(&junit::render(&report).unwrap());
        prop_assert_eq!(
            names,
            ["testsuites", "testsuite", "properties", "property", "testcase", "failure", "system-out"]
        );
    }
}
