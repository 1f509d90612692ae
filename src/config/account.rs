//! `config account`: credentials for one provider, checked against the provider's option table.

use super::part::Part;
use super::{Files, value};
use crate::model::account::{Account, Setting};
use crate::model::map::Map;
use crate::model::secret::Secret;
use crate::parse::uci::{Opt, Section, Value, quoted};
use crate::providers::services::owners_test;
use crate::providers::template::{FILLED, words};
use crate::providers::{Kind, OptionDoc, Provider};

/// What names need to know of an account section, also of one with errors.
pub(super) struct Seen<'p> {
    pub id: String,
    pub enabled: bool,
    /// `None`: missing or unknown, which was complained of.
    pub provider: Option<&'p Provider>,
}

/// Options of every account, whatever its provider.
const COMMON: [&str; 5] = ["enabled", "provider", "wan", "ca_file", "allow_http"];

/// Anyone may read the file (S_IROTH).
const WORLD_READABLE: u32 = 0o004;

/// No account: it is disabled, or there were errors. A disabled one is not looked at further, so
/// that it may be kept half filled in.
pub(super) fn read<'t>(
    part: &mut Part,
    providers: &'t [Provider],
    mode: u32,
    files: Files,
) -> (Seen<'t>, Option<Account>) {
    let id = part.section.name.clone().unwrap_or_default();
    let enabled = part.boolean("enabled", true);
    let mut known = Seen { id: id.clone(), enabled, provider: None };
    if !enabled {
        return (known, None);
    }
    if id.is_empty() {
        part.error(
            part.section.line,
            None,
            "needs a name, for names to refer to: config account 'cf'",
        );
    }
    let provider = provider(part, providers);
    let Some(provider) = provider else {
        return (known, None);
    };
    known.provider = Some(provider);
    let who = ["provider '", provider.id, "'"].concat();
    let wanted = Wanted { who, docs: provider.options, common: &COMMON, filled: FILLED };
    let mut account = settings(part, &wanted, mode, files);
    account.id = id;
    account.provider = provider.id.into();
    account.fingerprint = fingerprint(&account);
    (known, Some(account))
}

/// What a section may hold.
pub(super) struct Wanted<'a> {
    /// Who wants it, for messages: `provider 'x'`.
    pub who: String,
    pub docs: &'a [OptionDoc],
    /// Options beside the documented ones.
    pub common: &'a [&'a str],
    /// Placeholders that get a value.
    pub filled: &'a [&'a str],
}

/// The options of a section that says how to reach a service; id and provider are left empty.
pub(super) fn settings(part: &mut Part, wanted: &Wanted, mode: u32, files: Files) -> Account {
    let mut names: Vec<String> = wanted.common.iter().map(|name| (*name).to_owned()).collect();
    for doc in wanted.docs {
        names.push(doc.name.into());
        if doc.kind == Kind::Secret {
            names.push(file_option(doc.name));
        }
    }
    part.only(&names.iter().map(String::as_str).collect::<Vec<_>>());

    let allow_http = part.boolean("allow_http", false);
    let mut options = Map::new();
    for doc in wanted.docs {
        let setting = match doc.kind {
            Kind::Secret => secret(part, wanted, doc, mode, files).map(Setting::Secret),
            Kind::List | Kind::Tests => list(part, wanted, doc).map(Setting::List),
            _ => plain(part, wanted, doc, allow_http).map(Setting::Text),
        };
        options.extend(setting.map(|setting| (doc.name.to_owned(), setting)));
        together(part, wanted, doc);
    }
    Account {
        id: String::new(),
        provider: String::new(),
        options,
        fingerprint: 0,
        wan: part.network("wan"),
        ca_file: part.path("ca_file"),
        allow_http,
    }
}

