//! What was measured: one JSON object a line for programs, a table for people, and whether anything was lost.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{self, Lines};

/// Ten minutes: whatever takes longer counts as that.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Latencies in microseconds, to three digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("these bounds are allowed"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        // Histograms of the same bounds can always be added.
        let _ = self.0.add(&other.0);
    }

    pub(crate) fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }
}

/// One measurement: named numbers in order.
pub(crate) struct Row(Vec<(String, Value)>);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Row {
    /// A measurement of the server, or of the reference.
    pub(crate) fn new(scenario: &str, target: &str) -> Self {
        Self(Vec::new()).with("scenario", scenario).with("target", target)
    }

    /// Adds a fact.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Adds a rate.
    pub(crate) fn rate(self, name: &str, count: u64, elapsed: Duration) -> Self {
        let rate = count as f64 / elapsed.as_secs_f64().max(1e-9);
        self.with(name, json!(rate.round()))
    }

    /// Adds the median and the 99th percentile, if anything was timed.
    pub(crate) fn latencies(self, latencies: &Latencies) -> Self {
        if latencies.count() == 0 {
            return self;
        }
        self.with("p50_us", latencies.quantile(0.5)).with("p99_us", latencies.quantile(0.99))
    }

    /// Adds how many processors the server kept busy.
    pub(crate) fn processors(self, before: Option<f64>, after: Option<f64>, elapsed: Duration) -> Self {
        match (before, after) {
            (Some(before), Some(after)) => {
                let busy = (after - before) / elapsed.as_secs_f64().max(1e-9);
                self.with("processors", json!((busy * 100.0).round() / 100.0))
            }
            _ => self,
        }
    }
}

/// All measurements of a run.
pub(crate) struct Report {
    rows: Vec<Row>,
    lost: u64,
    quiet: bool,
}

impl Report {
    pub(crate) fn new(quiet: bool) -> Self {
        if cfg!(debug_assertions) && !quiet {
            output::warning("this is a debug build: its numbers mean nothing");
        }
        Self { rows: Vec::new(), lost: 0, quiet }
    }

    /// Prints a measurement and keeps it for the table.
    pub(crate) fn add(&mut self, row: Row) -> anyhow::Result<()> {
        let mut lines = Lines::stdout();
        lines.write(&row)?;
        lines.flush()?;
        self.lost += row.get("lost").and_then(Value::as_u64).unwrap_or(0);
        self.rows.push(row);
        Ok(())
    }

    /// Prints the table. Lost messages are a failure, whatever the speed.
    pub(crate) fn finish(self) -> anyhow::Result<Exit> {
        if self.quiet {
            return Ok(Exit::Done);
        }
        output::note(&self.table());
        if self.lost > 0 {
            anyhow::bail!("{} messages were lost", self.lost);
        }
        Ok(Exit::Done)
    }

    fn table(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.0) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let mut grid = vec![names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
        grid.extend(self.rows.iter().map(|row| names.iter().map(|name| cell(row.get(name))).collect()));
        let width =
            |column: usize| grid.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..names.len()).map(width).collect();
        grid.iter()
            .map(|row| {
                let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
                cells.collect::<Vec<_>>().join("  ") + "\n"
            })
            .collect()
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_every_name_once_and_a_loss_is_a_failure() {
        let mut report = Report::new(true);
        report.rows.push(Row::new("a", "seabag").with("lost", 0));
        report.rows.push(Row::new("a", "reference").rate("rate", 10, Duration::from_secs(1)));
        let table = report.table();
        assert_eq!(table.lines().count(), 3);
        assert!(table.lines().next().unwrap().ends_with("lost  rate"), "{table}");
        assert!(table.lines().last().unwrap().ends_with("10"), "{table}");
        let lossy = Report { rows: Vec::new(), lost: 1, quiet: false };
        assert!(lossy.finish().is_err());
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        for microseconds in 1..=100 {
            latencies.record(Duration::from_micros(microseconds));
        }
        assert_eq!((latencies.quantile(0.5), latencies.quantile(0.99)), (50, 99));
    }
}
