//! Text with placeholders: `{fqdn}`, `{ip}`, `{password}` and the like, filled in and escaped for
//! the place where they stand. Which texts there are, and sending them, is left to others.
//!
//! - `{ip}`: the address, of whichever family the request is for; `{ipv4}`, `{ipv6}`: of this
//!   one; `{ips}`: both with a comma.
//! - `{fqdn}`: the name; `{names}`: all names of the request with commas; `{host}`: the name
//!   without its zone, `@` for the zone itself; `{zone}`.
//! - `{user}`: option username; `{basic}`: the value of HTTP Basic (RFC 7617); any other word: the
//!   option of that name.
//! - `{ipv6|preserve}`: what stands there without such an address.
//! - In our own table also `[&a={ipv4}]`: left out as a whole where `{ipv4}` has no value, and
//!   `[4|...]`, `[6|...]`: only in requests for that family.

use super::percent;
use crate::model::account::{Account, Setting};
use domain::utils::base64;
use std::net::IpAddr;

/// What an owner's text may hold.
pub const FILLED: &[&str] =
    &["fqdn", "host", "zone", "ip", "ipv4", "ipv6", "ips", "user", "password", "basic", "names"];

/// Where a text stands, and so how values in it are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A whole URL; also `application/x-www-form-urlencoded`.
    Url,
    /// The inside of JSON's quotes.
    Json,
    /// Headers and bodies of other kinds: as they are.
    Plain,
}

/// What a request is about.
pub struct Values<'a> {
    pub account: &'a Account,
    /// Not empty.
    pub names: &'a [&'a str],
    pub v4: Option<IpAddr>,
    pub v6: Option<IpAddr>,
}

/// The placeholders of a text, in their order, without what follows `|`.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| {
        let inner = rest.split_once('}')?.0;
        let word = inner.split('|').next().unwrap_or_default();
        is_word(word).then_some(word)
    })
}

/// Anything else in braces is no placeholder: JSON has braces of its own.
fn is_word(word: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !word.is_empty() && word.bytes().all(lower)
}

pub fn uses(text: &str, any: &[&str]) -> bool {
    words(text).any(|word| any.contains(&word))
}

/// Fills in a text; the error says what is missing, for the owner. `cut`: the text may hold
/// parts in square brackets.
pub fn fill(text: &str, place: Place, cut: bool, values: &Values<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while cut && let Some((before, tail)) = rest.split_once('[') {
        let Some((part, after)) = tail.split_once(']') else { break };
        whole(before, place, values, &mut out)?;
        let part = match (part.as_bytes(), values.v4, values.v6) {
            ([b'4', b'|', ..], Some(_), _) | ([b'6', b'|', ..], _, Some(_)) => part.get(2..),
            ([b'4' | b'6', b'|', ..], ..) => None,
            _ => Some(part),
        };
        let start = out.len();
        if part.is_some_and(|part| whole(part, place, values, &mut out).is_err()) {
            out.truncate(start);
        }
        rest = after;
    }
    whole(rest, place, values, &mut out)?;
    Ok(out)
}

fn whole(text: &str, place: Place, values: &Values<'_>, out: &mut String) -> Result<(), String> {
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('{') {
        out.push_str(before);
        let inner = tail.split_once('}');
        let split = |inner: &'_ str| match inner.split_once('|') {
            Some((word, unsaid)) => (word.to_string(), Some(unsaid.to_string())),
            None => (inner.to_string(), None),
        };
        match inner.map(|(inner, after)| (split(inner), after)) {
            Some(((word, unsaid), after)) if is_word(&word) => {
                match (values.get(&word), unsaid) {
                    (Some((value, safe)), _) => push(out, &value, place, safe),
                    (None, Some(unsaid)) => out.push_str(&unsaid),
                    (None, None) => return Err(missing(&word)),
                }
                rest = after;
            }
            _ => {
                out.push('{');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    Ok(())
}

fn push(out: &mut String, value: &str, place: Place, safe: bool) {
    match place {
        Place::Url if !safe => out.push_str(&percent(value)),
        Place::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
        }
        _ => out.push_str(value),
    }
}

fn missing(word: &str) -> String {
    match word {
        "ipv4" | "ipv6" => format!(
            "{{{word}}} has no value when only the other address changes: write \
             {{{word}|...}} with what the service takes for \"leave it\", or {{ip}}"
        ),
        "zone" | "host" => format!("{{{word}}} needs option zone"),
        "user" | "basic" => format!("{{{word}}} needs option username"),
        _ => format!("{{{word}}} needs option {word}"),
    }
}

impl Values<'_> {
    /// A value, and whether it consists of characters that are safe everywhere.
    fn get(&self, word: &str) -> Option<(String, bool)> {
        let text = |ip: IpAddr| ip.to_string();
        let name = self.names.first().copied().unwrap_or_default();
        let value = match word {
            "ip" => text(self.v4.or(self.v6)?),
            "ipv4" => text(self.v4?),
            "ipv6" => text(self.v6?),
            "ips" => match (self.v4, self.v6) {
                (Some(v4), Some(v6)) => [text(v4), text(v6)].join(","),
                (v4, v6) => text(v4.or(v6)?),
            },
            "fqdn" => name.into(),
            "names" => self.names.join(","),
            "zone" => self.account.text("zone")?.into(),
            "host" => host(name, self.account.text("zone")?)?.into(),
            "user" => return Some((option(self.account, "username")?.into(), false)),
            "basic" => {
                let user = option(self.account, "username")?;
                let password = option(self.account, "password").unwrap_or_default();
                return Some((base64::encode_string(&[user, ":", password].concat()), false));
            }
            other => return Some((option(self.account, other)?.into(), false)),
        };
        Some((value, true))
    }
}

