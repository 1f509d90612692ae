//! Services that take an update as one URL, as data: `services.txt`, one line each, every one a
//! provider of its own. A text of lines is a fifth smaller than JSON would be, and every update
//! service there is fits one line.
//!
//! `ID SITE [basic[=USER:PASSWORD]] [batch=N] [every=SECONDS] [rest=SECONDS] [ANSWERS] URL`
//!
//! - SITE: who it is, and at the same time the service's name in ddns-scripts.
//! - `basic`: HTTP Basic with options username and password, or with what is given.
//! - `batch`: so many names fit in one request. `every`: seconds between two requests; `rest`:
//!   after "come back later".
//! - ANSWERS: dyndns2 codes if none are given, else `ok=` (changed), `same=` (held it before),
//!   `no=` (refused) and `wait=`, each some [tests](test) with `|` between and `+` for a blank.
//!   Whatever else comes is never taken for a yes.
//! - URL: see [`template`](super::template), without its `https://`; `~` at its end stands for
//!   `hostname={fqdn}&myip={ip}`. Options are what stands in its braces.
//!
//! Left out: what is closed, what takes only the address the request comes from (we could not
//! say which one was published), and what has no answer to tell success by. Those who need one
//! of these can use `custom` or `openwrt`.

use super::dyndns2::{self, CONTACT};
use super::one_shot::{Call, Said, Says, Shape, by_status, heard, run, shown};
use super::template::{Place, Values, fill, uses};
use super::*;
use crate::world::HttpRequest;
use domain::utils::base64;
use std::borrow::Cow;

const TABLE: &str = include_str!("services.txt");

/// Company, program, system, version: the form that No-IP and Dyn ask for. A mail address can be
/// added by option contact.
pub const USER_AGENT: &str = concat!("reachd reachd/Linux-", env!("CARGO_PKG_VERSION"));

/// Not a test, but a whole language of answers.
pub const DYNDNS2: &str = "dyndns2";

/// Between two calls where nothing else is known.
const EVERY: Duration = Duration::from_secs(60);

/// How success is told.
#[derive(Clone, Copy)]
pub enum Answer<'t> {
    Dyndns2,
    /// What `ok=`, `same=`, `no=` and `wait=` say.
    Tests([&'t str; 4]),
}

/// One line of the table.
#[derive(Clone)]
pub struct Service<'t> {
    pub id: &'t str,
    pub site: &'t str,
    /// What goes into HTTP Basic: `{basic}`, or `USER:PASSWORD`; empty: nothing.
    pub basic: &'t str,
    pub answer: Answer<'t>,
    pub batch: usize,
    pub every: Duration,
    pub rest: Duration,
    pub url: Cow<'t, str>,
}

/// All lines.
pub fn table() -> impl Iterator<Item = Service<'static>> {
    TABLE.lines().filter_map(read)
}

fn read(line: &'static str) -> Option<Service<'static>> {
    let mut words = line.split(' ');
    let id = words.next().filter(|id| *id != "#")?;
    let mut service = Service {
        id,
        site: words.next()?,
        basic: "",
        answer: Answer::Dyndns2,
        batch: 1,
        every: EVERY,
        rest: dyndns2::REST,
        url: url(words.next_back()?).into(),
    };
    let mut tests = [""; 4];
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, "{basic}"));
        let seconds = || Duration::from_secs(value.parse().unwrap_or(0));
        match name {
            "basic" => service.basic = value,
            "batch" => service.batch = value.parse().ok()?,
            "every" => service.every = seconds(),
            "rest" => service.rest = seconds(),
            name => {
                tests[["ok", "same", "no", "wait"].iter().position(|test| *test == name)?] = value;
            }
        }
    }
    if tests != [""; 4] {
        service.answer = Answer::Tests(tests);
    }
    Some(service)
}

fn url(short: &str) -> String {
    let (place, more) = match short.strip_suffix('~') {
        Some(place) => (place, "hostname={fqdn}&myip={ip}"),
        None => (short, ""),
    };
    ["https://", place, more].concat()
}

/// The table as providers. Their option lists are built once and live as long as the program.
pub fn providers() -> impl Iterator<Item = Provider> {
    table().map(|service| Provider {
        id: service.id,
        about: service.site,
        families: families(&service.url),
        min_interval: service.every,
        batch: service.batch,
        ttl: None,
        local: false,
        options: options(&service).leak(),
        publish,
    })
}

