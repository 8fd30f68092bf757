//! A comparison as a person reads it.

use std::fmt::Write;

use super::{Change, Comparison, Options, Row, Unit};
use crate::report::{
    Colour,
    table::{Accent, Table, WIDTH, one_line, wrap},
    units,
};

/// The overall sentence.
pub(super) fn sentence(verdict: Change, rows: &[Row], options: &Options) -> String {
    let of = |wanted: Change| rows.iter().filter(|row| row.verdict == wanted).count();
    let told = rows.len() - of(Change::TooFew);
    let most = |wanted: Change| {
        let found = rows.iter().filter(|row| row.verdict == wanted);
        // By how many times its tolerance it changed: times and shares have no other common measure.
        let size = |row: &Row| {
            let floor = row.tolerance.max(1e-9);
            row.change.map_or(f64::INFINITY, |change| change.abs() / floor)
        };
        let most = found.max_by(|a, b| size(a).total_cmp(&size(b)));
        most.map_or(String::new(), |row| format!("{} {}", title(row), changed(row)))
    };
    match verdict {
        Change::Worse => {
            let better = match of(Change::Better) {
                0 => String::new(),
                better => format!("; {better} better"),
            };
            let worse = of(Change::Worse);
            let are = if worse == 1 { "is" } else { "are" };
            let lead = if worse == 1 { "" } else { "above all " };
            format!("{worse} of {told} numbers {are} worse, {lead}{}{better}", most(Change::Worse))
        }
        Change::Better => {
            let better = of(Change::Better);
            let are = if better == 1 { "is" } else { "are" };
            let lead = if better == 1 { "" } else { "above all " };
            format!(
                "{better} of {told} numbers {are} better, {lead}{}; none is worse",
                most(Change::Better)
            )
        }
        Change::Same => {
            format!("none of {told} numbers changed by more than {}", share(options.tolerance))
        }
        Change::Noise => format!(
            "none of {told} numbers changed for certain; {} may have, within noise",
            of(Change::Noise)
        ),
        Change::TooFew => "there are too few samples to tell anything".to_owned(),
    }
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
        Change::Noise => ("NO CHANGE SHOWN", Accent::Warning),
        Change::TooFew => ("TOO FEW", Accent::Warning),
    };
    lines.extend(marked(&colour.paint(accent, word), word.len(), &comparison.sentence));
    for (what, run) in [("baseline", &comparison.baseline), ("candidate", &comparison.candidate)] {
        let run = format!(
            "{}: {} run {}, from {}, generator {}",
            run.name, run.scenario, run.id, run.start, run.generator
        );
        lines.extend(marked(&format!("  {what:<9}"), 11, &run));
    }
    for note in &comparison.notes {
        lines.extend(marked("  -", 3, note));
    }
    for (which, names) in
        [("baseline", &comparison.only_in_baseline), ("candidate", &comparison.only_in_candidate)]
    {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            lines.extend(marked("  -", 3, &format!("only in the {which}: {}", names.join(", "))));
        }
    }
    for table in tables(&comparison.rows) {
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
    format!(
        "All {} intervals hold together with {} confidence. Worse or better is what lies beyond {} \
         with all of its interval.",
        comparison.compared,
        share(comparison.confidence),
        share(comparison.tolerance),
    )
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
fn tables(rows: &[Row]) -> Vec<Table> {
    let heads = [("", "baseline"), ("", "candidate"), ("", "change"), ("", "interval")];
    rows.chunk_by(|a, b| a.action == b.action)
        .map(|rows| {
            let action = rows.first().and_then(|row| row.action.as_deref());
            let mut table =
                Table::new(&one_line(action.unwrap_or("the run")), &heads).with_tail("");
            for row in rows {
                let change = row.change.map_or("-".to_owned(), |change| signed(change, row.unit));
                table.row([
                    named(row),
                    value(row.baseline, row.unit),
                    value(row.candidate, row.unit),
                    change,
                    interval(row),
                    row.verdict.to_string(),
                ]);
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

fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ms => units::ms(value),
        Unit::PerSecond => units::rate(value),
        Unit::Share => share(value),
    }
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