fn option<'a>(account: &'a Account, name: &str) -> Option<&'a str> {
    account.text(name).or_else(|| account.secret(name).map(|secret| secret.expose()))
}

/// A name without its zone.
fn host<'a>(fqdn: &'a str, zone: &str) -> Option<&'a str> {
    if !super::in_zone(fqdn, zone) {
        return None;
    }
    let head = fqdn.get(..fqdn.len().checked_sub(zone.len())?)?;
    Some(head.strip_suffix('.').unwrap_or("@"))
}

/// Takes every secret of the account out of a text, however it is escaped there.
pub fn hush(text: &str, account: &Account) -> String {
    let mut forms = Vec::new();
    for setting in account.options.values() {
        let Setting::Secret(secret) = setting else { continue };
        let secret = secret.expose();
        let json = serde_json::Value::from(secret).to_string();
        let json = json.get(1..json.len() - 1).unwrap_or_default().to_string();
        forms.extend([secret.to_string(), percent(secret), json]);
    }
    // The longest first: one may be a part of another.
    forms.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
    let mut text = text.to_string();
    for form in forms.iter().filter(|form| !form.is_empty()) {
        if text.contains(form) {
            text = text.replace(form, "(secret)");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    fn filled(text: &str, place: Place, v4: &str, v6: &str) -> Result<String, String> {
        let account = fake::account(
            &super::super::custom::PROVIDER,
            &[
                ("username", "me@x"),
                ("password", "p&\"\u{e9}"),
                ("zone", "example.org"),
                ("url", "https://x/"),
            ],
        );
        let names = ["a.example.org", "example.org"];
        let values =
            Values { account: &account, names: &names, v4: v4.parse().ok(), v6: v6.parse().ok() };
        fill(text, place, true, &values)
    }

    #[test]
    fn each_place_has_its_escapes() {
        let text = "{fqdn} {user} {password} {ip}";
        for (place, result) in [
            (Place::Url, "a.example.org me%40x p%26%22%C3%A9 2001:db8::1"),
            (Place::Json, "a.example.org me@x p&\\\"\u{e9} 2001:db8::1"),
            (Place::Plain, "a.example.org me@x p&\"\u{e9} 2001:db8::1"),
        ] {
            assert_eq!(filled(text, place, "", "2001:db8::1").unwrap(), result);
        }
        let basic = filled("Basic {basic}", Place::Plain, "", "").unwrap();
        assert_eq!(basic, "Basic bWVAeDpwJiLDqQ==");
    }

    #[test]
    fn parts_that_have_no_value_are_left_out() {
        let text = "h?n={names}[&a={ipv4}][&b={ipv6}][4|&four][6|&six]&c={ipv6|keep}";
        let both = "h?n=a.example.org,example.org&a=192.0.2.1&b=2001:db8::1&four&six&c=2001:db8::1";
        assert_eq!(filled(text, Place::Url, "192.0.2.1", "2001:db8::1").unwrap(), both);
        assert_eq!(
            filled(text, Place::Url, "192.0.2.1", "").unwrap(),
            "h?n=a.example.org,example.org&a=192.0.2.1&four&c=keep"
        );
        assert_eq!(
            filled("{ips}", Place::Url, "192.0.2.1", "2001:db8::1").unwrap(),
            "192.0.2.1,2001:db8::1"
        );
    }

    #[test]
    fn json_keeps_its_braces() {
        let text = "{\"a\": {\"b\": \"{host}\"}, \"c\": {}}";
        let result = "{\"a\": {\"b\": \"a\"}, \"c\": {}}";
        assert_eq!(filled(text, Place::Json, "", "").unwrap(), result);
        for text in ["{", "}", "{x y}", "{|}", "{{", "[", "]["] {
            assert_eq!(filled(text, Place::Plain, "", "").unwrap(), text);
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(filled("{ipv6}", Place::Url, "192.0.2.1", "").unwrap_err().contains("{ipv6|...}"));
        assert_eq!(filled("{tokn}", Place::Url, "", "").unwrap_err(), "{tokn} needs option tokn");
    }

    #[test]
    fn hosts_in_zones() {
        assert_eq!(host("a.b.example.org", "example.org"), Some("a.b"));
        assert_eq!(host("example.org", "example.org"), Some("@"));
        assert_eq!(host("a.example.net", "example.org"), None);
    }

    #[test]
    fn secrets_are_found_in_every_form() {
        let account = fake::account(
            &super::super::custom::PROVIDER,
            &[("password", "p&\"x"), ("url", "https://x/")],
        );
        assert_eq!(hush("p&\"x, p%26%22x, p&\\\"x", &account), "(secret), (secret), (secret)");
    }
}
