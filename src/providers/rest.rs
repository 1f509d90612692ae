//! JSON over HTTPS with a token: one request, one reply, and what a reply that is no success
//! means. What is asked is for each provider, in which order for `zones`.

use super::*;
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
        let mut request = HttpRequest::new(method, [self.base, path].concat());
        for (name, value) in &self.auth {
            request = request.header(*name, value.as_str());
        }
        request = request.header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = self
            .net
            .http(&request, &self.via)
            .map_err(|error| Fault::new(Reach::Account, failed(&error, to == To::Change)))?;
        let json = match &reply.body[..] {
            [] => Some(Value::Null),
            body => serde_json::from_slice(body).ok(),
        };
        let said = (self.api.said)(reply.status, json.as_ref().unwrap_or(&Value::Null));
        match (said, json) {
            (Said::Yes, Some(json)) if (200..300).contains(&reply.status) => Ok((reply, json)),
            (Said::Yes | Said::Foreign, _) => Err(self.foreign(&reply, to)),
            (Said::No(no, words), json) => Err(self.refused(&reply, no, &words, json, to)),
        }
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
