//! The service files that ddns-scripts and its packages put under `/usr/share/ddns`, read when
//! they are needed, so that whatever a router already has works. Files of the owner (`custom`)
//! come before those of packages (`default`).
//!
//! A file names an URL with placeholders in brackets for each family, and what an answer must
//! hold. Files that name a script are refused: no script is ever run. It is a provider of its own
//! with the file's name as an option, rather than a second place to look ids up, so that the
//! config can be checked without the router it is for, and a mistyped id is still told.

use super::dyndns2;
use super::one_shot::{Call, Shape, run};
use super::services::{Answer, Service, Tests, ask, judge};
use super::template::uses;
use super::*;
use serde_json::Value;

pub const PROVIDER: Provider = Provider {
    id: "openwrt",
    about: "a service file of ddns-scripts on this router, from /usr/share/ddns",
    families: &Family::BOTH,
    // ddns-scripts itself looks every 10 minutes, and sends when something changed.
    min_interval: Duration::from_secs(60),
    batch: 1,
    ttl: None,
    local: false,
    options: &[
        OptionDoc::required("service", Kind::Text, "the file's name without .json"),
        OptionDoc::optional("username", Kind::Text, "for [USERNAME]"),
        OptionDoc::optional("password", Kind::Secret, "for [PASSWORD]"),
        OptionDoc::optional("domain", Kind::Text, "for [DOMAIN], if that is not the name itself"),
        OptionDoc::optional("param_enc", Kind::Text, "for [PARAMENC]"),
        OptionDoc::optional("param_opt", Kind::Text, "for [PARAMOPT]"),
        OptionDoc::optional(
            "answer",
            Kind::Text,
            "what an answer must hold, where the file says nothing of it: 'good|nochg'",
        ),
    ],
    publish,
};

const PLACES: [&str; 2] = ["/usr/share/ddns/custom/", "/usr/share/ddns/default/"];

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; wants.len()];
    let name = account.text("service").unwrap_or_default();
    let file = match read(net, name) {
        Ok(file) => file,
        Err(outcome) => return all(outcome),
    };
    let way = |family: Family| way(&file, family, name, account);
    let ways = [way(Family::Ipv4), way(Family::Ipv6)];
    let of = |call: &Call<'_>| if call.addresses[0].is_some() { &ways[0] } else { &ways[1] };
    let named = ways.iter().flatten().all(|way| uses(&way.url, &["fqdn"]));
    let shape = Shape { together: false, batch: 1, named };
    run(
        net,
        account,
        wants,
        shape,
        &|call| {
            let way = of(call).as_ref().map_err(Clone::clone)?;
            ask(&way.service(name), account, call, false)
        },
        &|call, reply| match of(call) {
            Ok(way) if !way.tests.is_empty() => {
                let tests = Tests { ok: way.tests.clone(), ..Tests::default() };
                judge(call, reply, &tests, name, dyndns2::REST, account)
            }
            _ => dyndns2::judge(call, reply, name, dyndns2::REST, account),
        },
    )
}

/// How one family is published.
struct Way {
    /// In our own placeholders.
    url: String,
    basic: String,
    /// Empty: dyndns2 codes.
    tests: Vec<String>,
}

impl Way {
    fn service<'a>(&'a self, site: &'a str) -> Service<'a> {
        Service {
            id: PROVIDER.id,
            site,
            basic: &self.basic,
            answer: Answer::Dyndns2,
            batch: 1,
            every: PROVIDER.min_interval,
            rest: dyndns2::REST,
            url: self.url.as_str().into(),
        }
    }
}

