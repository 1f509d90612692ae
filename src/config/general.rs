//! `config reachd` and `config lookup`: the daemon's own options and where it asks for the
//! outside address.

use super::part::Part;
use super::value;
use crate::lookup::service::{self, How};
use crate::model::address::Prefix;
use crate::model::config::{Config, Lookup, Service};
use crate::model::name::Family;
use crate::parse::uci::quoted;
use std::net::IpAddr;
use std::time::Duration;

/// What holds where the owner wrote nothing.
pub(super) fn defaults() -> Config {
    Config {
        enabled: true,
        log_level: log::LevelFilter::Info,
        journal: "/var/run/reachd/journal".into(),
        journal_copy: None,
        assume_public: Vec::new(),
        coalesce: Duration::from_millis(200),
        hooks_dir: "/etc/reachd/hooks.d".into(),
        report: None,
        report_every: Duration::from_secs(60),
        lookup: Lookup {
            services: Vec::new(),
            agree: 2,
            interval: Duration::from_secs(300),
            ca_file: None,
            allow_http: false,
            gateway_map: false,
            resolvers: Vec::new(),
        },
        accounts: Vec::new(),
        names: Vec::new(),
        accepts: Vec::new(),
        hooks: Vec::new(),
    }
}

const MAIN: [&str; 9] = [
    "enabled",
    "log_level",
    "journal",
    "journal_copy",
    "assume_public",
    "coalesce",
    "hooks_dir",
    "report",
    "report_every",
];

const LEVELS: [(&str, log::LevelFilter); 4] = [
    ("error", log::LevelFilter::Error),
    ("warn", log::LevelFilter::Warn),
    ("info", log::LevelFilter::Info),
    ("debug", log::LevelFilter::Debug),
];

pub(super) fn read_main(part: &mut Part, config: &mut Config) {
    part.only(&MAIN);
    config.enabled = part.boolean("enabled", true);
    let level = part.word("log_level", &LEVELS.map(|(word, _)| word));
    if let Some((_, level)) = level.and_then(|index| LEVELS.get(index)) {
        config.log_level = *level;
    }
    if let Some(path) = part.path("journal") {
        config.journal = path;
    }
    config.journal_copy = part.path("journal_copy");
    if config.journal_copy.as_ref() == Some(&config.journal) {
        let text = "is the journal itself: the copy needs a file of its own, on flash";
        part.error(part.line_of("journal_copy"), Some("journal_copy"), text);
    }
    for (line, text) in part.texts("assume_public") {
        match Prefix::parse(text) {
            Some(prefix) => config.assume_public.push(prefix),
            None => {
                let text = [&quoted(text.as_bytes()), " is not a prefix like 203.0.113.0/24"];
                part.error(line, Some("assume_public"), text.concat());
            }
        }
    }
    if let Some(millis) = part.number("coalesce", 0, 60_000, "milliseconds") {
        config.coalesce = Duration::from_millis(millis.into());
    }
    if let Some(path) = part.text("hooks_dir") {
        config.hooks_dir = path.trim_end_matches('/').into();
    }
    if part.section.option("report").is_some() {
        config.report = Some(part.boolean("report", true));
    }
    if let Some(seconds) = part.number("report_every", 1, 86_400, "seconds") {
        config.report_every = Duration::from_secs(seconds.into());
    }
}

const LOOKUP: [&str; 7] =
    ["url", "agree", "interval", "ca_file", "allow_http", "gateway_map", "resolver"];

/// No service in it: the owner listed none, and the built-in ones hold.
pub(super) fn read_lookup(part: &mut Part) -> Lookup {
    part.only(&LOOKUP);
    let mut lookup = defaults().lookup;
    lookup.allow_http = part.boolean("allow_http", false);
    lookup.gateway_map = part.boolean("gateway_map", false);
    lookup.ca_file = part.path("ca_file");
    if let Some(seconds) = part.number("interval", 60, 86_400, "seconds") {
        lookup.interval = Duration::from_secs(seconds.into());
    }
    if let Some(agree) = part.number("agree", 1, 10, "services") {
        lookup.agree = agree as usize;
    }
    for (line, text) in part.texts("resolver") {
        // A name would have to be resolved first.
        match value::host_port(text).is_ok_and(|host| host.parse::<IpAddr>().is_ok()) {
            true => lookup.resolvers.push(text.into()),
            false => {
                let text = [&quoted(text.as_bytes()), " is not an address like 9.9.9.9"].concat();
                part.error(line, Some("resolver"), text);
            }
        }
    }
    let listed = part.texts("url");
    let mut wrong = false;
    for (line, text) in &listed {
        match service(text, lookup.allow_http) {
            Ok(service) => {
                if text.starts_with("http:") {
                    let text = "is not encrypted: anyone on the way can make up the answer";
                    part.warning(*line, Some("url"), text);
                }
                lookup.services.push(service);
            }
            Err(text) => {
                wrong = true;
                part.error(*line, Some("url"), text);
            }
        }
    }
    if !wrong {
        voices(part, &lookup);
    }
    lookup
}

/// Fewer operators than must agree can never agree. Who runs what is `lookup`'s knowledge: two
/// hosts may have one operator. A list for one family alone is fine: names may be of that one.
fn voices(part: &mut Part, lookup: &Lookup) {
    let mut most: Vec<String> = Vec::new();
    for family in Family::BOTH {
        let services = crate::lookup::services(lookup, family);
        let mut operators: Vec<String> = services.into_iter().map(|one| one.operator).collect();
        operators.sort_unstable();
        operators.dedup();
        if operators.len() > most.len() {
            most = operators;
        }
    }
    if most.is_empty() || most.len() >= lookup.agree {
        return;
    }
    let (line, option) = match part.section.option("agree") {
        Some(agree) => (agree.line, "agree"),
        None => (part.line_of("url"), "url"),
    };
    let text = format!(
        "{} independent services must agree, but those listed are run by {} ({}): list more, or \
         set option agree '{}'",
        lookup.agree,
        most.len(),
        most.join(", "),
        most.len()
    );
    part.error(line, Some(option), text);
}

/// A service by its line alone.
fn service(text: &str, allow_http: bool) -> Result<Service, String> {
    let how = service::how(text)?;
    let host = match how {
        How::Http => {
            let url = value::url(text)?;
            if !url.secure && !allow_http {
                return Err("is not encrypted, so anyone on the way can make up the answer: use \
                            https://, or set option allow_http '1' in a lab"
                    .into());
            }
            url.host
        }
        How::Stun { server } => value::host_port(server)?,
        How::Dns { name, server, .. } => {
            value::domain(name, false)?;
            value::host_port(server)?
        }
        How::Gateway => "gateway",
    };
    let url = value::Url { secure: true, host };
    let mut families = url.families();
    families.retain(|family| how.tells(*family));
    if families.is_empty() {
        return Err("can tell nothing: its server and its type are of different families".into());
    }
    Ok(Service {
        url: text.into(),
        operator: url.operator(),
        families,
        // Nobody told us their wish; one a minute is what the strictest of the known ones bears.
        min_interval: Duration::from_secs(60),
    })
}
