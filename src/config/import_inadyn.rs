//! `inadyn.conf` as a config of ours: its sections are put into the words of ddns-scripts, and go
//! on as those do (see [`import_ddns`](super::import_ddns)), with the same promise: what is not
//! carried over is told. Pure.
//!
//! The format is libconfuse's: `NAME = VALUE`, `NAME = { VALUE, ... }`, `include(FILE)` and
//! `provider TITLE { ... }`, in as many lines as you like. A value is a bare word, 'single' or
//! "double" quoted; `#`, `//` and `/* */` are comments. Files that it includes are not read, and
//! `${...}` is left as it is: both are told. Older than 2.0 is another format, and refused.

use super::import_ddns::{Old, UNKNOWN, service};
use super::imported::New;
use crate::parse::uci::{Item, Opt, Section, Value, quoted};
use crate::providers;
use std::mem;

/// Services by inadyn's names, where ddns-scripts calls them otherwise.
const NAMES: &[(&str, &str)] = &[
    ("cloudflare.com", "cloudflare.com-v4"),
    ("dnspod.cn", "dnspod.cn"),
    ("domene.shop", "domeneshop.no"),
    ("dyndns.org", "dyn.com"),
    ("freedns.afraid.org", "afraid.org-v2-basic"),
    ("inwx.com", "inwx.de"),
    ("ipv4.dynv6.com", "dynv6.com"),
    ("loopia.com", "loopia.se"),
    ("noip.com", "no-ip.com"),
    ("porkbun.com", "porkbun.com-v3"),
];

/// Where inadyn takes the token from username, and sends no password.
const TOKEN_IS_USER: &[&str] = &["duckdns.org", "dynv6.com", "ipv64.net", "regfish.de"];

/// Of Namecheap, which many have as `custom`.
const NAMECHEAP: &str = "dynamicdns.park-your-domain.com";

/// What inadyn takes for a success of a `custom` service that is told nothing else.
const SUCCESS: &[&str] = &["OK", "good", "true", "updated", "success", "nochg"];

/// Options of a section that are always used, and those of `custom`.
const DONE: &[&str] = &["hostname", "alias", "username", "password", "iface", "ttl"];
const DONE_IN_CUSTOM: &[&str] =
    &["ddns-server", "ddns-path", "append-myip", "ddns-response", "ssl"];

/// Why an option of inadyn has nothing here that it could become.
pub(super) fn reason(option: &str) -> &'static str {
    match option {
        "period" | "iterations" => "reachd acts when the address changes, and does not poll",
        "forced-update" | "fake-address" => "nothing is sent while nothing changed",
        "verify-address" => {
            "what the Internet cannot reach is not published, unless option shared_line says so"
        }
        "secure-ssl" => "certificates are always verified",
        "broken-rtc" => "reachd waits until the clock is right",
        "ssl" => "reachd always uses https",
        "user-agent" => "reachd says who it is",
        "checkip-server" | "checkip-path" | "checkip-ssl" => "see config lookup for who is asked",
        "checkip-command" => "reachd runs no scripts",
        "wildcard" => "wildcards stay as they are at your service",
        "proxied" => "records keep the setting they have",
        "include" => "put here what is in that file, and import again",
        "cache-dir" => "see option journal",
        _ => UNKNOWN,
    }
}

/// Reads the old config. The new one passes `check-config`, though perhaps with warnings. The error
/// names the line.
pub fn import(text: &[u8]) -> Result<String, String> {
    let mut reader = Reader { text, at: 0, line: 1, word: Vec::new() };
    let mut global = section("", "");
    let mut sections = Vec::new();
    reader.read(&mut global, Some(&mut sections))?;

    let find = &|id: &str| providers::find(id);
    let mut new = New::default();
    let mut old = Old::new(&global);
    let all = All {
        iface: old.take("iface"),
        v6: old.is_set("allow-ipv6", false),
        ca_file: old.take("ca-trust-file"),
    };
    told(&global, &mut new.notes);
    old.rest(&mut new.notes);
    if all.v6 {
        new.notes.push(
            "check: allow-ipv6 was set; what should have an AAAA record too needs list family 'ipv6'"
                .into(),
        );
    }
    for theirs in &sections {
        let title = theirs.name.as_deref().unwrap_or_default();
        let said = [&theirs.kind, " ", &quoted(title.as_bytes())].concat();
        let mut hosts = values(theirs, "hostname");
        hosts.extend(values(theirs, "alias"));
        if hosts.is_empty() {
            new.notes.push(["not carried over: ", &said, ": it has no hostname"].concat());
        }
        for (count, host) in hosts.iter().enumerate() {
            let mut notes = vec![["was ", &said].concat()];
            // Namecheap's '@' makes no name of a section.
            let id = if host == "@" { title } else { host };
            let made = translated(theirs, title, host, count == 0, &all, &mut notes);
            let done = match &made {
                Ok(made) => service(&mut Old::new(made), id, find, false, &mut new, &mut notes),
                Err(why) => Err(why.clone()),
            };
            if let Err(why) = done {
                let host = quoted(host.as_bytes());
                new.notes
                    .push(["not carried over: ", &said, ", hostname ", &host, ": ", &why].concat());
            }
        }
    }
    Ok(new.text("inadyn", "import-inadyn"))
}

