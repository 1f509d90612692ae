//! JSON over HTTPS with a token, or what a [`Dialect`] makes of it: one request, one reply, and
//! what a reply that is no success means. What is asked is for each provider, in which order for
//! `zones`.

use super::*;
use crate::model::utc;
use crate::world::HttpRequest;
use serde_json::Value;

/// A whole zone of about 700 bytes each record.
const BODY_MOST: usize = 4 * 1024 * 1024;
const PAGES_MOST: u64 = 20;

/// `option zone`, of every account whose service keeps zones.
pub const ZONE: OptionDoc =
    OptionDoc::optional("zone", Kind::Domain, "the zone that holds the names; found if absent");

/// `option url`.
pub const fn url(default: &'static str) -> OptionDoc {
    OptionDoc::optional("url", Kind::Url, "another address of the API").or(default)
}

/// What tells one service from another, as far as requests and refusals go.
pub struct Api {
    /// For messages: `Hetzner`.
    pub service: &'static str,
    /// Headers that prove who asks: name, what stands before, options joined by `:`.
    pub auth: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// Where it is not JSON, or the proof is not in these headers.
    pub dialect: Option<Dialect>,
    /// What the owner is to look at when it is not believed: `option token`.
    pub check: &'static str,
    /// What it must be allowed to do, to find zones and to change records: `has DNS:Edit`.
    pub rights: [&'static str; 2],
    /// What the owner is to look at when there is no such zone: `options zone and url`.
    pub place: &'static str,
    /// How long to keep quiet after "too many requests", if the reply does not say.
    pub unsaid: Duration,
    /// Reads a reply: its status, and its body if that is JSON.
    pub said: fn(u16, &Value) -> Said,
}

/// Another way to write requests and to read replies. The options of `auth` are checked as ever.
pub struct Dialect {
    pub write: fn(&Ask<'_>) -> HttpRequest,
    /// A reply's body as JSON; `None`: it is not in the service's language.
    pub read: fn(&[u8]) -> Option<Value>,
}

/// What is to be asked.
pub struct Ask<'a> {
    pub method: &'static str,
    /// `option url`, without a slash at its end.
    pub base: &'a str,
    pub path: &'a str,
    pub body: Option<&'a Value>,
    /// Seconds since 1970 by the service's clock, as far as we know it.
    pub now: u64,
    /// Never the same twice.
    pub nonce: u64,
    pub account: &'a Account,
    keys: &'a [&'a str],
}

impl Ask<'_> {
    /// The options of [`Api::auth`], in their order.
    pub fn key(&self, place: usize) -> &str {
        self.keys.get(place).copied().unwrap_or_default()
    }
}

/// What a reply says.
pub enum Said {
    Yes,
    /// In the service's own words, which may be none.
    No(No, String),
    /// This is not how the service talks.
    Foreign,
}

/// Why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// The credentials are wrong.
    Token,
    /// They are not allowed to do this.
    Denied,
    /// There is no such zone.
    Zone,
    /// What was sent, or one of the records in it.
    Record,
    /// There is such a record already.
    Exists,
    /// The record has gone, or is being changed: the next look will know better.
    Moved,
    Rate,
    /// The service has a failure of its own.
    Broken,
    /// The request is too old or from the future, by the service's clock.
    Clock,
}

impl No {
    /// What most services mean by a status (RFC 9110 15).
    pub fn by(status: u16) -> No {
        match status {
            401 => No::Token,
            403 => No::Denied,
            404 => No::Zone,
            408 | 409 | 425 => No::Moved,
            429 => No::Rate,
            400..500 => No::Record,
            _ => No::Broken,
        }
    }
}

/// Yes for any 2xx; otherwise the words at this place, where a service of this kind has them.
pub fn said_at(status: u16, json: &Value, pointer: &str) -> Said {
    match (status, json.pointer(pointer).and_then(Value::as_str)) {
        (200..300, _) => Said::Yes,
        (_, Some(words)) => Said::No(No::by(status), words.into()),
        _ => Said::Foreign,
    }
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The token, the way there, the rate: nothing else will work either.
    Account,
    Zone,
    /// One of the records that were sent.
    Record,
    /// As `Record`: there is such a record already.
    Exists,
}

#[derive(Debug)]
pub struct Fault {
    pub reach: Reach,
    pub outcome: Outcome,
    pub status: u16,
    /// Places, among what was sent, of what is wrong, if the reply tells.
    pub culprits: Vec<usize>,
}

impl Fault {
    pub fn new(reach: Reach, outcome: Outcome) -> Self {
        Fault { reach, outcome, status: 0, culprits: Vec::new() }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    FindZones,
    Read,
    Change,
}

impl To {
    fn text(self) -> &'static str {
        match self {
            To::FindZones => "find the zone",
            To::Read => "read the records",
            To::Change => "change the records",
        }
    }
}

/// A conversation with one service for one account.
pub struct Talk<'a> {
    net: &'a mut dyn Net,
    via: Via,
    base: &'a str,
    api: &'static Api,
    auth: Vec<(&'static str, String)>,
    /// Never shown.
    secrets: Vec<&'a str>,
    /// How far the service's clock is ahead of ours, once it has told us; seconds.
    ahead: Option<i64>,
    pub account: &'a Account,
}

