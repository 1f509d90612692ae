//! What may be typed. No I/O: words in, a [`Command`] or a complaint out.

use crate::model::finding::Severity;
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
  line [--json]       what the ISP gives on each WAN (public address, CGNAT,
                      DS-Lite, ...), by what evidence, and what that means
  status [--json]     what was published, what failed, when it is tried again
  clock               tell the daemon that the clock was set (for hotplug.d/ntp)
  check-config [FILE] read the config and tell what is wrong with it; --json:
                      with its sections, without their secrets
  report [--root DIR] every port forward: can the Internet get in, should it,
                      and what to do; --format text, json, html, sarif or
                      prometheus; -v shows notes; DIR stands for a router;
                      the hosts are tried from here, but with --no-targets;
                      DNS servers are asked for your names, but with --no-names
  report --diff       what changed since the one that the daemon kept; what it
                      keeps is --format lines
  collect FILE.tar    pack what a report reads, without passwords and keys;
                      --share: addresses masked too, hosts' names not
  explain [ID]        what a finding of the report means; without ID, all ids
  providers [ID]      the DNS services reachd speaks, or one with its options;
                      --json: for a form
  import-ddns [FILE]  print a config made from that of ddns-scripts (default
                      /etc/config/ddns); it holds the secrets of that one
  import-inadyn [FILE]  the same from that of inadyn (/etc/inadyn.conf)

Options:
  -c, --config FILE   the config (default /etc/config/reachd)
  -v, --verbose       tell more
  -V, --version
  -h, --help

Signals to `run`: HUP reads the config again and tries once more what failed for
good; USR1 looks now and checks at the provider; USR2 says that the clock was
set (the kernel says so, too); WINCH looks now, as if a network had changed;
TERM and INT end it.

Exit codes: 0 fine, 1 something is wrong, 2 usage or config, 3 could not look.
Of report: 0 fine, 1 somebody meant to get in cannot, 2 something is open that
should not be, 3 both, from --fail-on low, medium, high (default) or critical
on; 4 with --strict: not all could be told; 64 usage, 70 a fault of ours.
";

pub const DEFAULT_CONFIG: &str = "/etc/config/reachd";
/// Of ddns-scripts.
const DDNS_CONFIG: &str = "/etc/config/ddns";
const INADYN_CONFIG: &str = "/etc/inadyn.conf";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Run,
    Once {
        again: bool,
        dry: bool,
    },
    Why {
        name: Option<String>,
        json: bool,
    },
    Line {
        json: bool,
    },
    Status {
        json: bool,
    },
    Clock,
    CheckConfig {
        json: bool,
    },
    Providers {
        id: Option<String>,
        json: bool,
    },
    /// Of ddns-scripts, or of inadyn.
    Import {
        file: String,
        inadyn: bool,
    },
    Report(Report),
    Explain {
        id: Option<String>,
    },
    Collect {
        file: String,
        share: bool,
        targets: bool,
        names: bool,
    },
    Version,
    Help,
}

/// How to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// A folder instead of this machine.
    pub root: Option<String>,
    /// One of [`FORMATS`].
    pub format: &'static str,
    /// The least severity that counts for the exit code.
    pub fail_on: Severity,
    pub strict: bool,
    /// Only what changed since the one that the daemon kept.
    pub diff: bool,
    /// The hosts that forwards lead to are tried, where this is the router.
    pub targets: bool,
    /// DNS servers are asked for the names, where this is the router.
    pub names: bool,
}

