//! The value that a user gives: JSON, or text to be made JSON.

use std::io::{IsTerminal, Read};

use seabag_protocol::room::value::Value;

use crate::exit::usage;
use crate::output;

/// Most bytes of a value from standard input. A server refuses far less.
const VALUE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Takes the value from the argument, or from standard input when there is none.
pub(crate) fn read(argument: Option<String>, text: bool) -> anyhow::Result<Value> {
    let raw = match argument {
        Some(argument) => argument,
        None => read_input()?,
    };
    parse(&raw, text)
}

fn read_input() -> anyhow::Result<String> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        output::note("Reading the value from the keyboard; end it with Ctrl-D.");
    }
    let mut bytes = Vec::new();
    (&mut input).take(VALUE_BYTES_MAX).read_to_end(&mut bytes)?;
    String::from_utf8(bytes)
        .map_err(|_| usage("the value is not UTF-8; encode it first, as base64 for example"))
}

fn parse(raw: &str, text: bool) -> anyhow::Result<Value> {
    if text {
        // The newline at the end is the shell's, not the user's.
        let raw = raw.strip_suffix('\n').unwrap_or(raw);
        return text_value(raw);
    }
    Value::from_json(raw).map_err(|refusal| {
        let hint =
            if raw.trim().is_empty() || raw.trim() == "null" { "" } else { "; --text sends it as text" };
        usage(format!("{}{hint}", refusal.message))
    })
}

/// Text as a JSON string.
pub(crate) fn text_value(text: &str) -> anyhow::Result<Value> {
    Value::from_json(&serde_json::to_string(text)?).map_err(|refusal| usage(refusal.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(raw: &str, text: bool) -> String {
        let mut out = Vec::new();
        parse(raw, text).unwrap().write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_is_json_unless_it_is_text() {
        assert_eq!(json(" { \"a\" : 1 }\n", false), "{\"a\":1}");
        assert_eq!(json("say \"hi\"\n", true), "\"say \\\"hi\\\"\"");
        assert_eq!(json("1", true), "\"1\"");
    }

    #[test]
    fn what_is_no_json_is_refused_with_a_way_out() {
        assert!(parse("hello", false).unwrap_err().to_string().contains("--text"));
        assert!(parse("null", false).unwrap_err().to_string().contains("null"));
    }
}
