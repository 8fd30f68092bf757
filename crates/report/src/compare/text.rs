//! A comparison as a person reads it.

use std::fmt::Write;

use crowd_core::units;

use super::{Change, Comparison, Options, Presence, Row, Unit};
use crate::report::{
    Colour, Verdict,
    table::{Accent, Table, WIDTH, one_line, wrap},
};

/// What no comparison of one run with one can know.
const ONE_EACH: &str = "whether by more than two runs of one target do cannot be known from one run a \
                        side";

/// The overall sentence: what happened to whole actions first.
pub(super) fn sentence(
    verdict: Change,
    (broken, actions): (&[String], &[Presence]),
    rows: &[Row],
    one_each: bool,
    options: &Options,
) -> String {
    let of = |wanted: Change| rows.iter().filter(|row| row.verdict == wanted).count();
    let told = rows.len() - of(Change::TooFew);
    let numbers = |wanted: Change, word: &str| {
        let count = of(wanted);
        let (are, lead) = if count == 1 { ("is", "") } else { ("are", "above all ") };
        format!("{count} of {told} numbers {are} {word}, {lead}{}", most(rows, wanted))
    };
    match verdict {
        Change::Worse => {
            let mut parts: Vec<_> = broken.iter().map(|broken| one_line(broken)).collect();
            let worse = actions.iter().filter(|action| action.verdict == Change::Worse);
            parts.extend(worse.map(|action| one_line(&action.sentence)));
            if of(Change::Worse) > 0 {
                parts.push(numbers(Change::Worse, "worse"));
            }
            match of(Change::Better) {
                0 => {}
                better => parts.push(format!("{better} better")),
            }
            parts.join("; ")
        }
        Change::Differs => {
            let count = of(Change::Differs);
            let (differ, lead) =
                if count == 1 { ("differs", "") } else { ("differ", "above all ") };
            let most = most(rows, Change::Differs);
            format!("{count} of {told} numbers {differ}, {lead}{most}; {ONE_EACH}")
        }
        Change::Better => format!("{}; none is worse", numbers(Change::Better, "better")),
        Change::Same if one_each => format!(
            "none of {told} numbers differs by more than {} between these two runs",
            share(options.tolerance)
        ),
        Change::Same => {
            format!("none of {told} numbers changed by more than {}", share(options.tolerance))
        }
        Change::TooFew => "there are too few samples to tell anything".to_owned(),
        Change::Noise | Change::Unknown => format!(
            "none of {told} numbers changed for certain; {} may have, within noise",
            of(Change::Noise) + of(Change::Unknown)
        ),
    }
}

/// The row of that verdict that changed most, by its tolerance: times and shares have no other
/// common measure.
fn most(rows: &[Row], wanted: Change) -> String {
    let size = |row: &Row| {
        let floor = row.tolerance.max(1e-9);
        row.change.map_or(f64::INFINITY, |change| change.abs() / floor)
    };
    let found = rows.iter().filter(|row| row.verdict == wanted);
    let most = found.max_by(|a, b| size(a).total_cmp(&size(b)));
    most.map_or(String::new(), |row| format!("{} {}", title(row), changed(row)))
}

fn title(row: &Row) -> String {
    match &row.action {
        Some(action) => format!("{} of `{}`", row.metric, one_line(action)),
        None => row.metric.to_string(),
    }
}

