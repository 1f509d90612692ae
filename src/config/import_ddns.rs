//! `/etc/config/ddns` of ddns-scripts as a config of ours.
//!
//! Every option of every section either becomes something here or is named in a comment, with the
//! reason: nothing is dropped silently. Sections that cannot work as they are come out switched
//! off, with what is to be done. The text holds the secrets of the old one. Pure.
//!
//! What comes from elsewhere, in the words of ddns-scripts, goes the same way: see
//! [`import_inadyn`](super::import_inadyn).

use super::imported::{Line, New, NewName};
use super::value::{self, url};
use crate::model::name::Family;
use crate::parse::uci::{self, Opt, ParseError, Section, Value};
use crate::providers::template::{FILLED, words};
use crate::providers::{self, Kind, Provider, services};

/// Script-driven services of ddns-scripts: name, provider here, and how its options are to be read.
const SCRIPTS: &[(&str, &str, Form)] = &[
    ("aliyun.com", "aliyun", Form::At),
    ("bind-nsupdate", "rfc2136", Form::Plain),
    ("cloudflare.com-v4", "cloudflare", Form::At),
    ("digitalocean.com-v2", "digitalocean", Form::UserIsHost),
    ("dnspod.cn", "dnspod", Form::At),
    ("dnspod.cn-v3", "tencentcloud", Form::At),
    ("gandi.net", "gandi", Form::UserIsHost),
    ("godaddy.com-v1", "godaddy", Form::At),
    ("hetzner.cloud", "hetzner", Form::UserIsHost),
    ("huaweicloud.com", "huaweicloud", Form::At),
    ("no-ip.com", "noip", Form::Plain),
    ("pdns", "powerdns", Form::UserIsHost),
    ("porkbun.com-v3", "porkbun", Form::Plain),
    ("route53-v1", "route53", Form::DomainIsId),
];

/// Those that have no provider here.
const SCRIPTS_ALONE: &[&str] = &[
    "beget.com",
    "blazingfast.io",
    "cloud.google.com-v1",
    "cnkuai.cn",
    "freedns.42.pl",
    "luadns.com-v1",
    "namesilo.com-v1",
    "netcup.com",
    "ns1.com",
    "one.com",
    "scaleway.com",
    "servercow.de",
    "transip.nl",
];

/// What `domain` and `username` hold.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// domain: the name.
    Plain,
    /// domain: `host@zone`, `@zone`, or the name.
    At,
    /// domain: the zone; username: the host in it.
    UserIsHost,
    /// domain: an id of the record or the zone; the name is lookup_host.
    DomainIsId,
}

/// Why an option has nothing here that it could become.
fn reason(option: &str) -> &'static str {
    match option {
        "interface" => "reachd hears of every change by itself",
        "check_interval" | "check_unit" | "check_interval_min" => {
            "reachd acts when the address changes, and does not poll"
        }
        "force_interval" | "force_unit" => "nothing is sent while nothing changed",
        "retry_interval" | "retry_unit" | "retry_max_count" | "retry_count" => {
            "reachd waits longer each time, and stops where trying again cannot help"
        }
        "lookup_host" => "what is published is known from the provider's answers",
        "dns_server" | "force_dnstcp" | "is_glue" | "use_api_check" => {
            "names are not looked up to see what they hold"
        }
        "force_ipversion" => "requests go by whichever family works",
        "use_https" => "reachd always uses https",
        "cacert" => "certificates are always verified, with the system's roots",
        "proxy" => "reachd connects by itself",
        "user_agent" => "reachd says who it is",
        "ip_url" => "see config lookup for who is asked",
        "ip_script" | "update_script" => "reachd runs no scripts",
        "use_syslog" | "use_logfile" | "ddns_logdir" | "ddns_loglines" | "log_lines"
        | "ddns_dateformat" | "date_format" => "reachd logs to the system's log",
        "ddns_rundir" => "see option journal",
        "use_curl" | "url" | "services_url" => "no other program and no list is needed",
        "param_opt" | "param_enc" => "this provider takes no such parameter",
        "username" | "password" => "this provider does not ask for it",
        "ttl" => "this provider is told no TTL, or not this one",
        _ => super::import_inadyn::reason(option),
    }
}

/// For options that nobody knows.
pub(super) const UNKNOWN: &str = "reachd has no such option";

/// Options whose values are not shown in comments.
fn hidden(option: &str) -> bool {
    matches!(
        option,
        "password"
            | "param_enc"
            | "param_opt"
            | "update_url"
            | "proxy"
            | "username"
            | "ddns-path"
            | "checkip-command"
    )
}

