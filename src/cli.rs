//! What may be typed. No I/O: words in, a [`Command`] or a complaint out.

use lexopt::prelude::*;
use std::ffi::OsString;

pub const HELP: &str = "\
reachd keeps a router reachable by name.

Usage: reachd [-c FILE] [-v] COMMAND

Commands:
  run                 follow the WAN address and publish it (the daemon)
  once [--again]      look, decide and publish once; --again also tries what
                      failed for good and checks what was confirmed before
  once --dry-run      send and write nothing; show the requests instead, with
                      their secrets replaced
  why [NAME] [--json] look and tell what would be done, and why; changes nothing
  status [--json]     what was published, what failed, when it is tried again
  check-config [FILE] read the config and tell what is wrong with it; --json:
                      with its sections, without their secrets
  providers [ID]      the DNS services reachd speaks, or one with its options;
                      --json: for a form
  import-ddns [FILE]  print a config made from that of ddns-scripts (default
                      /etc/config/ddns); it holds the secrets of that one

Options:
  -c, --config FILE   the config (default /etc/config/reachd)
  -v, --verbose       tell more
  -V, --version
  -h, --help

Signals to `run`: HUP reads the config again and tries once more what failed for
good; USR1 looks now and checks at the provider; USR2 looks now, as if a network
had changed; TERM and INT end it.

Exit codes: 0 fine, 1 something is wrong, 2 usage or config, 3 could not look.
";

pub const DEFAULT_CONFIG: &str = "/etc/config/reachd";
/// Of ddns-scripts.
const DDNS_CONFIG: &str = "/etc/config/ddns";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Run,
    Once { again: bool, dry: bool },
    Why { name: Option<String>, json: bool },
    Status { json: bool },
    CheckConfig { json: bool },
    Providers { id: Option<String>, json: bool },
    ImportDdns { file: String },
    Version,
    Help,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    pub command: Command,
    pub config: String,
    pub verbose: bool,
}

/// Reads the words after the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Typed, String> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut config = None;
    let mut verbose = false;
    let mut json = false;
    let mut again = false;
    let mut dry = false;
    let mut plain = Vec::new();
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Short('c') | Long("config") => {
                config = Some(text(parser.value().map_err(|error| error.to_string())?)?);
            }
            Short('v') | Long("verbose") => verbose = true,
            Short('V') | Long("version") => return Ok(alone(Command::Version)),
            Short('h') | Long("help") => return Ok(alone(Command::Help)),
            Long("json") => json = true,
            Long("again") => again = true,
            Long("dry-run") => dry = true,
            Value(word) => plain.push(text(word)?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut plain = plain.into_iter();
    let word = plain.next().ok_or("say what to do: reachd run, once, why, status, ... (--help)")?;
    let argument = plain.next();
    if let Some(more) = plain.next() {
        return Err(format!("'{more}' is one word too many"));
    }
    let takes_argument =
        matches!(&word[..], "why" | "check-config" | "providers" | "import-ddns" | "help");
    if let Some(argument) = argument.as_ref().filter(|_| !takes_argument) {
        return Err(format!("'{argument}' is one word too many: {word} takes none"));
    }
    let command = match &word[..] {
        "run" => Command::Run,
        "once" => Command::Once { again, dry },
        "why" => Command::Why { name: argument.map(|name| name.to_ascii_lowercase()), json },
        "status" => Command::Status { json },
        "check-config" => {
            config = argument.or(config);
            Command::CheckConfig { json }
        }
        "providers" => Command::Providers { id: argument, json },
        "import-ddns" => {
            Command::ImportDdns { file: argument.unwrap_or_else(|| DDNS_CONFIG.into()) }
        }
        "help" => Command::Help,
        _ => return Err(format!("there is no command '{word}'; see reachd --help")),
    };
    let facts = matches!(&word[..], "status" | "why" | "check-config" | "providers");
    if json && !facts {
        return Err(format!("--json goes with what tells facts, not with {word}"));
    }
    if again && !matches!(command, Command::Once { .. }) {
        return Err(format!("--again goes with once, not with {word}"));
    }
    if dry && !matches!(command, Command::Once { .. }) {
        return Err(format!("--dry-run goes with once, not with {word}"));
    }
    Ok(Typed { command, config: config.unwrap_or_else(|| DEFAULT_CONFIG.into()), verbose })
}

fn alone(command: Command) -> Typed {
    Typed { command, config: DEFAULT_CONFIG.into(), verbose: false }
}

fn text(word: OsString) -> Result<String, String> {
    word.into_string().map_err(|word| format!("{word:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Typed, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_readme_command() {
        let typed = typed("once -c examples/quickstart").unwrap();
        assert_eq!(typed.command, Command::Once { again: false, dry: false });
        assert_eq!(typed.config, "examples/quickstart");
    }

    #[test]
    fn check_config_takes_a_file_either_way() {
        assert_eq!(typed("check-config x").unwrap().config, "x");
        assert_eq!(typed("check-config -c x").unwrap().config, "x");
        assert_eq!(typed("check-config").unwrap().config, DEFAULT_CONFIG);
    }

    #[test]
    fn mistakes_are_told() {
        for (line, told) in [
            ("", "say what to do"),
            ("fly", "no command 'fly'"),
            ("run now", "one word too many"),
            ("why a b", "one word too many"),
            ("once --json", "goes with what tells facts"),
            ("run --again", "goes with once"),
            ("run --dry-run", "goes with once"),
            ("import-ddns a b", "one word too many"),
            ("run --fast", "--fast"),
            ("run -c", "-c"),
        ] {
            let error = typed(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }

    #[test]
    fn help_names_every_command_and_fits_80_columns() {
        for word in ["run", "once", "why", "status", "check-config", "providers", "import-ddns"] {
            assert!(HELP.contains(&format!("\n  {word} ")), "{word}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