fn read(net: &mut dyn Net, name: &str) -> Result<Value, Outcome> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Outcome::FixConfig(
            "option service must be the name of a file under /usr/share/ddns, without .json".into(),
        ));
    }
    for place in PLACES {
        let path = [place, name, ".json"].concat();
        match net.read_file(&path) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let json = serde_json::from_slice::<Value>(&bytes).ok();
                let json = json.filter(|json| json["ipv4"].is_object() || json["ipv6"].is_object());
                return json
                    .ok_or_else(|| Outcome::FixConfig(format!("{path} is not a service file")));
            }
            Err(why) => return Err(Outcome::TryLater(why)),
        }
    }
    Err(Outcome::FixConfig(format!(
        "there is no {name}.json in {} or {}: see what is there, or install the package that has it",
        PLACES[0], PLACES[1]
    )))
}

/// What a file says of a family; the error is for the owner.
fn way(file: &Value, family: Family, name: &str, account: &Account) -> Result<Way, String> {
    let part = &file[if family == Family::Ipv4 { "ipv4" } else { "ipv6" }];
    let url = part["url"].as_str().unwrap_or_default().trim();
    if url.is_empty() {
        return Err(format!("{name} has no URL for {family}"));
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!(
            "{name} is done by a shell script ({}), which reachd never runs: see reachd providers \
             for one of its own",
            quote(url, "")
        ));
    }
    if url.contains(['{', '}', '|']) {
        return Err(format!("the URL of {name} holds {{, }} or |, which has no meaning here"));
    }
    let domain = if account.text("domain").is_some() { "{domain}" } else { "{fqdn}" };
    let mut url = url.to_string();
    for (theirs, ours) in [
        ("[USERNAME]", "{user}"),
        ("[PASSWORD]", "{password}"),
        ("[DOMAIN]", domain),
        ("[IP]", "{ip}"),
        ("[PARAMENC]", "{param_enc}"),
        // Verbatim: it may be several parameters.
        ("[PARAMOPT]", account.text("param_opt").unwrap_or("{param_opt}")),
    ] {
        url = url.replace(theirs, ours);
    }
    // As option use_https does there; who wants the URL as it is allows http.
    if let (Some(rest), false) = (url.strip_prefix("http://"), account.allow_http) {
        url = ["https://", rest].concat();
    }
    let mut basic = String::new();
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
    if let Some(at) = url.get(host..end).and_then(|authority| authority.rfind('@')) {
        basic = url.get(host..host + at).unwrap_or_default().to_string();
        url.replace_range(host..=host + at, "");
    }
    Ok(Way { tests: tests(part, name, account)?, url, basic })
}

/// `good|nochg` and the like. The file's words are an extended regular expression for grep;
/// those that are in use are plain words with `|` between them, and others are refused.
fn tests(part: &Value, name: &str, account: &Account) -> Result<Vec<String>, String> {
    let answer = account.text("answer").or(part["answer"].as_str()).unwrap_or_default();
    if answer.is_empty() {
        return Err(format!(
            "the file of {name} does not say how success is told, and any answer will not do: \
             set option answer"
        ));
    }
    if answer.contains(['.', '[', ']', '(', ')', '*', '+', '?', '^', '$', '{', '}', '\\']) {
        return Err(format!(
            "the answer of {name} is a pattern that reachd does not read ({}): set option answer \
             to plain words with | between them",
            quote(answer, "")
        ));
    }
    let words: Vec<&str> = answer.split('|').map(str::trim).collect();
    if words.contains(&"") {
        return Err(format!("the answer of {name} has an empty word, which any answer holds"));
    }
    if words.iter().all(|word| matches!(*word, "good" | "nochg")) {
        return Ok(Vec::new());
    }
    Ok(words.iter().map(|word| ["*", word].concat()).collect())
}

#[cfg(test)]
mod tests {
    use super::fake::*;
    use super::*;

    fn run(file: &str, options: &[(&str, &str)], ip: &str, reply: &str) -> (Vec<String>, Fake) {
        let mut net = Fake::new();
        net.files.insert("/usr/share/ddns/default/x.org.json".into(), file.into());
        net.any = Some(HttpReply { status: 200, body: reply.into(), ..HttpReply::default() });
        let mut all = vec![("service", "x.org")];
        all.extend(options);
        let got = publish(&mut net, &account(&PROVIDER, &all), &[want(&format!("a.test {ip}"))]);
        (got.iter().map(show).collect(), net)
    }