fn families(url: &str) -> &'static [Family] {
    const V4: &[Family] = &[Family::Ipv4];
    if uses(url, &["ip", "ips", "ipv6"]) { &Family::BOTH } else { V4 }
}

fn options(service: &Service<'_>) -> Vec<OptionDoc> {
    let has = |words: &[&str]| uses(&service.url, words) || uses(service.basic, words);
    let mut options = Vec::new();
    let mut add = |words: &[&str], doc: OptionDoc| {
        if has(words) {
            options.push(doc);
        }
    };
    add(&["user", "basic"], OptionDoc::required("username", Kind::Text, "user"));
    add(
        &["password", "basic"],
        OptionDoc::required("password", Kind::Secret, "password, or the key for updates"),
    );
    add(&["token"], OptionDoc::required("token", Kind::Secret, "token or key for updates"));
    add(
        &["id"],
        OptionDoc::required(
            "id",
            Kind::Text,
            "what the service calls the record: a number, or the name of a network",
        ),
    );
    add(&["zone"], OptionDoc::required("zone", Kind::Domain, "the domain that holds the names"));
    options.push(OptionDoc::optional("url", Kind::Url, "another https://HOST to ask"));
    options.push(OptionDoc::optional("contact", Kind::Text, CONTACT));
    options
}

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let Some(service) = table().find(|service| service.id == account.provider) else {
        return vec![Outcome::Bug("there is no such service".into()); wants.len()];
    };
    let shape = Shape {
        together: uses(&service.url, &["ips", "ipv4", "ipv6"]),
        batch: service.batch,
        named: uses(&service.url, &["fqdn", "names", "host"]),
    };
    run(net, account, wants, shape, &|call| ask(&service, account, call, true), &|call, reply| {
        match service.answer {
            Answer::Dyndns2 => dyndns2::judge(call, reply, service.site, service.rest, account),
            Answer::Tests(tests) => {
                let [ok, same, no, wait] = tests.map(|tests| {
                    tests
                        .split('|')
                        .filter(|test| !test.is_empty())
                        .map(|test| test.replace('+', " "))
                        .collect()
                });
                let tests = Tests { ok, same, no, wait };
                judge(call, reply, &tests, service.site, service.rest, account)
            }
        }
    })
}

/// The request. `cut`: the service's URL may hold parts in square brackets.
pub fn ask(
    service: &Service<'_>,
    account: &Account,
    call: &Call<'_>,
    cut: bool,
) -> Result<HttpRequest, String> {
    let [v4, v6] = call.addresses;
    let values = Values { account, names: &call.names, v4, v6 };
    let mut url = fill(&service.url, Place::Url, cut, &values)?;
    // Another host, with the path of the service. `dyndns2` has done that for itself.
    if let (true, Some(other)) = (cut, account.text("url")) {
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        url = [other.trim_end_matches('/'), "/", path].concat();
    }
    let agent = [Some(USER_AGENT), account.text("contact")];
    let agent: Vec<&str> = agent.into_iter().flatten().collect();
    let mut request = HttpRequest::new("GET", url).header("user-agent", agent.join(" "));
    match service.basic {
        "" => {}
        "{basic}" => {
            let basic = fill("Basic {basic}", Place::Plain, false, &values)?;
            request = request.header("authorization", basic);
        }
        other => {
            let basic = base64::encode_string(&fill(other, Place::Plain, false, &values)?);
            request = request.header("authorization", ["Basic ", &basic].concat());
        }
    }
    Ok(request)
}

/// What answers may say, see [`test`].
#[derive(Default)]
pub struct Tests {
    pub ok: Vec<String>,
    pub same: Vec<String>,
    pub no: Vec<String>,
    pub wait: Vec<String>,
}