/// What is said for all.
struct All {
    iface: Option<String>,
    v6: bool,
    ca_file: Option<String>,
}

/// One name of a section, as ddns-scripts would have it; with `rest` also what has no word there,
/// to be told of.
fn translated(
    theirs: &Section,
    title: &str,
    host: &str,
    rest: bool,
    all: &All,
    notes: &mut Vec<String>,
) -> Result<Section, String> {
    let old = Old::new(theirs);
    let custom = theirs.kind == "custom";
    let server = old.peek("ddns-server").unwrap_or_default();
    let (mut site, mut v6) = (NAMECHEAP_SITE, false);
    if !custom {
        (site, v6) = named(title, notes)?;
    }
    let namecheap = site == NAMECHEAP_SITE && (!custom || server == NAMECHEAP);
    if all.v6 && !v6 && old.peek("checkip-server").is_some_and(|server| server.contains('6')) {
        v6 = true;
        notes.push("check: taken for IPv6, as checkip-server looks like it".into());
    }
    let (user, password) = (old.peek("username"), old.peek("password"));
    let mut made = section("service", host);
    let mut put = |name: &str, value: &str| set(&mut made, name, Value::One(value.into()));
    put("enabled", if told(theirs, notes) { "0" } else { "1" });
    if v6 {
        put("use_ipv6", "1");
    }
    if let Some(file) = &all.ca_file {
        put("cacert", file);
    }

    let mut host = host.to_string();
    let (mut user, mut password) = (user, password);
    if namecheap {
        // username: the zone; hostname: the host in it.
        let zone = user.take().ok_or("it has no username, which is the domain at Namecheap")?;
        let inside = host.strip_suffix(&zone).map(|inside| inside.trim_end_matches('.'));
        user = Some(inside.filter(|inside| !inside.is_empty()).unwrap_or(&host).to_string());
        host = zone;
        put("service_name", site);
    } else if custom {
        put("update_url", &address(&old, &server)?);
    } else {
        put("service_name", site);
        match site {
            "cloudflare.com-v4" => {
                // username: the zone.
                if let Some(zone) = user.take_if(|user| !user.contains('@')) {
                    let inside = host.strip_suffix(&zone).ok_or(
                        "it is not a name in the zone that username says; write it by hand",
                    )?;
                    host = [inside.trim_end_matches('.'), "@", &zone].concat();
                }
            }
            "duckdns.org" if !host.contains('.') => host.push_str(".duckdns.org"),
            _ => {}
        }
        if TOKEN_IS_USER.contains(&site) {
            if rest && password.is_some() {
                notes.push("not carried over: password: this service is not sent any".into());
            }
            password = user.take();
        }
    }
    // Numbers, labels: what the record is called there is not said.
    if !host.contains('.') {
        return Err("it is not a whole name; write it by hand".into());
    }
    put("domain", &host);
    for (name, value) in [("username", user), ("password", password)] {
        if let Some(value) = value {
            put(name, &value);
        }
    }
    if old.peek("checkip-command").is_some() {
        put("ip_source", "checkip-command");
    } else if let Some(iface) = old.peek("iface").or(all.iface.clone()) {
        put("ip_source", "interface");
        put("ip_interface", &iface);
        if rest {
            notes.push(
                "check: inadyn took any address of that interface; reachd publishes what the \
                 Internet can reach, unless option shared_line says 'wan'"
                    .into(),
            );
        }
    } else {
        put("ip_source", "web");
    }
    if let Some(ttl) = old.peek("ttl") {
        put("ttl", &ttl);
    }
    if custom && !namecheap {
        let own = values(theirs, "ddns-response");
        if own.is_empty() {
            notes.push(
                "check: success holds the words that inadyn takes for one; your service may say \
                 only some of them"
                    .into(),
            );
        }
        let mut tests = Vec::new();
        let usual = if own.is_empty() { SUCCESS } else { &[] };
        for word in own.iter().map(|word| &word[..]).chain(usual.iter().copied()) {
            tests.push(Item { line: 0, bytes: ["text ", word].concat().into() });
        }
        set(&mut made, "success", Value::List(tests));
    }
    if rest {
        for option in &theirs.options {
            let name = &&option.name[..];
            let done = DONE.contains(name) || custom && DONE_IN_CUSTOM.contains(name);
            if !done {
                made.options.push(option.clone());
            }
        }
    }
    Ok(made)
}