/// An old section, and what of it was used so far.
pub(super) struct Old<'a> {
    section: &'a Section,
    used: Vec<&'static str>,
}

impl<'a> Old<'a> {
    pub fn new(section: &'a Section) -> Self {
        Old { section, used: Vec::new() }
    }

    /// An option's text, which is used herewith.
    pub fn take(&mut self, option: &'static str) -> Option<String> {
        let text = self.peek(option)?;
        self.used.push(option);
        Some(text)
    }

    /// What is not plain text is not there, and so will be told of.
    pub fn peek(&self, option: &str) -> Option<String> {
        let Value::One(bytes) = &self.section.option(option)?.value else { return None };
        let text = std::str::from_utf8(bytes).ok()?.trim();
        (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_string())
    }

    pub fn is_set(&mut self, option: &'static str, default: bool) -> bool {
        let text = self.take(option);
        text.map_or(default, |text| matches!(&text[..], "1" | "on" | "true" | "yes" | "enabled"))
    }

    /// A comment for each option that was not used.
    pub fn rest(&self, notes: &mut Vec<String>) {
        for option in &self.section.options {
            if self.used.contains(&option.name.as_str()) {
                continue;
            }
            let mut note = ["not carried over: ", &option.name].concat();
            match &option.value {
                Value::One(bytes) if !hidden(&option.name) => {
                    note.push(' ');
                    note.push_str(&uci::quoted(bytes));
                }
                Value::List(_) => note.push_str(" (a list)"),
                _ => {}
            }
            notes.push([&note, ": ", reason(&option.name)].concat());
        }
    }
}

/// Reads the old config. The new one passes `check-config`, though perhaps with warnings.
pub fn import(text: &[u8]) -> Result<String, ParseError> {
    import_with(&|id| providers::find(id), text)
}

pub(super) type Find<'a> = &'a dyn Fn(&str) -> Option<&'a Provider>;

fn import_with(find: Find<'_>, text: &[u8]) -> Result<String, ParseError> {
    let package = uci::parse(text)?;
    let mut new = New::default();
    let mut private = false;
    for section in package.sections.iter().filter(|section| section.kind == "ddns") {
        let mut old = Old::new(section);
        private |= old.is_set("upd_privateip", false) | old.is_set("allow_local_ip", false);
        old.rest(&mut new.notes);
    }
    for (index, section) in package.sections.iter().enumerate() {
        match section.kind.as_str() {
            "service" => {
                let id = package.id(index);
                let mut old = Old::new(section);
                let mut notes = Vec::new();
                if let Err(why) = service(&mut old, &id, find, private, &mut new, &mut notes) {
                    new.notes.push(["not carried over: section '", &id, "': ", &why].concat());
                }
            }
            "ddns" => {}
            other => new.notes.push(["not carried over: config ", other].concat()),
        }
    }
    Ok(new.text("ddns-scripts", "import-ddns"))
}

/// What a section is for.
struct Target<'p> {
    provider: &'p Provider,
    fqdn: String,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Target<'_> {
    fn put(&mut self, option: &'static str, value: Option<String>) {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.lines.push(("option", option, value)),
            None => self.notes.push(["to do: option ", option, " is missing"].concat()),
        }
    }
}