/// What an answer says by its tests. It is about all names of the request.
pub fn judge(
    call: &Call<'_>,
    reply: &HttpReply,
    tests: &Tests,
    site: &str,
    rest: Duration,
    account: &Account,
) -> Said {
    let body = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    let heard = heard(&body);
    let names = call.names.len();
    let any = |tests: &[String]| tests.iter().any(|test| self::test(test, reply, &body, call));
    let told = || {
        let words = shown(&reply.body, account);
        if words.is_empty() { format!("status {}", reply.status) } else { words }
    };
    if any(&tests.no) {
        let why = format!("{site} refuses: {}", told());
        return Said::all(Outcome::FixConfig(why), names, false);
    }
    if any(&tests.wait) {
        let why = format!("{site} wants to be left alone for a while: {}", told());
        return Said::all(wait(reply, rest, why), names, true);
    }
    let fine = (200..300).contains(&reply.status);
    let by_status_alone =
        |test: &String| test.starts_with('#') && self::test(test, reply, "", call);
    // Before "changed": one may be a part of the other.
    for (tests, changed) in [(&tests.same, false), (&tests.ok, true)] {
        if tests.iter().any(by_status_alone) || fine && any(tests) {
            let yes = Says::Yes { changed, heard, sure: false };
            return Said { each: vec![yes; names], stop: false };
        }
    }
    // Those who speak another language still use these codes for a refusal.
    let word = body.split_whitespace().next().unwrap_or_default();
    let name = call.names.first().copied().unwrap_or_default();
    let (outcome, stop) = dyndns2::code(word, site, name, rest)
        .unwrap_or_else(|| by_status(reply, site, rest, account));
    Said::all(outcome, names, stop)
}

/// One test, case aside:
/// - `#204`: the status;
/// - `/a/b=text`: JSON has this at this place (RFC 6901);
/// - `{ip}`: the answer holds every address that was sent;
/// - `*text`: somewhere in the body, as words of their own; `text`: where a line starts.
fn test(test: &str, reply: &HttpReply, body: &str, call: &Call<'_>) -> bool {
    if let Some(status) = test.strip_prefix('#') {
        return status.parse() == Ok(reply.status);
    }
    if let (true, Some((pointer, value))) = (test.starts_with('/'), test.split_once('=')) {
        let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        return json.pointer(pointer).is_some_and(|found| match found.as_str() {
            Some(found) => found.eq_ignore_ascii_case(value),
            None => found.to_string().eq_ignore_ascii_case(value),
        });
    }
    if test == "{ip}" {
        let heard = heard(body);
        return call.addresses.iter().flatten().all(|ip| heard.contains(ip));
    }
    let lower = test.to_ascii_lowercase();
    match lower.strip_prefix('*') {
        Some(text) => body.match_indices(text).any(|(at, _)| bounded(body, at, text.len())),
        None => body.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with(&lower) && bounded(line, 0, lower.len())
        }),
    }
}

/// No letter or digit goes on where the found text begins or ends.
fn bounded(text: &str, at: usize, len: usize) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (Some(before), Some(found), Some(after)) =
        (text.get(..at), text.get(at..at + len), text.get(at + len..))
    else {
        return false;
    };
    len > 0
        && !(word(before.chars().next_back()) && word(found.chars().next()))
        && !(word(found.chars().next_back()) && word(after.chars().next()))
}