/// Options that need each other, or stand in for each other.
fn together(part: &mut Part, wanted: &Wanted, doc: &OptionDoc) {
    let section = part.section;
    let line = |name: &str| {
        let found = section.option(name).or_else(|| section.option(&file_option(name)));
        found.map(|option| option.line)
    };
    // What the owner's own texts have placeholders for must be there to be filled in.
    use crate::parse::uci;
    let own: &[&str] = if doc.kind == Kind::Template { &[doc.name, "body", "header"] } else { &[] };
    for name in own {
        let texts = match section.option(name).map(|option| &option.value) {
            Some(uci::Value::One(text)) => vec![text],
            Some(uci::Value::List(items)) => items.iter().map(|item| &item.bytes).collect(),
            None => Vec::new(),
        };
        let texts = texts.into_iter().filter_map(|text| std::str::from_utf8(text).ok());
        for word in texts.flat_map(words) {
            let needed = match word {
                "user" | "basic" => "username",
                "zone" | "host" => "zone",
                "password" => word,
                _ => continue,
            };
            if line(needed).is_none() {
                let text = ["holds {", word, "}: option '", needed, "' is needed for that"];
                part.error(part.line_of(name), Some(name), text.concat());
            }
        }
    }
    match line(doc.name) {
        Some(here) if !doc.with.is_empty() && line(doc.with).is_none() => {
            let text = ["says nothing alone: option '", doc.with, "' is needed beside it"];
            part.error(here, Some(doc.name), text.concat());
        }
        // Told once, of whichever comes last.
        Some(here) if line(doc.instead).is_some_and(|there| there < here) => {
            let text = ["is given beside option '", doc.instead, "': keep one of the two"];
            part.error(here, Some(doc.name), text.concat());
        }
        None if doc.name < doc.instead && line(doc.instead).is_none() => {
            let or = [", and so is '", doc.instead, "'"].concat();
            part.missing(doc.name, needed(wanted, doc, &or));
        }
        _ => {}
    }
}

/// An option of an account that is known to hold no secret. One that is not known at all may be a
/// secret with its name mistyped; a `NAME_file` that is no path may be the secret itself.
pub(super) fn may_show(providers: &[Provider], section: &Section, option: &Opt) -> bool {
    if COMMON.contains(&option.name.as_str()) {
        return true;
    }
    let id = match section.option("provider").map(|option| &option.value) {
        Some(Value::One(id)) => id.as_slice(),
        _ => return false,
    };
    let provider = providers.iter().find(|provider| provider.id.as_bytes() == id);
    provider.is_some_and(|provider| {
        provider.options.iter().any(|doc| match doc.kind {
            Kind::Secret => {
                file_option(doc.name) == option.name
                    && matches!(&option.value, Value::One(path) if path.starts_with(b"/"))
            }
            _ => doc.name == option.name,
        })
    })
}

/// The provider that the section names.
fn provider<'t>(part: &mut Part, providers: &'t [Provider]) -> Option<&'t Provider> {
    if part.section.option("provider").is_none() {
        let text = "is missing: who holds the records? One of those that reachd providers lists";
        part.missing("provider", text);
        return None;
    }
    let id = part.text("provider")?;
    let found = providers.iter().find(|provider| provider.id == id);
    if found.is_none() {
        let ids: Vec<&str> = providers.iter().map(|provider| provider.id).collect();
        let shown = quoted(id.as_bytes());
        let text = match value::near(id, &ids) {
            Some(near) => [&shown, " is not known here; did you mean '", near, "'?"].concat(),
            None => [&shown, " is not known here: see reachd providers, or take 'custom'"].concat(),
        };
        part.error(part.line_of("provider"), Some("provider"), text);
    }
    found
}

fn file_option(name: &str) -> String {
    [name, "_file"].concat()
}

/// Everything that decides what a request looks like and where it goes. A secret counts by its
/// text, not by where it is kept.
pub(super) fn fingerprint(account: &Account) -> u64 {
    let mut parts = vec![
        account.provider.as_str(),
        account.wan.as_deref().unwrap_or(""),
        account.ca_file.as_deref().unwrap_or(""),
        if account.allow_http { "1" } else { "0" },
    ];
    for (name, setting) in &account.options {
        parts.push(name);
        match setting {
            Setting::Text(text) => parts.push(text),
            Setting::Secret(secret) => parts.push(secret.expose()),
            Setting::List(items) => parts.extend(items.iter().map(String::as_str)),
        }
    }
    value::fingerprint(&parts)
}