pub(super) fn service(
    old: &mut Old<'_>,
    id: &str,
    find: Find<'_>,
    private: bool,
    new: &mut New,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let v6 = old.is_set("use_ipv6", false);
    let family = if v6 { "ipv6" } else { "ipv4" };
    let mut enabled = old.is_set("enabled", false);
    let mut target = target(old, find)?;
    if let Some(name) = old.peek("service_name").filter(|_| notes.is_empty()) {
        notes.push(["was service_name ", &uci::quoted(name.as_bytes())].concat());
    }
    let known = if v6 { Family::Ipv6 } else { Family::Ipv4 };
    if !target.provider.families.contains(&known) {
        return Err(format!("provider '{}' holds no {family} addresses", target.provider.id));
    }
    if let Some(network) = old.take("bind_network").filter(|name| value::network(name).is_ok()) {
        target.lines.push(("option", "wan", network));
    }
    if let Some(file) = old.peek("cacert").filter(|file| file.starts_with('/')) {
        if file.ends_with('/') || !file.contains('.') {
            notes.push("cacert is a folder: set option ca_file to one file if you need it".into());
        } else {
            old.used.push("cacert");
            target.lines.push(("option", "ca_file", file));
        }
    }

    let mut shared_line = private.then_some("wan");
    let ttl = old.peek("ttl").filter(|ttl| {
        let takes = target.provider.ttl.unwrap_or((1, 0));
        ttl.parse().is_ok_and(|ttl: u32| ttl >= takes.0.max(1) && ttl <= takes.1)
    });
    if ttl.is_some() {
        old.used.push("ttl");
    }
    let source = old.take("ip_source").unwrap_or_else(|| "network".into());
    let wan = match source.as_str() {
        "network" => old.take("ip_network"),
        "interface" => old.take("ip_interface"),
        "web" => {
            shared_line = Some("outside");
            None
        }
        other => {
            enabled = false;
            notes.push(format!(
                "to do: the address came from {}; switched off until you say with option wan and \
                 option shared_line which address is meant",
                match other {
                    "checkip-command" => other.into(),
                    _ => ["ip_source ", &uci::quoted(other.as_bytes())].concat(),
                }
            ));
            None
        }
    };
    // A leading @ is ddns-scripts' sign for a network.
    let wan = wan.map(|wan| wan.trim_start_matches('@').to_string());
    let wan = wan.filter(|wan| value::network(wan).is_ok());
    old.rest(notes);

    let account = new.account(target.provider.id, &target.lines, &target.notes);
    new.name(NewName {
        id: id.into(),
        account,
        fqdn: target.fqdn,
        enabled,
        families: vec![family],
        wan,
        ttl,
        shared_line,
        notes: std::mem::take(notes),
    });
    Ok(())
}

fn target<'p>(old: &mut Old<'_>, find: Find<'p>) -> Result<Target<'p>, String> {
    if let Some(name) = old.take("service_name").filter(|name| name != "-") {
        return by_name(old, &name, find);
    }
    if old.peek("update_url").is_some() {
        return by_url(old, find);
    }
    Err(match old.peek("update_script") {
        Some(_) => "it is done by a script of yours (update_script), and reachd runs none".into(),
        None => "it has neither service_name nor update_url".into(),
    })
}

fn by_name<'p>(old: &mut Old<'_>, name: &str, find: Find<'p>) -> Result<Target<'p>, String> {
    let no_provider = |id: &str| format!("reachd has no provider '{id}' for {name}");
    let script = SCRIPTS.iter().find(|(known, ..)| *known == name);
    // Two names of one service.
    let site = if name == "dyndns.org" { "dyn.com" } else { name };
    let table = services::table().find(|service| service.site == site);
    let (id, form) = match (script, table) {
        _ if SCRIPTS_ALONE.contains(&name) => {
            return Err(format!("{name} is done by a script, and reachd has no provider for it"));
        }
        (Some((_, id, form)), _) => (*id, *form),
        (None, Some(service)) => {
            let form = match &service.url[..] {
                url if url.contains("{host}") => Form::UserIsHost,
                url if url.contains("{id}") => Form::DomainIsId,
                _ => Form::Plain,
            };
            (service.id, form)
        }
        (None, None) => return by_file(old, name, find),
    };
    let provider = find(id).ok_or_else(|| no_provider(id))?;
    let mut target = Target { provider, fqdn: String::new(), lines: Vec::new(), notes: Vec::new() };
    let zone = place(old, form, &mut target)?;
    credentials(old, name, form, zone, &mut target);
    Ok(target)
}

/// Finds the name, and the zone where it is told.
fn place(old: &mut Old<'_>, form: Form, target: &mut Target<'_>) -> Result<Option<String>, String> {
    let lookup = old.peek("lookup_host");
    let domain = old.peek("domain");
    let (fqdn, zone) = match (form, domain.as_deref()) {
        (Form::At, Some(text)) if text.contains('@') => {
            let (host, zone) = text.split_once('@').unwrap_or_default();
            let host = host.trim_end_matches('.');
            let fqdn = if host.is_empty() { zone.into() } else { [host, ".", zone].concat() };
            (Some(fqdn), Some(zone.to_string()))
        }
        (Form::UserIsHost, Some(zone)) => {
            let fqdn = match old.take("username") {
                Some(host) if host != "@" => [&host, ".", zone].concat(),
                _ => zone.into(),
            };
            (Some(fqdn), Some(zone.to_string()))
        }
        (Form::DomainIsId, _) => (lookup.clone(), None),
        (_, Some(name)) if name.contains('.') => (Some(name.into()), None),
        _ => (lookup.clone(), None),
    };
    let fqdn = fqdn.ok_or("it does not say which name it is for (domain, lookup_host)")?;
    target.fqdn =
        value::domain(&fqdn, true).map_err(|why| ["the name it is for ", &why].concat())?;
    if !target.provider.local && !target.fqdn.contains('.') {
        return Err(["the name it is for has no dot: ", &target.fqdn].concat());
    }
    if form != Form::DomainIsId {
        old.used.push("domain");
    }
    if lookup.is_some_and(|lookup| lookup.eq_ignore_ascii_case(&target.fqdn)) {
        old.used.push("lookup_host");
    }
    Ok(zone)
}