/// The comparison: what is wrong with the runs themselves first, then the verdict, then number by
/// number. No line is wider than 100 columns.
pub fn render(comparison: &Comparison, colour: Colour) -> String {
    let mut lines = Vec::new();
    for reason in &comparison.invalid {
        lines.extend(marked(&colour.paint(Accent::Bad, "INVALID"), 7, reason));
    }
    let (word, accent) = match comparison.verdict {
        Change::Worse => ("WORSE", Accent::Bad),
        Change::Better => ("BETTER", Accent::Good),
        Change::Same => ("SAME", Accent::Good),
        Change::Differs => ("DIFFERS", Accent::Warning),
        Change::Noise | Change::Unknown => ("NO CHANGE SHOWN", Accent::Warning),
        Change::TooFew => ("TOO FEW", Accent::Warning),
    };
    lines.extend(marked(&colour.paint(accent, word), word.len(), &comparison.sentence));
    for action in &comparison.actions {
        let word = if action.verdict == Change::Worse { "WORSE" } else { "note" };
        lines.extend(marked(&format!("  {word:<9}"), 11, &one_line(&action.sentence)));
    }
    for (what, runs) in [("baseline", &comparison.baseline), ("candidate", &comparison.candidate)] {
        for run in runs {
            let passed = run.verdict == Verdict::Passed;
            let verdict = if passed { String::new() } else { format!("{}, ", run.verdict) };
            let run = format!(
                "{}: {} run {}, {verdict}from {}, generator {}",
                run.name, run.scenario, run.id, run.start, run.generator
            );
            lines.extend(marked(&format!("  {what:<9}"), 11, &run));
        }
    }
    for note in &comparison.notes {
        lines.extend(marked("  -", 3, note));
    }
    for table in tables(comparison) {
        lines.push(String::new());
        lines.extend(table.lines(colour, WIDTH));
    }
    lines.push(String::new());
    lines.extend(wrap(&foot(comparison), WIDTH));
    let mut text = String::new();
    for line in lines {
        // A string takes whatever is written into it.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn foot(comparison: &Comparison) -> String {
    let tolerance = share(comparison.tolerance);
    match comparison.confidence {
        Some(confidence) => format!(
            "With {} confidence nothing here is called worse or better that is not: an interval without 0 \
             is more than the noise between runs explains, all {} numbers taken together. Changes up \
             to {tolerance} are none.",
            share(confidence),
            comparison.compared,
        ),
        None => format!(
            "One run a side: how much two runs of one target differ by themselves is not known. The ranges \
             are what the samples within these two runs leave open. A number differs if all of its \
             range lies beyond {tolerance}. To tell a change from noise, give several runs a side: crowd \
             compare A1.json A2.json A3.json -- B1.json B2.json B3.json"
        ),
    }
}

/// A text behind a mark that takes `width` columns.
fn marked(mark: &str, width: usize, text: &str) -> Vec<String> {
    let lines = wrap(text, WIDTH - width - 2).into_iter().enumerate();
    lines
        .map(|(at, line)| match at {
            0 => format!("{mark}  {line}"),
            _ => format!("{:width$}  {line}", ""),
        })
        .collect()
}

/// A table for the run, and one for each action.
fn tables(comparison: &Comparison) -> Vec<Table> {
    let ranges = [("", "range")];
    let noise = [("", "runs differ"), ("", "interval")];
    let mut heads = vec![("", "baseline"), ("", "candidate"), ("", "change")];
    let several = comparison.confidence.is_some();
    heads.extend_from_slice(if several { &noise } else { &ranges });
    let rows = comparison.rows.chunk_by(|a, b| a.action == b.action);
    rows.map(|rows| {
        let action = rows.first().and_then(|row| row.action.as_deref());
        let mut table = Table::new(&one_line(action.unwrap_or("the run")), &heads).with_tail("");
        for row in rows {
            let [before, after] = row.at_least;
            let mut cells = vec![
                named(row),
                value(row.baseline, row.unit, before),
                value(row.candidate, row.unit, after),
                row.change.map_or("-".to_owned(), |change| signed(change, row.unit)),
            ];
            if several {
                let between = row.between.map(|between| signed(between, row.unit));
                cells.push(
                    between.map_or("-".into(), |by| format!("±{}", by.trim_start_matches('+'))),
                );
            }
            cells.extend([interval(row), row.verdict.to_string()]);
            table.row(cells);
        }
        table
    })
    .collect()
}

fn named(row: &Row) -> String {
    match row.unit {
        Unit::Ms => format!("{} ms", row.metric),
        Unit::PerSecond => format!("{}/s", row.metric),
        Unit::Share => row.metric.to_string(),
    }
}

fn value(value: f64, unit: Unit, at_least: bool) -> String {
    let text = match unit {
        Unit::Ms => units::ms(value),
        Unit::PerSecond => units::rate(value),
        Unit::Share => share(value),
    };
    if at_least { format!("≥ {text}") } else { text }
}

fn changed(row: &Row) -> String {
    let interval = match &row.interval {
        Some(_) => format!(" ({})", interval(row)),
        None => String::new(),
    };
    let change = row.change.map_or(String::new(), |change| signed(change, row.unit));
    format!("{change}{interval}")
}

fn interval(row: &Row) -> String {
    row.interval.map_or("-".to_owned(), |interval| {
        format!("{} to {}", signed(interval.low, row.unit), signed(interval.high, row.unit))
    })
}

/// A change with its sign; that of a share in percentage points.
fn signed(change: f64, unit: Unit) -> String {
    let size = match change.abs() * 100.0 {
        size if !size.is_finite() => return "any".to_owned(),
        size if size >= 99.5 => format!("{size:.0}"),
        size if size >= 9.95 || unit != Unit::Share => format!("{size:.1}"),
        size => format!("{size:.2}"),
    };
    // Neither -0.0 nor +0.0.
    let zero = size.chars().all(|c| c == '0' || c == '.');
    let sign = if zero {
        ""
    } else if change < 0.0 {
        "-"
    } else {
        "+"
    };
    let unit = if unit == Unit::Share { " pp" } else { "%" };
    format!("{sign}{size}{unit}")
}

/// A share of one as a percentage with the digits it has, up to two.
pub(super) fn share(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