/// Several texts, of which none is cut at blanks.
fn list(part: &mut Part, wanted: &Wanted, doc: &OptionDoc) -> Option<Vec<String>> {
    if part.section.option(doc.name).is_none() {
        if doc.required {
            part.missing(doc.name, needed(wanted, doc, ""));
        }
        return None;
    }
    let items = part.items(doc.name);
    for text in items.iter().filter(|_| doc.kind == Kind::Tests) {
        if let Err(why) = owners_test(text) {
            part.error(part.line_of(doc.name), Some(doc.name), why);
        }
    }
    Some(items.into_iter().map(str::to_owned).collect())
}

/// An option that is not a secret, in the form providers get it.
fn plain(part: &mut Part, wanted: &Wanted, doc: &OptionDoc, allow_http: bool) -> Option<String> {
    if part.section.option(doc.name).is_none() {
        if doc.default.is_none() && doc.required {
            part.missing(doc.name, needed(wanted, doc, ""));
        }
        return doc.default.map(str::to_owned);
    }
    let text = part.text(doc.name)?;
    let checked = match doc.kind {
        Kind::Text | Kind::Secret | Kind::List | Kind::Tests => Ok(text.to_owned()),
        Kind::Path => value::path(text),
        Kind::Domain => value::domain(text, false),
        Kind::HostPort => value::host_port(text).map(|_| text.to_owned()),
        Kind::OneOf(words) => value::word(text, words).map(|_| text.to_owned()),
        Kind::Url | Kind::Template => match value::url(&without_braces(text, doc.kind)) {
            Ok(url) if !url.secure && !allow_http => {
                Err("would send everything, the secret too, in the clear: use https://, or set \
                     option allow_http '1' in a lab"
                    .into())
            }
            Ok(url) => {
                if !url.secure {
                    let text = "is not encrypted: anyone on the way can read the secret";
                    part.warning(part.line_of(doc.name), Some(doc.name), text);
                }
                // What has no value here never gets one.
                match words(text).find(|word| !wanted.filled.contains(word)) {
                    Some(word) if doc.kind == Kind::Template => {
                        Err(["{", word, "} is not filled in", &value::hint(word, wanted.filled)]
                            .concat())
                    }
                    _ => Ok(text.to_owned()),
                }
            }
            Err(text) => Err(text),
        },
    };
    part.take(doc.name, checked)
}

/// A template as the URL it could become.
fn without_braces(text: &str, kind: Kind) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while kind == Kind::Template
        && let Some((before, tail)) = rest.split_once('{')
        && let Some((_, after)) = tail.split_once('}')
    {
        out.push_str(before);
        out.push('x');
        rest = after;
    }
    out.push_str(rest);
    out
}

fn needed(wanted: &Wanted, doc: &OptionDoc, or: &str) -> String {
    let help = if doc.help.is_empty() { "" } else { ": " };
    ["is missing", or, "; ", &wanted.who, " needs it", help, doc.help].concat()
}

/// A secret, from the config itself or from the file that `NAME_file` names.
fn secret(
    part: &mut Part,
    wanted: &Wanted,
    doc: &OptionDoc,
    mode: u32,
    files: Files,
) -> Option<Secret> {
    let by_file = file_option(doc.name);
    match (part.section.option(doc.name), part.section.option(&by_file)) {
        (Some(_), Some(file)) => {
            let line = file.line;
            let text = ["is given beside option '", doc.name, "': keep one of the two"];
            part.error(line, Some(&by_file), text.concat());
            None
        }
        (Some(inline), None) => {
            let line = inline.line;
            let text = part.text(doc.name)?;
            if mode & WORLD_READABLE != 0 {
                let path = part.complaints.file;
                part.warning(line, Some(doc.name), readable(path));
            }
            Some(Secret::new(text))
        }
        (None, Some(file)) => {
            let line = file.line;
            let path = part.path(&by_file)?;
            match from_file(&path, files) {
                Ok((secret, mode)) => {
                    if mode & WORLD_READABLE != 0 {
                        part.warning(line, Some(&by_file), readable(&path));
                    }
                    Some(secret)
                }
                Err(text) => {
                    part.error(line, Some(&by_file), text);
                    None
                }
            }
        }
        (None, None) => {
            if doc.required {
                let or = [", and so is '", &by_file, "'"].concat();
                part.missing(doc.name, needed(wanted, doc, &or));
            }
            doc.default.map(Secret::new)
        }
    }
}