/// Fills in what the provider asks for, from what ddns-scripts calls username and password.
fn credentials(
    old: &mut Old<'_>,
    name: &str,
    form: Form,
    zone: Option<String>,
    target: &mut Target<'_>,
) {
    let provider = target.provider;
    let has = |option: &str| provider.options.iter().any(|doc| doc.name == option);
    match name {
        "bind-nsupdate" => {
            // ALGORITHM:NAME, as nsupdate takes it.
            let user = old.take("username").unwrap_or_default();
            let (algorithm, key) = match user.split_once(':') {
                Some((algorithm, key)) => (Some(algorithm.to_string()), key.to_string()),
                None => (None, user),
            };
            target.put("server", old.take("dns_server"));
            let guess = target.fqdn.split_once('.').map(|(_, zone)| zone.to_string());
            target.put("zone", guess);
            target.put("key_name", Some(key).filter(|key| !key.is_empty()));
            if algorithm.is_some() {
                target.put("key_algorithm", algorithm);
            }
            target.put("key_secret", old.take("password"));
            target.notes.push("check: option zone was guessed from the name".into());
            return;
        }
        "cloudflare.com-v4" if old.peek("username").is_some_and(|user| user != "Bearer") => {
            old.used.extend(["username", "password"]);
            target.put("token", None);
            target.notes.push(
                "not carried over: e-mail and global key; make an API token with Zone:Read and \
                 DNS:Edit instead"
                    .into(),
            );
            if let Some(zone) = zone {
                target.lines.push(("option", "zone", zone));
            }
            return;
        }
        "cloudflare.com-v4" => {
            old.take("username");
            let params = old.peek("param_opt").unwrap_or_default();
            for pair in params.split_whitespace() {
                match pair.split_once('=') {
                    Some(("zone_id", id)) => target.put("zone_id", Some(id.into())),
                    _ => target.notes.push(
                        "not carried over: a part of param_opt; records are found by their names"
                            .into(),
                    ),
                }
            }
            old.used.push("param_opt");
        }
        "dnspod.cn" => {
            let both = (old.peek("username"), old.peek("password"));
            let secrets = provider.options.iter().filter(|doc| doc.kind == Kind::Secret);
            let secrets: Vec<&str> = secrets.map(|doc| doc.name).collect();
            // ID,TOKEN in one, as the API itself takes it.
            if let ((Some(id), Some(token)), [one]) = (both, &secrets[..])
                && !provider.options.iter().any(|doc| doc.required && doc.kind == Kind::Text)
            {
                old.used.extend(["username", "password"]);
                target.put(one, Some([&id, ",", &token].concat()));
                if let (Some(zone), true) = (zone, has("zone")) {
                    target.put("zone", Some(zone));
                }
                return;
            }
        }
        "pdns" => target.put("url", old.take("param_opt")),
        _ => {}
    }
    // Two credentials are user and password in this order; one alone is the password.
    let given = |name: &str| matches!(name, "zone" | "url" | "server" | "id");
    let asked: Vec<&str> = provider
        .options
        .iter()
        .filter(|doc| doc.required && !given(doc.name))
        .map(|doc| doc.name)
        .collect();
    match &asked[..] {
        [] => {}
        [one] => target.put(one, old.take("password")),
        [user, password, ..] => {
            target.put(user, old.take("username"));
            target.put(password, old.take("password"));
        }
    }
    if form == Form::DomainIsId && has("id") {
        target.put("id", old.take("domain"));
    } else if form == Form::DomainIsId && has("zone_id") {
        target.put("zone_id", old.take("domain"));
    }
    let needs_zone = provider.options.iter().any(|doc| doc.name == "zone" && doc.required);
    if has("zone") && (needs_zone || zone.is_some()) {
        target.put("zone", zone);
    }
}