    const FILE: &str = r#"{"name": "x.org",
        "ipv4": {"url": "http://[USERNAME]:[PASSWORD]@x.org/up?h=[DOMAIN]&ip=[IP]", "answer": "good|nochg"},
        "ipv6": {"url": "http://six.x.org/up?h=[DOMAIN]&p=[PASSWORD]&ip=[IP]&o=[PARAMOPT]", "answer": "Updated|100"}}"#;

    #[test]
    fn a_file_of_the_router() {
        let login = [("username", "me"), ("password", "p&w"), ("param_opt", "a=b")];
        let (got, net) = run(FILE, &login, "192.0.2.1", "good 192.0.2.1");
        assert_eq!(got, ["Updated"]);
        assert_eq!(net.log, ["GET https://x.org/up?h=a.test&ip=192.0.2.1"]);
        assert!(net.sent[0].headers.iter().any(|(_, value)| value == "Basic bWU6cCZ3"));
        let (got, net) = run(FILE, &login, "2001:db8::1", "update done, code 100");
        assert_eq!(got, ["Updated"]);
        assert_eq!(net.log, ["GET https://six.x.org/up?h=a.test&p=p%26w&ip=2001:db8::1&o=a=b"]);
        // grep would find 100 in there.
        let (got, _) = run(FILE, &login, "2001:db8::1", "code 1001");
        assert!(got[0].starts_with("NotConfirmed: could not confirm the change: x.org"), "{got:?}");
        let (got, _) = run(FILE, &login, "192.0.2.1", "badauth");
        assert_eq!(got, ["FixConfig: x.org does not accept this user and password (badauth)"]);
    }

    #[test]
    fn files_that_are_refused() {
        let v4 = |url: &str, answer: &str| {
            format!("{{\"ipv4\": {{\"url\": \"{url}\", \"answer\": \"{answer}\"}}}}")
        };
        for (file, says) in [
            (
                v4("update_x.sh", ""),
                "FixConfig: x.org is done by a shell script (update_x.sh), which",
            ),
            (
                v4("https://x.org/?[IP]", ""),
                "FixConfig: the file of x.org does not say how success",
            ),
            (v4("https://x.org/?[IP]", "^good"), "FixConfig: the answer of x.org is a pattern"),
            (
                v4("https://x.org/?[IP]", "good|"),
                "FixConfig: the answer of x.org has an empty word",
            ),
            (v4("https://x.org/?[IP]&p=[PASSWORD]", "good"), "FixConfig: {password} needs option"),
            (v4("https://x.org/{ip}", "good"), "FixConfig: the URL of x.org holds {, } or |"),
            ("[]".into(), "FixConfig: /usr/share/ddns/default/x.org.json is not a service file"),
            ("{\"ipv6\": {}}".into(), "FixConfig: x.org has no URL for ipv4"),
        ] {
            let (got, net) = run(&file, &[], "192.0.2.1", "");
            assert!(got[0].starts_with(says), "{got:?}");
            assert!(net.log.is_empty());
        }
        for name in ["", "../x", "a/b", ".x"] {
            let account = account(&PROVIDER, &[("service", name)]);
            let got = publish(&mut Fake::new(), &account, &[want("a.test 192.0.2.1")]);
            assert!(show(&got[0]).starts_with("FixConfig: option service must be"), "{got:?}");
        }
        let account = account(&PROVIDER, &[("service", "y")]);
        let got = publish(&mut Fake::new(), &account, &[want("a.test 192.0.2.1")]);
        assert!(show(&got[0]).starts_with("FixConfig: there is no y.json in"), "{got:?}");
    }
}