fn readable(path: &str) -> String {
    ["anyone on this machine can read it: chmod 600 ", path].concat()
}

/// The first line of a file, without blanks around it, and the file's mode. The complaints do not
/// show the path: an owner who mixed up the two options wrote the secret itself there.
fn from_file(path: &str, files: Files) -> Result<(Secret, u32), String> {
    let file = files(path).map_err(|why| {
        ["could not read this file: ", &why, "; put the secret there as its first line"].concat()
    })?;
    let line = file.bytes.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
    match std::str::from_utf8(line) {
        Ok("") => Err("the first line of this file is empty: put the secret there".into()),
        Ok(text) if !text.contains(char::is_control) => Ok((Secret::new(text), file.mode)),
        _ => {
            Err("the first line of this file is not plain text: put the secret alone there".into())
        }
    }
}

#[cfg(test)]
mod tests {
    /// With the real providers: what an account needs beside what, and which TTLs there are.
    #[test]
    fn what_goes_together() {
        let said = |account: &str, name: &str| -> Vec<String> {
            let text = format!(
                "config account 'a'\n{account}\nconfig name 'n'\noption fqdn 'n.example.org'\n\
                 option account 'a'\n{name}\n"
            );
            let (_, complaints) =
                crate::config::read("f", text.as_bytes(), 0o600, &mut |_| Err("no file".into()));
            complaints.iter().map(ToString::to_string).collect()
        };
        let dns = "option provider 'rfc2136'\noption server 'ns'\noption zone 'example.org'\n";
        let login = "option provider 'dyndns2'\noption username 'u'\noption password 'p'\n";
        let hetzner = "option provider 'hetzner'\noption token 't'";
        let custom = "option provider 'custom'\noption url 'https://a/{fqdn}'\n\
                      list header 'Authorization: Basic {basic}'\nlist success 'line OK'";
        let duckdns = "option provider 'duckdns'\noption token 't'";
        for (account, name, text) in [
            (
                [dns, "option key_name 'k'"].concat(),
                "",
                "f:5: section 'a', option 'key_name': says nothing alone: option 'key_secret' is \
                 needed beside it",
            ),
            (
                [dns, "option key_secret 'k'"].concat(),
                "",
                "f:5: section 'a', option 'key_secret': says nothing alone: option 'key_name' is \
                 needed beside it",
            ),
            (
                login.into(),
                "",
                "f:1: section 'a', option 'server': is missing, and so is 'url'; provider 'dyndns2' \
                 needs it: the server; it is asked at /nic/update",
            ),
            (
                [login, "option url 'https://a/b'\noption server 'a'"].concat(),
                "",
                "f:6: section 'a', option 'server': is given beside option 'url': keep one of the two",
            ),
            (
                custom.into(),
                "",
                "f:4: section 'a', option 'header': holds {basic}: option 'username' is needed \
                 for that",
            ),
            (
                hetzner.into(),
                "option ttl '30'",
                "f:7: section 'n', option 'ttl': must be a whole number of seconds that provider \
                 'hetzner' takes, from 60 to 604800, not '30'",
            ),
            (
                duckdns.into(),
                "option ttl '60'",
                "f:7: section 'n', option 'ttl': has no effect: provider 'duckdns' is told no TTL",
            ),
        ] {
            assert_eq!(said(&account, name), [text]);
        }
        for (account, name) in [
            ([dns, "option key_name 'k'\noption key_secret 'k'"].concat(), "option ttl '60'"),
            (dns.into(), ""),
            ([login, "option url 'https://a/b'"].concat(), ""),
            (hetzner.into(), "option ttl '60'"),
            ([custom, "\noption username 'me'"].concat(), ""),
        ] {
            assert_eq!(said(&account, name), [""; 0]);
        }
    }
}
