//! `config account`: credentials for one provider, checked against the provider's option table.

use super::part::Part;
use super::{Files, value};
use crate::model::account::{Account, Setting};
use crate::model::secret::Secret;
use crate::parse::uci::{Opt, Section, Value, quoted};
use crate::providers::services::owners_test;
use crate::providers::template::{FILLED, words};
use crate::providers::{Kind, OptionDoc, Provider};
use std::collections::BTreeMap;

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

    let mut names: Vec<String> = COMMON.iter().map(|name| (*name).to_owned()).collect();
    for doc in provider.options {
        names.push(doc.name.into());
        if doc.kind == Kind::Secret {
            names.push(file_option(doc.name));
        }
    }
    part.only(&names.iter().map(String::as_str).collect::<Vec<_>>());

    let allow_http = part.boolean("allow_http", false);
    let mut options = BTreeMap::new();
    for doc in provider.options {
        let setting = match doc.kind {
            Kind::Secret => secret(part, provider, doc, mode, files).map(Setting::Secret),
            Kind::List | Kind::Tests => list(part, provider, doc).map(Setting::List),
            _ => plain(part, provider, doc, allow_http).map(Setting::Text),
        };
        options.extend(setting.map(|setting| (doc.name.to_owned(), setting)));
    }
    let mut account = Account {
        id,
        provider: provider.id.into(),
        options,
        fingerprint: 0,
        wan: part.network("wan"),
        ca_file: part.path("ca_file"),
        allow_http,
    };
    account.fingerprint = fingerprint(&account);
    (known, Some(account))
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
fn fingerprint(account: &Account) -> u64 {
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
fn list(part: &mut Part, provider: &Provider, doc: &OptionDoc) -> Option<Vec<String>> {
    if part.section.option(doc.name).is_none() {
        if doc.required {
            part.missing(doc.name, needed(provider, doc, ""));
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
fn plain(
    part: &mut Part,
    provider: &Provider,
    doc: &OptionDoc,
    allow_http: bool,
) -> Option<String> {
    if part.section.option(doc.name).is_none() {
        if doc.default.is_none() && doc.required {
            part.missing(doc.name, needed(provider, doc, ""));
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
                match words(text).find(|word| !FILLED.contains(word)) {
                    Some(word) if doc.kind == Kind::Template => {
                        Err(["{", word, "} is not filled in", &value::hint(word, FILLED)].concat())
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

fn needed(provider: &Provider, doc: &OptionDoc, or: &str) -> String {
    let help = if doc.help.is_empty() { "" } else { ": " };
    ["is missing", or, "; provider '", provider.id, "' needs it", help, doc.help].concat()
}

/// A secret, from the config itself or from the file that `NAME_file` names.
fn secret(
    part: &mut Part,
    provider: &Provider,
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
                part.missing(doc.name, needed(provider, doc, &or));
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