/// What `--format` takes; the first is the default.
pub const FORMATS: [&str; 6] = ["text", "json", "html", "sarif", "prometheus", "lines"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    pub command: Command,
    /// [`DEFAULT_CONFIG`] if none was named.
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
    let mut report = Report {
        root: None,
        format: "",
        fail_on: Severity::High,
        strict: false,
        diff: false,
        targets: true,
        names: true,
    };
    let mut for_report = None;
    let mut share = false;
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
            Long("share") => share = true,
            Long("no-targets") => report.targets = false,
            Long("no-names") => report.names = false,
            Long("strict") => {
                report.strict = true;
                for_report = Some("--strict");
            }
            Long("diff") => {
                report.diff = true;
                for_report = Some("--diff");
            }
            Long("root") => {
                let root = text(parser.value().map_err(|error| error.to_string())?)?;
                report.root = Some(root.trim_end_matches('/').to_string());
                for_report = Some("--root");
            }
            Long("format") => {
                let word = text(parser.value().map_err(|error| error.to_string())?)?;
                let known = FORMATS.into_iter().find(|format| *format == word);
                report.format = known
                    .ok_or_else(|| format!("--format takes one of: {}", FORMATS.join(", ")))?;
                for_report = Some("--format");
            }
            Long("fail-on") => {
                let word = text(parser.value().map_err(|error| error.to_string())?)?;
                let known = Severity::ALL.into_iter().find(|severity| severity.word() == word);
                report.fail_on =
                    known.ok_or("--fail-on takes one of: info, low, medium, high, critical")?;
                for_report = Some("--fail-on");
            }
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
    let takes_argument = matches!(
        &word[..],
        "why"
            | "check-config"
            | "providers"
            | "import-ddns"
            | "import-inadyn"
            | "explain"
            | "collect"
            | "help"
    );
    if let Some(argument) = argument.as_ref().filter(|_| !takes_argument) {
        return Err(format!("'{argument}' is one word too many: {word} takes none"));
    }
    let (targets, names) = (report.targets, report.names);
    let command = match &word[..] {
        "run" => Command::Run,
        "once" => Command::Once { again, dry },
        "why" => Command::Why { name: argument.map(|name| name.to_ascii_lowercase()), json },
        "line" => Command::Line { json },
        "status" => Command::Status { json },
        "clock" => Command::Clock,
        "check-config" => {
            config = argument.or(config);
            Command::CheckConfig { json }
        }
        "providers" => Command::Providers { id: argument, json },
        "import-ddns" | "import-inadyn" => {
            let inadyn = word == "import-inadyn";
            let usual = if inadyn { INADYN_CONFIG } else { DDNS_CONFIG };
            Command::Import { file: argument.unwrap_or_else(|| usual.into()), inadyn }
        }
        "report" => {
            if report.diff && (json || !report.format.is_empty()) {
                return Err("--diff is text alone: a line for each change".into());
            }
            if report.format.is_empty() {
                report.format = if json { "json" } else { "text" };
            }
            Command::Report(report)
        }
        "collect" => {
            let file = argument.ok_or("say where to: reachd collect FILE.tar")?;
            Command::Collect { file, share, targets, names }
        }
        "explain" => Command::Explain { id: argument },
        "help" => Command::Help,
        _ => return Err(format!("there is no command '{word}'; see reachd --help")),
    };
    let facts =
        matches!(&word[..], "status" | "why" | "line" | "check-config" | "providers" | "report");
    if json && !facts {
        return Err(format!("--json goes with what tells facts, not with {word}"));
    }
    if let Some(option) = for_report.filter(|_| !matches!(command, Command::Report(_))) {
        return Err(format!("{option} goes with report, not with {word}"));
    }
    let tries = matches!(command, Command::Report(_) | Command::Collect { .. });
    for (left, option) in [(targets, "--no-targets"), (names, "--no-names")] {
        if !left && !tries {
            return Err(format!("{option} goes with report and collect, not with {word}"));
        }
    }
    if share && !matches!(command, Command::Collect { .. }) {
        return Err(format!("--share goes with collect, not with {word}"));
    }
    if again && !matches!(command, Command::Once { .. }) {
        return Err(format!("--again goes with once, not with {word}"));
    }
    if dry && !matches!(command, Command::Once { .. }) {
        return Err(format!("--dry-run goes with once, not with {word}"));
    }
    Ok(Typed { command, config: config.unwrap_or_else(|| DEFAULT_CONFIG.into()), verbose })
}

/// Whether these words, wrong as they are, ask for a report: its exit codes are its own.
pub fn asks_for_report(words: impl IntoIterator<Item = OsString>) -> bool {
    words.into_iter().any(|word| word == "report")
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
            ("collect", "FILE.tar"),
            ("once --share", "--share goes with collect"),
            ("once --root x", "--root goes with report"),
            ("once --no-names", "--no-names goes with report and collect"),
            ("why --no-targets", "--no-targets goes with report and collect"),
            ("once --diff", "--diff goes with report"),
            ("report --diff --json", "is text alone"),
            ("report --format pdf", "text, json, html"),
            ("report --fail-on bad", "info, low"),
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
        for word in [
            "run",
            "once",
            "why",
            "line",
            "status",
            "clock",
            "check-config",
            "providers",
            "import-ddns",
            "import-inadyn",
            "report",
            "explain",
            "collect",
        ] {
            assert!(HELP.contains(&format!("\n  {word} ")), "{word}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
