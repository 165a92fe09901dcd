//! What the user sees: data on standard output, one JSON object a line; everything else on standard error.
//! Colours only on a terminal, and never when NO_COLOR is set.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::OutputClosed;

/// One entry of a room, as every command prints it.
#[derive(Debug, Serialize)]
pub(crate) struct EntryLine<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a RawValue,
    pub(crate) seq: u64,
}

/// Standard output, buffered: whoever writes decides when a reader should see it.
pub(crate) struct Lines {
    out: io::BufWriter<Box<dyn Write + Send>>,
}

impl Lines {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Any other place.
    pub(crate) fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: io::BufWriter::with_capacity(64 * 1024, Box::new(out)) }
    }

    /// Writes one object as one line.
    pub(crate) fn write(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, line).map_err(io::Error::from).map_err(closed)?;
        self.out.write_all(b"\n").map_err(closed)
    }

    /// Writes bytes as they are.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.out.write_all(bytes).map_err(closed)
    }

    /// Lets readers see what was written.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.out.flush().map_err(closed)
    }
}

fn closed(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => anyhow::Error::new(OutputClosed),
        _ => anyhow::Error::new(error).context("cannot write the output"),
    }
}

/// Writes one object as one line of standard output, at once.
pub(crate) fn print(line: &impl Serialize) -> anyhow::Result<()> {
    let mut lines = Lines::stdout();
    lines.write(line)?;
    lines.flush()
}

/// Tells the user something that is no data.
pub(crate) fn note(text: &str) {
    say("", text);
}

/// Tells the user of something that they should look at.
pub(crate) fn warning(text: &str) {
    say(if colours() { "\u{1b}[1;33mwarning:\u{1b}[0m " } else { "warning: " }, text);
}

/// Tells the user why something was not done.
pub(crate) fn error(text: &str) {
    say(if colours() { "\u{1b}[1;31merror:\u{1b}[0m " } else { "error: " }, text);
}

/// A closed standard error is no reason to stop working.
fn say(label: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{label}{text}");
}

/// Whether standard error may be coloured.
pub(crate) fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

/// A progress bar in bytes or entries; invisible unless standard error is a terminal.
pub(crate) fn progress(total: Option<u64>, unit: &str) -> indicatif::ProgressBar {
    if !io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = match total {
        Some(total) => indicatif::ProgressBar::new(total),
        None => indicatif::ProgressBar::no_length(),
    };
    let (position, length) = if unit == "bytes" { ("{bytes}", "{total_bytes}") } else { ("{pos}", "{len}") };
    let template = match total {
        Some(_) => format!("{{wide_bar}} {position}/{length} {unit} {{eta}}"),
        None => format!("{{spinner}} {position} {unit} {{elapsed}}"),
    };
    match indicatif::ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
