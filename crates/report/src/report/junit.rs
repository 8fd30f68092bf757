//! A result for build servers: JUnit's XML, as most of them read it.
//!
//! A suite stands for the run, with a case for its verdict and one for each threshold. What says
//! something of the target is a failure; what says that the run proves nothing is an error.

use std::io;

use crowd_core::printable::lines;
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{
    document::{RunReport, ThresholdRow},
    table::{Colour, one_line},
    text, units,
    verdict::Verdict,
};

/// No name or message is longer.
const MAX_TEXT: usize = 2_000;

/// The result as JUnit's XML.
///
/// # Errors
/// If it cannot be expressed, which has no reason to happen.
pub fn render(report: &RunReport) -> io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let totals = Totals::of(report);
    let suites = writer.create_element("testsuites").with_attribute(("name", "crowd"));
    totals.on(suites).write_inner_content(|writer| suite(writer, report, &totals))?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

/// What the heads of both levels say.
struct Totals {
    tests: String,
    failures: String,
    errors: String,
    time: String,
}

impl Totals {
    fn of(report: &RunReport) -> Self {
        let missed = report.thresholds.iter().filter(|row| !row.passed).count();
        let of_verdict = |wanted| usize::from(fault(report.verdict) == Some(wanted));
        Self {
            tests: (report.thresholds.len() + 1).to_string(),
            failures: (missed + of_verdict("failure")).to_string(),
            errors: of_verdict("error").to_string(),
            time: seconds(report),
        }
    }

    fn on<'w, W: io::Write>(
        &self,
        element: quick_xml::writer::ElementWriter<'w, W>,
    ) -> quick_xml::writer::ElementWriter<'w, W> {
        element
            .with_attribute(("tests", self.tests.as_str()))
            .with_attribute(("failures", self.failures.as_str()))
            .with_attribute(("errors", self.errors.as_str()))
            .with_attribute(("time", self.time.as_str()))
    }
}

fn suite<W: io::Write>(
    writer: &mut Writer<W>,
    report: &RunReport,
    totals: &Totals,
) -> io::Result<()> {
    let run = &report.run;
    let element = writer
        .create_element("testsuite")
        .with_attribute(("name", name(&run.scenario).as_str()))
        .with_attribute(("id", name(&run.id).as_str()))
        .with_attribute(("timestamp", name(&run.start).as_str()))
        .with_attribute(("hostname", name(&run.nodes.join(", ")).as_str()));
    totals.on(element).with_attribute(("skipped", "0")).write_inner_content(|writer| {
        properties(writer, report)?;
        verdict(writer, report, totals)?;
        for row in &report.thresholds {
            threshold(writer, report, row)?;
        }
        let summary = text::summary(report, Colour::Plain);
        writer.create_element("system-out").write_text_content(BytesText::new(&valid(&summary)))?;
        Ok(())
    })?;
    Ok(())
}

fn properties<W: io::Write>(writer: &mut Writer<W>, report: &RunReport) -> io::Result<()> {
    let given = report.run.settings.iter().map(|(key, value)| (key, value.as_deref()));
    let mut given = given.filter_map(|(key, value)| Some((key, value?))).peekable();
    if given.peek().is_none() {
        return Ok(());
    }
    writer.create_element("properties").write_inner_content(|writer| {
        for (key, value) in given {
            writer
                .create_element("property")
                .with_attribute(("name", name(key).as_str()))
                .with_attribute(("value", name(value).as_str()))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether the run did what it should.
fn verdict<W: io::Write>(
    writer: &mut Writer<W>,
    report: &RunReport,
    totals: &Totals,
) -> io::Result<()> {
    let case = writer
        .create_element("testcase")
        .with_attribute(("classname", class(report).as_str()))
        .with_attribute(("name", "run completed"))
        .with_attribute(("time", totals.time.as_str()));
    let Some(kind) = fault(report.verdict) else {
        case.write_empty()?;
        return Ok(());
    };
    let first = report.reasons.first().map_or("no reason is known", String::as_str);
    let message = name(&format!("{}: {first}", report.verdict));
    case.write_inner_content(|writer| {
        writer
            .create_element(kind)
            .with_attribute(("type", report.verdict.to_string().as_str()))
            .with_attribute(("message", message.as_str()))
            .write_text_content(BytesText::new(&valid(&lines(&report.reasons.join("\n")))))?;
        Ok(())
    })?;
    Ok(())
}

fn threshold<W: io::Write>(
    writer: &mut Writer<W>,
    report: &RunReport,
    row: &ThresholdRow,
) -> io::Result<()> {
    let case = writer
        .create_element("testcase")
        .with_attribute(("classname", format!("{}.threshold", class(report)).as_str()))
        .with_attribute(("name", name(&row.expression).as_str()))
        .with_attribute(("time", "0"));
    if row.passed {
        case.write_empty()?;
        return Ok(());
    }
    let actual = match row.actual {
        Some(actual) => format!("it was {}", units::number(actual)),
        None => "nothing was measured that it asks for".to_owned(),
    };
    let message = name(&format!("{} does not hold: {actual}", row.expression));
    case.write_inner_content(|writer| {
        writer
            .create_element("failure")
            .with_attribute(("type", "threshold"))
            .with_attribute(("message", message.as_str()))
            .write_empty()?;
        Ok(())
    })?;
    Ok(())
}

/// The element for a verdict; none for a run that passed.
fn fault(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Passed => None,
        Verdict::Invalid | Verdict::Interrupted => Some("error"),
        _ => Some("failure"),
    }
}

/// Where servers file a case: dots make levels, so a scenario's name keeps none.
fn class(report: &RunReport) -> String {
    format!("crowd.{}", name(&report.run.scenario).replace('.', "_"))
}

fn seconds(report: &RunReport) -> String {
    format!("{:.3}", report.run.duration_ms / 1e3)
}

/// A text as an attribute: one line of bounded length.
fn name(text: &str) -> String {
    let short: String = text.chars().take(MAX_TEXT).collect();
    valid(&one_line(&short))
}

/// The text without characters that XML 1.0 cannot express, even escaped.
fn valid(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
}