/// A page of a list, to tell from it where the next one is.
pub struct Page<'a> {
    /// From 1.
    pub number: u64,
    /// Items on it.
    pub count: usize,
    /// The reply without its items.
    pub body: &'a Value,
    pub reply: &'a HttpReply,
}

impl<'a> Talk<'a> {
    pub fn new(
        api: &'static Api,
        net: &'a mut dyn Net,
        account: &'a Account,
    ) -> Result<Talk<'a>, Outcome> {
        let (mut auth, mut secrets) = (Vec::new(), Vec::new());
        for (header, before, options) in api.auth {
            let mut value = String::from(*before);
            for (place, option) in options.iter().enumerate() {
                let secret = account.secret(option).map_or("", |secret| secret.expose().trim());
                // It goes into a header, where anything else could end that header.
                if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Outcome::FixConfig(format!(
                        "account '{}': option {option} is empty, or holds characters that no {option} \
                         has",
                        account.id
                    )));
                }
                if place > 0 {
                    value.push(':');
                }
                value.push_str(secret);
                secrets.push(secret);
            }
            auth.push((*header, value));
        }
        Ok(Talk {
            net,
            via: Via { max_body: BODY_MOST, ..via(account) },
            base: account.text("url").unwrap_or_default().trim_end_matches('/'),
            api,
            auth,
            secrets,
            ahead: None,
            account,
        })
    }

    pub fn service(&self) -> &'static str {
        self.api.service
    }

    /// One request; the reply's JSON if the service says that it worked. An empty body is `null`.
    pub fn call(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        to: To,
    ) -> Result<Value, Fault> {
        self.exchange(method, path, body, to).map(|(_, json)| json)
    }

    fn exchange(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        to: To,
    ) -> Result<(HttpReply, Value), Fault> {
        loop {
            let request = self.request(method, path, body);
            let reply = self
                .net
                .http(&request, &self.via)
                .map_err(|error| Fault::new(Reach::Account, failed(&error, to == To::Change)))?;
            let json = match (&reply.body[..], &self.api.dialect) {
                ([], _) => Some(Value::Null),
                (body, Some(dialect)) => (dialect.read)(body),
                (body, None) => json(body),
            };
            let said = (self.api.said)(reply.status, json.as_ref().unwrap_or(&Value::Null));
            return match (said, json) {
                (Said::Yes, Some(json)) if (200..300).contains(&reply.status) => Ok((reply, json)),
                (Said::Yes | Said::Foreign, _) => Err(self.foreign(&reply, to)),
                // It did nothing, and by its own clock the same can be asked again.
                (Said::No(No::Clock, words), _) if self.learn(&reply, &words) => continue,
                (Said::No(no, words), json) => Err(self.refused(&reply, no, &words, json, to)),
            };
        }
    }

    fn request(&mut self, method: &'static str, path: &str, body: Option<&Value>) -> HttpRequest {
        if let Some(dialect) = &self.api.dialect {
            let ours = i64::try_from(self.net.wall_clock()).unwrap_or(0);
            let now = ours.saturating_add(self.ahead.unwrap_or(0)).max(0).unsigned_abs();
            let (nonce, account, keys) = (self.net.chance(), self.account, &self.secrets[..]);
            let base = self.base;
            return (dialect.write)(&Ask { method, base, path, body, now, nonce, account, keys });
        }
        let mut request = HttpRequest::new(method, [self.base, path].concat());
        for (name, value) in &self.auth {
            request = request.header(*name, value.as_str());
        }
        request = request.header("accept", "application/json");
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Takes the service's time from its refusal, once. The reply came over TLS, like all others:
    /// whoever could forge this could forge them.
    fn learn(&mut self, reply: &HttpReply, words: &str) -> bool {
        let theirs = reply.header("date").and_then(utc::read_date);
        let Some(theirs) = theirs.or_else(|| utc::last_stamp(words)) else { return false };
        let (theirs, ours) = (i64::try_from(theirs), i64::try_from(self.net.wall_clock()));
        let (Ok(theirs), Ok(ours), None) = (theirs, ours, self.ahead) else { return false };
        self.ahead = Some(theirs.saturating_sub(ours));
        true
    }

    /// All items of a list, page by page; `items` is their place in a reply (RFC 6901). `more`
    /// gives what is to be added to `path` for the next page.
    pub fn list(
        &mut self,
        path: &str,
        items: &str,
        more: fn(&Page<'_>) -> Option<String>,
        to: To,
    ) -> Result<Vec<Value>, Fault> {
        let mut all = Vec::new();
        let mut url = path.to_string();
        for number in 1..=PAGES_MOST {
            let (reply, mut json) = self.exchange("GET", &url, None, to)?;
            let Some(Value::Array(page)) = json.pointer_mut(items).map(Value::take) else {
                return Err(self.garbage(to));
            };
            let next = match &page[..] {
                [] => None,
                page => more(&Page { number, count: page.len(), body: &json, reply: &reply }),
            };
            all.extend(page);
            let Some(next) = next else { return Ok(all) };
            url = [path, &next].concat();
        }
        let text = format!(
            "could not {} at {}: there are more than {PAGES_MOST} pages of them; set option \
             zone, and use one account for each few names",
            to.text(),
            self.api.service
        );
        Err(Fault::new(self.denied(to), Outcome::FixConfig(text)))
    }

    /// How far "not allowed" reaches.
    fn denied(&self, to: To) -> Reach {
        if to == To::FindZones { Reach::Account } else { Reach::Zone }
    }

    /// An answer that says yes and is none of the service's.
    pub fn garbage(&self, to: To) -> Fault {
        const WHAT: &str = "what answered is not its API; is a login page or proxy in between?";
        let (doing, service) = (to.text(), self.api.service);
        let outcome = if to == To::Change {
            Outcome::NotConfirmed(format!("could not confirm the change at {service}: {WHAT}"))
        } else {
            Outcome::TryLater(format!("could not {doing} at {service}: {WHAT}"))
        };
        Fault::new(Reach::Account, outcome)
    }

    pub fn unconfirmed(&self) -> Outcome {
        Outcome::NotConfirmed(format!(
            "could not confirm the change: {}'s answer does not show the new record",
            self.api.service
        ))
    }

    /// A reply that is not the service's.
    fn foreign(&self, reply: &HttpReply, to: To) -> Fault {
        let status = reply.status;
        let why = format!(
            "could not {} at {}: status {status} from something in between",
            to.text(),
            self.api.service
        );
        let outcome = match status {
            429 => wait(reply, self.api.unsaid, why),
            // A gateway that gave up: the service behind it may have gone on.
            500.. if to == To::Change => Outcome::NotConfirmed(why),
            200..300 => return self.garbage(to),
            _ => Outcome::TryLater(why),
        };
        Fault { status, ..Fault::new(Reach::Account, outcome) }
    }

    /// What a refusal means for the records.
    fn refused(
        &self,
        reply: &HttpReply,
        no: No,
        words: &str,
        json: Option<Value>,
        to: To,
    ) -> Fault {
        let api = self.api;
        let mut why = ["could not ", to.text(), " at ", api.service, ": "].concat();
        if words.is_empty() {
            why.push_str(&format!("status {}", reply.status));
        } else {
            let mut words = words.to_string();
            for secret in &self.secrets {
                words = words.replace(secret, "(secret)");
            }
            why.push_str("it says: ");
            why.push_str(&quote(&words, ""));
        }
        let (reach, outcome) = match no {
            No::Rate => (Reach::Account, wait(reply, api.unsaid, why)),
            No::Broken => (Reach::Account, Outcome::TryLater(why)),
            No::Clock => {
                why.push_str("; the clock here is not the service's: check its NTP");
                (Reach::Account, Outcome::TryLater(why))
            }
            No::Token => {
                let text = [&why, "; check ", api.check].concat();
                (Reach::Account, Outcome::FixConfig(text))
            }
            No::Denied => {
                let rights = api.rights[usize::from(to != To::FindZones)];
                let text = [&why, "; check that ", api.check, " is valid and ", rights].concat();
                (self.denied(to), Outcome::FixConfig(text))
            }
            No::Zone => {
                why.push_str("; check ");
                why.push_str(api.place);
                (Reach::Zone, Outcome::FixConfig(why))
            }
            No::Record => (Reach::Record, Outcome::FixConfig(why)),
            No::Exists => (Reach::Exists, self.unconfirmed()),
            No::Moved => (Reach::Record, Outcome::TryLater(why)),
        };
        let culprits = match json {
            Some(Value::Array(list)) => list
                .iter()
                .enumerate()
                .filter(|(_, item)| item.as_object().is_some_and(|item| !item.is_empty()))
                .map(|(place, _)| place)
                .collect(),
            _ => Vec::new(),
        };
        Fault { reach, outcome, status: reply.status, culprits }
    }
}

/// What the first of these means that is part of a code.
pub fn no(code: &str, meanings: &[(&str, No)]) -> Option<No> {
    meanings.iter().find(|(part, _)| code.contains(part)).map(|(_, no)| *no)
}

/// Puts these at the end.
pub fn add(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

/// Where the next page is, if this one is full: `name` and what was shown so far.
pub fn after(page: &Page<'_>, size: usize, name: &str) -> Option<String> {
    let shown = page.number * u64::try_from(size).unwrap_or(0);
    (page.count == size).then(|| [name, &shown.to_string()].concat())
}

/// A body that is JSON.
pub fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

/// An object with these fields. (`json!` writes each field's code out where it stands.)
pub fn object(fields: &mut [(&str, Value)]) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in fields {
        object.insert(name.to_string(), value.take());
    }
    Value::Object(object)
}

/// A number, also one in quotes.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// An id from outside, about to become part of an URL.
pub fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    ((1..=64).contains(&text.len()) && text.bytes().all(good)).then_some(text)
}
