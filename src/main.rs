//! Picks the command, makes the real outside world, turns the result into an exit code.

#![forbid(unsafe_code)]

use reachd::act;
use reachd::agent::{Agent, OneLine, Round};
use reachd::bundle;
use reachd::checks;
use reachd::cli::{self, Command, Typed};
use reachd::collect::{Place, collect, names, targets};
use reachd::config::{self, Complaint};
use reachd::decide::{self, Step};
use reachd::last::{Said, kept};
use reachd::model::config::Config;
use reachd::model::known::Known;
use reachd::model::utc::{RELEASED, utc};
use reachd::model::wan::Clock;
use reachd::providers;
use reachd::render::{answers, json, line, report_html, report_json, report_text, text};
use reachd::report::judge;
use reachd::sys::{self, World};
use reachd::world::{Event, Net, Sys};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

const FINE: u8 = 0;
const WRONG: u8 = 1;
const USAGE: u8 = 2;
const BLIND: u8 = 3;
/// EX_USAGE of sysexits.h: 1 to 4 are a report's verdicts.
const REPORT_USAGE: u8 = 64;
/// A slow router lists a large ruleset in seconds; names wait for it.
const REPORT_DEADLINE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let typed = match cli::parse(std::env::args_os().skip(1)) {
        Ok(typed) => typed,
        Err(complaint) => {
            eprintln!("reachd: {complaint}");
            let report = cli::asks_for_report(std::env::args_os().skip(1));
            return if report { REPORT_USAGE } else { USAGE }.into();
        }
    };
    command(typed).into()
}