const NAMECHEAP_SITE: &str = "namecheap.com";

/// ddns-scripts' name of a service, and whether it is for AAAA records. What is not a whole name
/// may be a part of one.
fn named(title: &str, notes: &mut Vec<String>) -> Result<(&'static str, bool), String> {
    let title = title.to_ascii_lowercase();
    let plain = title.split(':').next().unwrap_or_default();
    let (kind, wanted) = plain.rsplit_once('@').unwrap_or(("", plain));
    if kind.starts_with("ipv6") && wanted == "he.net" {
        return Ok(("tunnelbroker.net", false));
    }
    // Its plain name is the one for IPv6.
    let v6 = kind == "ipv6" || plain == "default@dynv6.com";
    for whole in [true, false] {
        let same = |known: &str| if whole { known == wanted } else { known.contains(wanted) };
        let one = NAMES.iter().find(|(theirs, _)| same(theirs)).map(|(_, ours)| *ours);
        let one =
            one.or_else(|| providers::all().iter().map(|one| one.about).find(|site| same(site)));
        let Some(site) = one.filter(|_| !wanted.is_empty()) else { continue };
        if !whole {
            notes.push(["check: taken for ", site].concat());
        }
        return Ok((site, v6));
    }
    Err("reachd does not know this service; see reachd providers, and custom there".into())
}

/// The URL of a `custom` service, with ddns-scripts' placeholders.
fn address(old: &Old<'_>, server: &str) -> Result<String, String> {
    if server.is_empty() {
        return Err("it has no ddns-server".into());
    }
    let text = |option: &str| old.peek(option).unwrap_or_default();
    let off = |option: &str| matches!(&text(option)[..], "false" | "no" | "off");
    let mut url = String::from(if off("ssl") { "http://" } else { "https://" });
    if old.peek("username").is_some() || old.peek("password").is_some() {
        url.push_str("[USERNAME]:[PASSWORD]@");
    }
    url.push_str(server);
    let path = text("ddns-path");
    if !path.starts_with('/') {
        url.push('/');
    }
    let mut placed = path.clone();
    for (theirs, ours) in [
        ("%%", "\0"),
        ("%u", "[USERNAME]"),
        ("%p", "[PASSWORD]"),
        ("%h", "[DOMAIN]"),
        ("%i", "[IP]"),
        ("\0", "%"),
    ] {
        placed = placed.replace(theirs, ours);
    }
    url.push_str(&placed);
    if !path.contains('%') {
        let append = matches!(&text("append-myip")[..], "true" | "yes" | "on");
        url.push_str(if append { "[IP]" } else { "[DOMAIN]" });
    }
    Ok(url)
}

/// Whether inadyn would have taken something from its environment, and what.
fn told(section: &Section, notes: &mut Vec<String>) -> bool {
    let before = notes.len();
    for option in &section.options {
        if values(section, &option.name).iter().any(|value| value.contains("${")) {
            let text = " holds ${...}, which was taken from the environment";
            notes.push(["to do: ", &option.name, text].concat());
        }
    }
    notes.len() > before
}

/// An option's values that are plain text, one or many.
fn values(section: &Section, option: &str) -> Vec<String> {
    let mut all = Vec::new();
    match section.option(option).map(|option| &option.value) {
        Some(Value::One(bytes)) => all.push(&bytes[..]),
        Some(Value::List(items)) => all.extend(items.iter().map(|item| &item.bytes[..])),
        None => {}
    }
    let text = all.into_iter().map(|bytes| String::from_utf8_lossy(bytes).trim().to_string());
    text.filter(|text| !text.is_empty() && !text.contains(char::is_control)).collect()
}

fn section(kind: &str, name: &str) -> Section {
    Section {
        kind: kind.into(),
        name: Some(name.into()),
        line: 0,
        again: None,
        options: Vec::new(),
    }
}

fn set(section: &mut Section, name: &str, value: Value) {
    section.options.retain(|option| option.name != name);
    section.options.push(Opt { name: name.into(), line: 0, replaced: None, value });
}

/// What [`Reader::token`] found: one of `= { } ( ) ,`, or one of these.
const WORD: u8 = b'"';
const END: u8 = 0;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    /// The last word.
    word: Vec<u8>,
}

