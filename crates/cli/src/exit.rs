//! How the program ends: its exit codes, and which error has which. Documented in `seabag help`, so none of
//! them ever changes its meaning.

use std::fmt;
use std::io::ErrorKind;

/// What a shell sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// It was not done.
    Failure = 1,
    /// The arguments, variables or configuration make no sense. Trying again will not help.
    Usage = 2,
    /// The server's storage has stopped: the disk needs help, not the process.
    Storage = 3,
    /// The connection was lost at a moment that leaves open whether something was stored.
    Uncertain = 4,
    /// A second signal cut a graceful shutdown short (128 + SIGINT, as shells count).
    Interrupted = 130,
}

/// The text that `--help` shows of all this.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    not done; standard error says why
  2    arguments, variables or configuration that make no sense
  3    serve: storage has stopped, look at the disk
  4    push, compact, trim, import: the connection was lost; the last pushes may be stored or not
  130  ended at once by a second signal";

/// An error that decides the exit code.
#[derive(Debug)]
pub(crate) struct Coded {
    exit: Exit,
    message: String,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// An error of this exit code.
pub(crate) fn coded(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Coded { exit, message: message.into() })
}

/// What the user typed or configured cannot be meant.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    coded(Exit::Usage, message)
}

/// The exit code of an error, and whether to say anything: a reader who has seen enough (`| head`) is no failure.
pub(crate) fn judge(error: &anyhow::Error) -> (Exit, bool) {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    if error.downcast_ref::<OutputClosed>().is_some() || error.chain().any(broken_pipe) {
        return (Exit::Done, false);
    }
    let exit = error.downcast_ref::<Coded>().map_or(Exit::Failure, |coded| coded.exit);
    (exit, true)
}

/// Nobody reads standard output any more.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output")
    }
}

impl std::error::Error for OutputClosed {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_keeps_its_code_under_context() {
        let error = Err::<(), _>(usage("no such thing")).context("while reading").unwrap_err();
        assert_eq!(judge(&error), (Exit::Usage, true));
        assert_eq!(judge(&anyhow::anyhow!("plain")), (Exit::Failure, true));
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_no_failure() {
        let closed = anyhow::Error::new(OutputClosed).context("while writing");
        assert_eq!(judge(&closed), (Exit::Done, false));
    }
}