/// A test as an owner writes it, in the form [`test`] takes: `text good`, `line OK`,
/// `status 204`, `json /ok=true`.
pub fn owners_test(text: &str) -> Result<String, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match kind {
        "text" if !rest.is_empty() => Ok(["*", rest].concat()),
        // What begins like another kind of test is none.
        "line" if !rest.is_empty() && !rest.starts_with(['#', '/', '*', '{']) => Ok(rest.into()),
        "status" if rest.parse::<u16>().is_ok() => Ok(["#", rest].concat()),
        DYNDNS2 if rest.is_empty() => Ok(DYNDNS2.into()),
        "json" if rest.starts_with('/') && rest.contains('=') => Ok(rest.into()),
        _ => Err(format!(
            "{text:?} is not a test: write 'text good', 'line OK', 'status 204', 'json /ok=true' \
             or 'dyndns2'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::fake::*;
    use super::*;

    fn call<'a>() -> Call<'a> {
        Call::one("home.example.org", "192.0.2.1".parse().unwrap())
    }

    #[test]
    fn every_line_is_sound() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(table().count(), lines);
        assert!(lines >= 60);
        let mut ids: Vec<&str> = table().map(|service| service.id).collect();
        let mut sites: Vec<&str> = table().map(|service| service.site).collect();
        let sorted = ids.is_sorted();
        ids.dedup();
        sites.sort();
        sites.dedup();
        assert!(sorted && ids.len() == lines && sites.len() == lines);
        let known = ["ip", "ips", "ipv4", "ipv6", "fqdn", "names", "host", "zone", "user"];
        for service in table() {
            let Service { id, url, .. } = &service;
            assert!(url.starts_with("https://") && url.matches("//").count() == 1, "{id}: {url}");
            assert!(uses(url, &["ip", "ips", "ipv4", "ipv6"]), "{id}");
            for word in template::words(url) {
                let own = ["password", "token", "id"];
                assert!(known.contains(&word) || own.contains(&word), "{id}: {{{word}}}");
            }
            assert!(service.batch == 1 || uses(url, &["names"]), "{id}");
            let mixed = uses(url, &["ip"]) && uses(url, &["ips", "ipv4", "ipv6"]);
            assert!(!mixed, "{id}");
            if let Answer::Tests([ok, ..]) = service.answer {
                assert!(!ok.is_empty(), "{id}");
                let any = ok.split('|').any(|test| matches!(test, "" | "*" | "#200" | "#2"));
                assert!(!any, "{id}: anything counts");
            }
        }
    }

    /// For each family, and for both: a request that a URL parser takes, with the address in it.
    #[test]
    fn every_service_is_asked_for_what_is_wanted() {
        for provider in providers() {
            let options: Vec<(&str, &str)> = provider
                .options
                .iter()
                .filter(|doc| doc.required)
                .map(|doc| (doc.name, if doc.name == "zone" { "example.org" } else { "x&y" }))
                .collect();
            let account = account(&provider, &options);
            for family in provider.families {
                let ip = if *family == Family::Ipv4 { "192.0.2.1" } else { "2001:db8::1" };
                let mut net = Fake::new();
                net.any = Some(HttpReply { status: 200, ..HttpReply::default() });
                let got =
                    (provider.publish)(&mut net, &account, &[want(&format!("a.example.org {ip}"))]);
                // Nothing said is never a yes.
                assert!(!got[0].is_right(), "{}: {got:?}", provider.id);
                let request = &net.sent[0];
                assert!(request.url.contains(ip), "{}: {}", provider.id, request.url);
                assert!(!request.url.contains(['{', '[', ' ']), "{}", request.url);
                assert!(!request.url.contains("x&y"), "{}", request.url);
                let agent = request.headers.iter().find(|(name, _)| name == "user-agent");
                assert!(agent.unwrap().1.starts_with("reachd "));
                net.any = Some(HttpReply {
                    status: 200,
                    body: b"<html><body>It works! OK good success</body></html>".into(),
                    ..HttpReply::default()
                });
                let got =
                    (provider.publish)(&mut net, &account, &[want(&format!("a.example.org {ip}"))]);
                let loose = ["changeip", "dinahosting", "easydns", "ipv64"];
                assert!(!got[0].is_right() || loose.contains(&provider.id), "{}", provider.id);
            }
        }
    }

    #[test]
    fn tests_are_strict() {
        let reply = |status, body: &str| HttpReply { status, headers: vec![], body: body.into() };
        for (with, status, body, yes) in [
            ("OK", 200, "OK\n192.0.2.1", true),
            ("OK", 200, "\nok", true),
            ("OK", 200, "NOT OK", false),
            ("OK", 200, "OKAY", false),
            ("*good", 200, "{\"info\":\"good\"}", true),
            ("*good", 200, "goodbye", false),
            ("*success", 200, "unsuccessful", false),
            ("*<errcount>0</errcount>", 200, "<ErrCount>0</ErrCount>", true),
            ("#204", 204, "", true),
            ("#204", 200, "204", false),
            ("/ok=true", 200, "{\"ok\": true}", true),
            ("/ok=true", 200, "{\"ok\": false}", false),
            ("/a/0/b=Yes", 200, "{\"a\": [{\"b\": \"yes\"}]}", true),
            ("/ok=true", 200, "ok=true", false),
            ("{ip}", 200, "a.example.org (192.0.2.1)", true),
            ("{ip}", 200, "a.example.org (192.0.2.10)", false),
            ("0=", 200, "HTTP/1.1 200\n0=Success", true),
        ] {
            let reply = reply(status, body);
            let lower = body.to_ascii_lowercase();
            assert_eq!(test(with, &reply, &lower, &call()), yes, "{with} in {body}");
        }
    }

    #[test]
    fn owners_tests() {
        for (text, form) in [
            ("text good", "*good"),
            ("line OK", "OK"),
            ("status 204", "#204"),
            ("json /ok=true", "/ok=true"),
        ] {
            assert_eq!(owners_test(text).unwrap(), form);
        }
        for text in ["", "text", "text ", "status ok", "json ok", "good", "line #200"] {
            assert!(owners_test(text).unwrap_err().contains("is not a test"), "{text}");
        }
    }

    #[test]
    fn exchanges() {
        for case in cases("services") {
            let id = case["provider"].as_str().unwrap();
            play(&providers().find(|provider| provider.id == id).unwrap(), &case);
        }
    }
}