impl Reader<'_> {
    /// Options up to the end of the section, or of the file; `sections` where some may stand.
    fn read(
        &mut self,
        into: &mut Section,
        mut sections: Option<&mut Vec<Section>>,
    ) -> Result<(), String> {
        let end = if sections.is_some() { END } else { b'}' };
        loop {
            match self.token()? {
                WORD => {}
                sign if sign == end => return Ok(()),
                END => return self.wrong("'}' is missing at the end of this section"),
                _ => return self.wrong("here the name of an option is missing"),
            }
            let name = String::from_utf8_lossy(&self.word).into_owned();
            let line = self.line;
            match (self.token()?, &mut sections) {
                (b'=', _) => {
                    let value = match self.token()? {
                        b'{' => Value::List(self.list(b'}')?),
                        WORD => Value::One(mem::take(&mut self.word)),
                        _ => return self.wrong("here a value is missing"),
                    };
                    set(into, &name, value);
                }
                (b'(', _) => {
                    // Each call counts, so there may be many of one name.
                    for Item { bytes, .. } in self.list(b')')? {
                        let value = Value::One(bytes);
                        into.options.push(Opt { name: name.clone(), line, replaced: None, value });
                    }
                }
                (WORD, Some(sections)) if matches!(&name[..], "provider" | "custom") => {
                    let title = String::from_utf8_lossy(&self.word).into_owned();
                    let mut inside = section(&name, &title);
                    if self.token()? != b'{' {
                        return self.wrong("here '{' is missing");
                    }
                    self.read(&mut inside, None)?;
                    sections.push(inside);
                }
                _ => {
                    self.line = line;
                    return self.wrong(
                        "this is not how inadyn 2 writes its config: NAME = VALUE, or \
                         provider NAME { ... }",
                    );
                }
            }
        }
    }

    /// Values with commas between, up to the closing sign.
    fn list(&mut self, end: u8) -> Result<Vec<Item>, String> {
        let mut all = Vec::new();
        loop {
            match self.token()? {
                WORD => all.push(Item { line: self.line, bytes: mem::take(&mut self.word) }),
                b',' => {}
                sign if sign == end => return Ok(all),
                _ => return self.wrong("this list has no end"),
            }
        }
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(["line ", &self.line.to_string(), ": ", what].concat())
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(END)
    }

    fn token(&mut self) -> Result<u8, String> {
        while self.at < self.text.len() {
            let byte = self.peek(0);
            let begin = self.at;
            match (byte, self.peek(1)) {
                (b'#', _) | (b'/', b'/') => {
                    self.skip(b'\n', END);
                    continue;
                }
                (b'/', b'*') => {
                    self.skip(b'*', b'/');
                    continue;
                }
                (b'"' | b'\'', _) => return self.quoted(byte),
                (b'=' | b'{' | b'}' | b'(' | b')' | b',', _) => {
                    self.at += 1;
                    return Ok(byte);
                }
                // From the environment: a word as it stands.
                (b'$', b'{') => self.skip(b'}', END),
                _ if self.in_word() => {
                    while self.in_word() {
                        self.at += 1;
                    }
                }
                // Blanks, and what stands for nothing.
                _ => {
                    self.line += u32::from(byte == b'\n');
                    self.at += 1;
                    continue;
                }
            }
            self.word = self.text.get(begin..self.at).unwrap_or_default().to_vec();
            return Ok(WORD);
        }
        Ok(END)
    }

    fn in_word(&self) -> bool {
        match self.peek(0) {
            b'/' => !matches!(self.peek(1), b'/' | b'*'),
            byte => !b" \t\r\n\0#\"'={}()+,*".contains(&byte),
        }
    }

    /// Past this sign, or these two, or to the end.
    fn skip(&mut self, sign: u8, then: u8) {
        self.at += 1;
        while self.at < self.text.len() {
            let found = self.peek(0) == sign && (then == END || self.peek(1) == then);
            self.line += u32::from(self.peek(0) == b'\n');
            self.at += 1;
            if found {
                self.at += usize::from(then != END);
                return;
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<u8, String> {
        let begin = self.line;
        self.word.clear();
        self.at += 1;
        while self.at < self.text.len() {
            let mut byte = self.peek(0);
            self.at += 1;
            self.line += u32::from(byte == b'\n');
            if byte == quote {
                return Ok(WORD);
            }
            if byte == b'\\' {
                byte = self.peek(0);
                self.at += 1;
                match byte {
                    b'\n' => {
                        self.line += 1;
                        continue;
                    }
                    b'\\' | b'\'' | b'"' => {}
                    // Single quotes know no other.
                    _ if quote == b'\'' => self.word.push(b'\\'),
                    b'0'..=b'9' | b'a'..=b'z' => {
                        return self.wrong("write this character itself instead of its code");
                    }
                    _ => {}
                }
            }
            self.word.push(byte);
        }
        self.line = begin;
        self.wrong("a quote opens here and is never closed")
    }
}

#[cfg(test)]
#[path = "import_inadyn_tests.rs"]
mod tests;