fn command(typed: Typed) -> u8 {
    match typed.command {
        Command::Help => print(cli::HELP),
        Command::Version => print(concat!("reachd ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Providers { id: None, json: false } => print(&text::providers()),
        Command::Providers { id: None, json: true } => print(&answers::providers(providers::all())),
        Command::Providers { id: Some(id), json } => match providers::find(&id) {
            Some(provider) if json => print(&answers::providers(std::slice::from_ref(provider))),
            Some(provider) => print(&text::provider(provider)),
            None => {
                eprintln!("reachd: there is no provider '{id}'; see reachd providers");
                USAGE
            }
        },
        Command::Import { file, inadyn } => import(&file, inadyn),
        Command::CheckConfig { json: true } => inspect(&typed.config),
        Command::CheckConfig { json: false } => {
            let mut world = World::new();
            match load(&mut world, &typed.config) {
                Some(config) => print(&format!(
                    "{}: fine, {} name(s) at {} account(s)\n",
                    typed.config,
                    config.names.len(),
                    config.accounts.len()
                )),
                None => USAGE,
            }
        }
        Command::Report(wanted) => report(&wanted, &typed.config, typed.verbose),
        Command::Collect { file, share, targets, names } => {
            let Some(config) = optional(&mut World::new(), &typed.config) else { return USAGE };
            pack(&file, share, bundle::Asks { targets, names, config: &config })
        }
        Command::Explain { id: None } => print(&report_text::explain_all()),
        Command::Explain { id: Some(id) } => match checks::find(&id) {
            Some(check) => print(&report_text::explain(check)),
            None => {
                eprintln!("reachd: there is no check '{id}'; reachd explain lists all");
                USAGE
            }
        },
        Command::Clock => clock(&typed.config),
        Command::Run => run(&typed),
        Command::Once { .. }
        | Command::Why { .. }
        | Command::Line { .. }
        | Command::Status { .. } => look(typed),
    }
}

/// The commands that look once and end.
fn look(typed: Typed) -> u8 {
    let mut world = World::new();
    world.show_progress();
    let config = match typed.command {
        // What the line is can be told before there is anything to publish.
        Command::Line { .. }
            if typed.config == cli::DEFAULT_CONFIG && world.file_mode(&typed.config).is_none() =>
        {
            config::read(&typed.config, b"", 0, &mut |_| Err(String::new())).0
        }
        _ => load(&mut world, &typed.config),
    };
    let Some(config) = config else { return USAGE };
    // People at a prompt read the table below, not a log.
    sys::log::start(if typed.verbose { log::LevelFilter::Debug } else { log::LevelFilter::Off });
    if let Err(why) = sys::signals::install() {
        eprintln!("reachd: could not watch signals: {why}");
    }
    let mut agent = Agent::new(&mut world, config);
    match typed.command {
        Command::Status { json: false } => print(&text::status(&agent, world.now())),
        Command::Status { json: true } => print(&json::status(&agent, world.now())),
        Command::Line { json } => {
            let lines = agent.lines(&mut world);
            print(&if json { line::json(&lines) } else { line::text(&lines) });
            let unknown = |one: &OneLine| matches!(one.wan.device, Known::Unknown(_));
            if lines.wans.iter().all(unknown) { BLIND } else { FINE }
        }
        Command::Why { name, json } => {
            let round = agent.round(&mut world, false);
            let show = if json { answers::why } else { text::round };
            print(&show(&agent.config, &round, world.now(), name.as_deref()));
            if all_blind(&round) { BLIND } else { FINE }
        }
        command => {
            if matches!(command, Command::Once { again: true, .. }) {
                agent.forget();
            }
            if matches!(command, Command::Once { dry: true, .. }) {
                return rehearse(&mut agent, &mut world);
            }
            let round = agent.round(&mut world, true);
            print(&text::round(&agent.config, &round, world.now(), None));
            verdict(&agent.config, &round)
        }
    }
}

/// `once --dry-run`: what would be sent now.
fn rehearse(agent: &mut Agent, world: &mut World) -> u8 {
    // No lookups and no journal: a round that only looks.
    let round = agent.round(world, false);
    print(&text::round(&agent.config, &round, world.now(), None));
    print(&act::rehearse(world, &agent.config, &round.decisions));
    if all_blind(&round) { BLIND } else { FINE }
}

/// `import-ddns`, `import-inadyn`.
fn import(path: &str, inadyn: bool) -> u8 {
    let bytes = match World::new().read_file(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            eprintln!("reachd: there is no {path}");
            return USAGE;
        }
        Err(why) => {
            eprintln!("reachd: {why}");
            return USAGE;
        }
    };
    let text = if inadyn {
        config::import_inadyn::import(&bytes)
    } else {
        config::import_ddns::import(&bytes).map_err(|why| why.to_string())
    };
    match text {
        Ok(text) => print(&text),
        Err(why) => {
            eprintln!("reachd: {path}: {why}");
            USAGE
        }
    }
}

/// `report`.
fn report(wanted: &cli::Report, config: &str, all: bool) -> u8 {
    let mut world = World::new();
    if let Err(why) = sys::signals::install() {
        eprintln!("reachd: could not watch signals: {why}");
    }
    let (begin, started) = (world.now(), world.wall_clock());
    if let Some(root) = wanted.root.as_ref().filter(|root| world.file_mode(root).is_none()) {
        eprintln!("reachd: there is no folder {root}");
        return REPORT_USAGE;
    }
    // A folder brings its own config; a report needs none.
    let config = match &wanted.root {
        Some(root) if config == cli::DEFAULT_CONFIG => [root, config].concat(),
        _ => config.to_string(),
    };
    let Some(config) = optional(&mut world, &config) else { return REPORT_USAGE };
    let mut place = Place { sys: &mut world, root: wanted.root.as_deref() };
    let mut snapshot = collect(&mut place, &config);
    // The daemon tries nobody, so what it kept is compared with the same.
    let asks = !wanted.diff && wanted.format != "lines" && wanted.root.is_none();
    if asks && wanted.targets {
        targets::knock(&mut place, &mut snapshot);
    }
    // Of a machine that is no router nobody wants to know.
    let routes = snapshot.firewall.known().is_some() || snapshot.forwarding.known() == Some(&true);
    if asks && wanted.names && routes {
        names::ask(&mut place, &mut snapshot, &config);
    }
    let report = judge(snapshot, &config.assume_public, &config.accepts, started);
    let code = report.code(wanted.fail_on, wanted.strict);
    let millis = world.now().saturating_sub(begin).as_millis() as u64;
    let run = report_json::Run { started, millis, code };
    if wanted.diff {
        let kept = [wanted.root.as_deref().unwrap_or_default(), &kept(&config.journal)].concat();
        return differences(&mut world, &kept, &report.said(), code);
    }
    print(&match wanted.format {
        "lines" => report.said().to_text(),
        "json" => report_json::text(&report, run),
        "html" => report_html::text(&report, started),
        "sarif" => report_json::sarif(&report),
        "prometheus" => report_json::prometheus(&report, run),
        _ => report_text::text(&report, started, all, world.colour()),
    });
    code
}

/// A config that may be absent where none was named; `None`: it is wrong, which was told.
fn optional(world: &mut World, config: &str) -> Option<Config> {
    if config.ends_with(cli::DEFAULT_CONFIG) && world.file_mode(config).is_none() {
        return Some(config::none());
    }
    read(world, config).and_then(|(_, config, complaints)| {
        let errors = complaints.iter().filter(|c| c.severity == config::Severity::Error);
        errors.for_each(|complaint| eprintln!("{complaint}"));
        config
    })
}

/// `report --diff`.
fn differences(world: &mut World, kept: &str, said: &Said, code: u8) -> u8 {
    let before = match world.read_file(kept) {
        Ok(before) => before.as_deref().and_then(Said::from_text).map(Said::first),
        Err(why) => {
            eprintln!("reachd: {why}");
            return REPORT_USAGE;
        }
    };
    let Some(before) = before else {
        eprintln!(
            "reachd: there is no report in {kept} to compare with: the daemon keeps one with \
             option report '1' in section 'main'"
        );
        return REPORT_USAGE;
    };
    if let Some(part) = said.lost(&before) {
        print(&format!("not to be read now: {part}; what it showed is taken to be as it was\n"));
    }
    let changes = said.clone().after(&before).changes(&before);
    if changes.is_empty() {
        print("nothing changed\n");
    }
    for change in changes {
        print(&(report_text::plain(&change) + "\n"));
    }
    code
}

/// `collect`.
fn pack(file: &str, share: bool, asks: bundle::Asks) -> u8 {
    let mut world = World::new();
    if let Err(why) = sys::signals::install() {
        eprintln!("reachd: could not watch signals: {why}");
    }
    let mask = share.then(|| world.chance());
    let tar = bundle::bundle(&mut Place { sys: &mut world, root: None }, mask, &asks);
    match world.replace_file(file, &tar, 0o600) {
        Ok(()) => print(&format!(
            "{file}: {} KB; look through it before you hand it on\n",
            tar.len() >> 10
        )),
        Err(why) => {
            eprintln!("reachd: {why}");
            WRONG
        }
    }
}

/// `clock`: what it shows, and a word to the daemons of this config.
fn clock(config: &str) -> u8 {
    let now = World::new().wall_clock();
    let unset = decide::doubt(Clock::Unset(now)).filter(|_| now < RELEASED);
    print(&format!("{}\n", unset.unwrap_or_else(|| format!("the clock shows {}", utc(now)))));
    let mut told = false;
    for (pid, words) in sys::process::others() {
        let Ok(Typed { command: Command::Run, config: theirs, .. }) = cli::parse(words) else {
            continue;
        };
        if theirs != config {
            continue;
        }
        match sys::process::tell_clock(pid) {
            Ok(()) => told = true,
            Err(why) => eprintln!("reachd: could not tell process {pid}: {why}"),
        }
    }
    if told {
        return FINE;
    }
    eprintln!("reachd: no daemon was told: none runs with the config {config}");
    WRONG
}

/// The daemon.
fn run(typed: &Typed) -> u8 {
    let mut world = World::new();
    if let Err(why) = sys::signals::install() {
        eprintln!("reachd: could not watch signals: {why}");
        return BLIND;
    }
    if let Err(why) = world.watch() {
        eprintln!("reachd: {why}");
        return BLIND;
    }
    let level = |config: &Config| match typed.verbose {
        true => log::LevelFilter::Debug,
        false => config.log_level,
    };
    sys::log::start(log::LevelFilter::Info);
    // With a config that is wrong we stay and wait for a better one: a supervisor would only
    // start us again and again.
    let config = loop {
        match load(&mut world, &typed.config) {
            Some(config) => break config,
            None => log::error!("{} is not usable; mend it, then send HUP", typed.config),
        }
        loop {
            match world.wait(None) {
                Event::Stop => return FINE,
                Event::Reload => break,
                _ => {}
            }
        }
    };
    log::set_max_level(level(&config));
    log::info!(
        "reachd {}: {} name(s), config {}",
        env!("CARGO_PKG_VERSION"),
        config.names.len(),
        typed.config
    );
    let mut agent = Agent::new(&mut world, config);
    let reload = &mut |sys: &mut dyn Sys| {
        let config = load(sys, &typed.config)?;
        log::set_max_level(level(&config));
        Some(config)
    };
    // Another process: what a report takes of memory is given back, and its end is not ours.
    let look = &mut |sys: &mut dyn Sys| {
        let argv = ["/proc/self/exe", "-c", &typed.config, "report", "--format", "lines"];
        let ran = sys.tell(&argv, b"", REPORT_DEADLINE)?;
        let text = String::from_utf8_lossy(&ran.stderr);
        let told = text.lines().next().unwrap_or("it ended without a word (out of memory?)");
        Said::from_text(&ran.stdout).ok_or_else(|| told.to_string())
    };
    agent.run(&mut world, reload, look);
    FINE
}

/// `check-config --json`.
fn inspect(path: &str) -> u8 {
    let mut world = World::new();
    let Some((bytes, config, complaints)) = read(&mut world, path) else { return USAGE };
    print(&answers::config(&bytes, &complaints, config.is_some()));
    if config.is_some() { FINE } else { USAGE }
}

/// Reads the config and tells what is wrong with it; `None` if it can't be used.
fn load(sys: &mut dyn Sys, path: &str) -> Option<Config> {
    let (_, config, complaints) = read(sys, path)?;
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    config
}

/// The file, the config if it can be used, and what is wrong with it. `None`: there is no file,
/// which was told.
fn read(sys: &mut dyn Sys, path: &str) -> Option<(Vec<u8>, Option<Config>, Vec<Complaint>)> {
    let bytes = match sys.read_file(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            eprintln!("reachd: there is no config {path}; name one with -c FILE");
            return None;
        }
        Err(why) => {
            eprintln!("reachd: {why}");
            return None;
        }
    };
    let mode = sys.file_mode(path).unwrap_or(0);
    let (config, complaints) = config::read(path, &bytes, mode, &mut |secret| {
        let mode = sys.file_mode(secret).unwrap_or(0);
        match sys.read_file(secret)? {
            Some(bytes) => Ok(config::SecretFile { bytes, mode }),
            None => Err("there is no such file".into()),
        }
    });
    Some((bytes, config, complaints))
}

/// The exit code of `once`: each name must be right in one family, and nothing must have failed.
fn verdict(config: &Config, round: &Round) -> u8 {
    if all_blind(round) {
        return BLIND;
    }
    let failed = round.happened.iter().any(|happened| !happened.outcome.is_right())
        || round.decisions.iter().any(|decision| {
            matches!(decision.step, Step::Latched | Step::Unknown | Step::Wait(_) | Step::Clock(_))
        });
    let right = |name: usize| {
        round.happened.iter().any(|happened| happened.name == name && happened.outcome.is_right())
            || round.decisions.iter().any(|decision| {
                decision.name == name && matches!(decision.step, Step::Right(_) | Step::Check(..))
            })
    };
    if failed || !(0..config.names.len()).all(right) { WRONG } else { FINE }
}

/// Nothing could be seen at all.
fn all_blind(round: &Round) -> bool {
    !round.view.wans.is_empty()
        && round.view.wans.iter().all(|wan| matches!(wan.device, Known::Unknown(_)))
}

fn print(text: &str) -> u8 {
    // A closed pipe (`reachd status | head`) is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
    FINE
}