/// A service that only the router's own files know.
fn by_file<'p>(old: &mut Old<'_>, name: &str, find: Find<'p>) -> Result<Target<'p>, String> {
    let provider = find("openwrt").ok_or("the provider 'openwrt' is not there")?;
    let mut target = Target { provider, fqdn: String::new(), lines: Vec::new(), notes: Vec::new() };
    let said = old.peek("domain");
    place(old, Form::Plain, &mut target)?;
    target.lines.push(("option", "service", name.into()));
    for option in ["username", "password", "param_enc", "param_opt"] {
        if let Some(value) = old.take(option) {
            target.lines.push(("option", option, value));
        }
    }
    if let Some(said) = said.filter(|said| !said.eq_ignore_ascii_case(&target.fqdn)) {
        target.lines.push(("option", "domain", said));
    }
    target.notes.push(
        "read from the files of ddns-scripts, which must stay installed; if its file does not \
         say how success is told, set option answer"
            .into(),
    );
    Ok(target)
}

/// An URL of the owner's own.
fn by_url<'p>(old: &mut Old<'_>, find: Find<'p>) -> Result<Target<'p>, String> {
    let provider = find("custom").ok_or("the provider 'custom' is not there")?;
    let mut target = Target { provider, fqdn: String::new(), lines: Vec::new(), notes: Vec::new() };
    let said = old.peek("domain");
    place(old, Form::Plain, &mut target)?;
    let mut text = old.take("update_url").unwrap_or_default();
    let own_domain = said.filter(|said| !said.eq_ignore_ascii_case(&target.fqdn));
    for (theirs, ours) in [
        ("[USERNAME]", "{user}"),
        ("[PASSWORD]", "{password}"),
        ("[DOMAIN]", own_domain.as_deref().unwrap_or("{fqdn}")),
        ("[IP]", "{ip}"),
    ] {
        text = text.replace(theirs, ours);
    }
    for (theirs, option) in [("[PARAMENC]", "param_enc"), ("[PARAMOPT]", "param_opt")] {
        if text.contains(theirs) {
            let value = old.take(option).unwrap_or_default();
            let value = if option == "param_enc" { providers::percent(&value) } else { value };
            text = text.replace(theirs, &value);
        }
    }
    if !text.contains("://") {
        return Err("its update URL is none".into());
    }
    let https = old.is_set("use_https", false);
    let host = text.find("://").map_or(0, |at| at + 3);
    let end =
        text.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(text.len(), |at| host + at);
    let login = text.get(host..end).and_then(|authority| authority.rfind('@'));
    let login = login.and_then(|at| text.get(host..host + at)).map(str::to_string);
    if let Some(login) = &login {
        text.replace_range(host..=host + login.len(), "");
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        for (option, theirs, placeholder) in
            [("username", user, "{user}"), ("password", password, "{password}")]
        {
            let value = if theirs == placeholder { old.take(option) } else { Some(theirs.into()) };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                target.lines.push(("option", option, value));
            }
        }
        target.lines.push(("list", "header", "Authorization: Basic {basic}".into()));
    } else {
        for (option, placeholder) in [("username", "{user}"), ("password", "{password}")] {
            if text.contains(placeholder)
                && let Some(value) = old.take(option)
            {
                target.lines.push(("option", option, value));
            }
        }
    }
    // What is to be filled in must be there.
    for (option, needed) in [
        ("username", login.is_some() || text.contains("{user}")),
        ("password", text.contains("{password}")),
    ] {
        if needed && !target.lines.iter().any(|line| line.1 == option) {
            target.put(option, None);
        }
    }
    if let (Some(rest), true) = (text.strip_prefix("http://"), https) {
        text = ["https://", rest].concat();
    }
    if text.starts_with("http://") {
        target.lines.push(("option", "allow_http", "1".into()));
        target.notes.push("check: this is not encrypted; try https:// in url".into());
    }
    if let Some(word) = words(&text).find(|word| !FILLED.contains(word)) {
        return Err(["its update URL holds {", word, "}, which means something else here"].concat());
    }
    let probe = text.replace(['{', '}'], "");
    url(&probe).map_err(|why| ["its update URL ", &why].concat())?;
    target.lines.insert(0, ("option", "url", text));
    if let Some(Opt { value: Value::List(tests), .. }) = old.section.option("success") {
        for test in tests {
            let test = String::from_utf8_lossy(&test.bytes).into_owned();
            target.lines.push(("list", "success", test));
        }
        old.used.push("success");
        return Ok(target);
    }
    target.lines.push(("list", "success", "status 200".into()));
    target.notes.push(
        "to do: ddns-scripts took any answer for a success, and so does this; set option success \
         to what the service says, see reachd providers custom"
            .into(),
    );
    Ok(target)
}

#[cfg(test)]
#[path = "import_ddns_tests.rs"]
pub(super) mod tests;
