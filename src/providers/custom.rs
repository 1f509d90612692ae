//! A request that the owner wrote: method, URL, headers, body, and how to tell success. For
//! services that reachd does not know. Placeholders are those of [`template`](super::template);
//! the answer is read by the tests of [`services`](super::services).

use super::dyndns2;
use super::one_shot::{Call, Says, Shape, run};
use super::services::{DYNDNS2, Tests, judge, owners_test};
use super::template::{Place, Values, fill, hush, uses};
use super::*;
use crate::world::HttpRequest;

pub const PROVIDER: Provider = Provider {
    id: "custom",
    about: "any service, by a request of your own",
    families: &Family::BOTH,
    // Whom it calls is not known here.
    min_interval: Duration::from_secs(60),
    batch: 1,
    ttl: None,
    local: false,
    options: &[
        OptionDoc::required(
            "url",
            Kind::Template,
            "what to ask; {fqdn} {ip} {ipv4} {ipv6} {host} {zone} {user} {password} are filled in",
        ),
        OptionDoc::required(
            "success",
            Kind::Tests,
            "when it worked, one of: 'text good', 'line OK', 'status 204', 'json /ok=true', \
             'dyndns2'",
        ),
        OptionDoc::optional("refused", Kind::Tests, "when to stop until you change something"),
        OptionDoc::optional("method", Kind::OneOf(METHODS), "the request's method").or("GET"),
        OptionDoc::optional("header", Kind::List, "'Name: value'; placeholders as in url"),
        OptionDoc::optional("body", Kind::Text, "what to send along; placeholders as in url"),
        OptionDoc::optional("content_type", Kind::Text, "what body is")
            .or("application/x-www-form-urlencoded"),
        OptionDoc::optional("username", Kind::Text, "for {user}, and {basic}: HTTP Basic's value"),
        OptionDoc::optional("password", Kind::Secret, "for {password} and {basic}"),
        OptionDoc::optional("zone", Kind::Domain, "for {zone} and {host}"),
    ],
    publish,
};

/// What a `config hook` takes: the same request, for anybody who should hear of a change.
pub const HOOK_OPTIONS: &[OptionDoc] = &[
    OptionDoc::required("url", Kind::Template, "whom to tell; {text} and others are filled in"),
    OptionDoc::optional("method", Kind::OneOf(METHODS), "the request's method").or("POST"),
    OptionDoc::optional("header", Kind::List, "'Name: value'; placeholders as in url"),
    OptionDoc::optional("body", Kind::Text, "what to send; placeholders as in url").or("{text}"),
    OptionDoc::optional("content_type", Kind::Text, "what body is").or("text/plain; charset=utf-8"),
    OptionDoc::optional("success", Kind::Tests, "when it worked, if the status does not tell"),
    OptionDoc::optional("username", Kind::Text, "for {user}, and {basic}: HTTP Basic's value"),
    OptionDoc::optional("password", Kind::Secret, "for {password} and {basic}"),
    OptionDoc::optional("token", Kind::Secret, "for {token}"),
];

/// What is filled in there.
pub const HOOK_FILLED: &[&str] =
    &["event", "name", "address", "text", "user", "password", "basic", "token"];

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH"];

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let all = |why: String| vec![Outcome::FixConfig(why); wants.len()];
    let tests = |option: &str| -> Result<Vec<String>, String> {
        let list = account.list(option).iter().map(|test| owners_test(test));
        list.collect::<Result<_, _>>().map_err(|why| format!("option {option}: {why}"))
    };
    let (ok, no) = match (tests("success"), tests("refused")) {
        (Ok(ok), Ok(no)) => (ok, no),
        (Err(why), _) | (_, Err(why)) => return all(why),
    };
    let tests = Tests { ok, no, ..Tests::default() };
    let url = account.text("url").unwrap_or_default();
    let texts: Vec<&str> = [Some(url), account.text("body")]
        .into_iter()
        .flatten()
        .chain(account.list("header").iter().map(String::as_str))
        .collect();
    let any = |words: &[&str]| texts.iter().any(|text| uses(text, words));
    let shape = Shape {
        together: any(&["ipv4", "ipv6", "ips"]),
        batch: 1,
        named: any(&["fqdn", "host", "names"]),
    };
    // Not the URL: the secret may be a part of it.
    let site = url.split('/').nth(2).unwrap_or_default();
    let site = if site.contains('{') { "the service" } else { site };
    run(
        net,
        account,
        wants,
        shape,
        &|call| {
            let [v4, v6] = call.addresses;
            request(account, &Values { account, names: &call.names, v4, v6 })
        },
        &|call, reply| {
            if tests.ok.iter().any(|test| test == DYNDNS2) {
                return dyndns2::judge(call, reply, site, dyndns2::REST, account);
            }
            judge(call, reply, &tests, site, dyndns2::REST, account)
        },
    )
}

/// Sends one request that is not about a record: `service` is read by [`HOOK_OPTIONS`] and holds
/// what is to be filled in as options.
pub fn send(net: &mut dyn Net, service: &Account) -> Outcome {
    let mut ok = Vec::new();
    for test in service.list("success") {
        match owners_test(test) {
            Ok(test) => ok.push(test),
            Err(why) => return Outcome::FixConfig(format!("option success: {why}")),
        }
    }
    if ok.is_empty() {
        ok = ["#200", "#201", "#202", "#204"].map(String::from).to_vec();
    }
    let request =
        match request(service, &Values { account: service, names: &[], v4: None, v6: None }) {
            Ok(request) => request,
            Err(why) => return Outcome::FixConfig(why),
        };
    let reply = match net.http(&request, &via(service)) {
        Ok(reply) => reply,
        Err(error) => return failed(&error, true),
    };
    let site = service.text("url").unwrap_or_default().split('/').nth(2).unwrap_or_default();
    let site = if site.contains('{') { "the service" } else { site };
    let tests = Tests { ok, ..Tests::default() };
    let said = judge(&Call::about(""), &reply, &tests, site, dyndns2::REST, service);
    match said.each.into_iter().next() {
        Some(Says::Yes { .. }) => Outcome::Updated,
        Some(Says::No(outcome)) => outcome,
        None => Outcome::NotConfirmed(format!("{site} said nothing of it")),
    }
}

/// The request of a service that is about no record.
pub fn request_of(service: &Account) -> Result<HttpRequest, String> {
    request(service, &Values { account: service, names: &[], v4: None, v6: None })
}

fn request(account: &Account, values: &Values<'_>) -> Result<HttpRequest, String> {
    let named = |option: &str, filled: Result<String, String>| {
        filled.map_err(|why| format!("option {option}: {}", hush(&why, account)))
    };
    let method = account.text("method").unwrap_or("GET");
    let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("GET");
    let url = fill(account.text("url").unwrap_or_default(), Place::Url, false, values);
    let mut request = HttpRequest::new(method, named("url", url)?);
    for header in account.list("header") {
        // The text itself may hold a secret.
        let Some((name, value)) = header.split_once(':') else {
            return Err("option header must be 'Name: value'".into());
        };
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(
                "option header: the name before ':' may hold letters, digits and - only".into()
            );
        }
        let value = named("header", fill(value.trim(), Place::Plain, false, values))?;
        if value.contains(|c: char| c.is_control() || !c.is_ascii()) {
            return Err("option header: the value may hold plain ASCII only".into());
        }
        request = request.header(name.to_ascii_lowercase(), value);
    }
    if let Some(body) = account.text("body") {
        let kind = account.text("content_type").unwrap_or_default();
        let place = match kind {
            kind if kind.contains("json") => Place::Json,
            kind if kind.contains("urlencoded") => Place::Url,
            _ => Place::Plain,
        };
        request.body = Some(named("body", fill(body, place, false, values))?.into_bytes());
        if !request.headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header("content-type", kind);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::fake::*;
    use super::*;

    #[test]
    fn what_is_sent() {
        let account = account(
            &PROVIDER,
            &[
                ("url", "https://dns.example/{zone}/{host}?k={password}"),
                ("method", "PUT"),
                ("header", "X-Key: {password}\nAuthorization: Basic {basic}"),
                ("content_type", "application/json"),
                (
                    "body",
                    "{\"name\": \"{fqdn}\", \"key\": \"{password}\", \"a\": {\"ip\": \"{ip}\"}}",
                ),
                ("username", "me"),
                ("password", "p\"&w"),
                ("zone", "example.org"),
                ("success", "status 204"),
            ],
        );
        let mut net = Fake::new();
        net.any = Some(HttpReply { status: 204, ..HttpReply::default() });
        let got = publish(&mut net, &account, &[want("a.example.org 192.0.2.1")]);
        assert_eq!(got, [Outcome::Updated]);
        let sent = &net.sent[0];
        assert_eq!(sent.method, "PUT");
        assert_eq!(sent.url, "https://dns.example/example.org/a?k=p%22%26w");
        let header = |name: &str| {
            let found = sent.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).unwrap_or("")
        };
        assert_eq!(header("x-key"), "p\"&w");
        assert_eq!(header("authorization"), "Basic bWU6cCImdw==");
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(
            std::str::from_utf8(sent.body.as_deref().unwrap()).unwrap(),
            "{\"name\": \"a.example.org\", \"key\": \"p\\\"&w\", \"a\": {\"ip\": \"192.0.2.1\"}}"
        );
    }

    #[test]
    fn what_cannot_be_sent_costs_no_request() {
        for (more, says) in [
            (("header", "X Key: 1"), "option header: the name"),
            (("header", "no colon"), "option header must be"),
            (("body", "{tokn}"), "option body: {tokn} needs option tokn"),
            (("url", "https://x/{ipv6}"), "option url: {ipv6} has no value"),
            (("success", "whatever"), "option success: \"whatever\" is not a test"),
        ] {
            let mut options = vec![("url", "https://x/{fqdn}/{ip}"), ("success", "text OK"), more];
            options.retain(|option| option.0 != more.0 || *option == more);
            let account = account(&PROVIDER, &options);
            let got = publish(&mut Fake::new(), &account, &[want("a.test 192.0.2.1")]);
            let Outcome::FixConfig(text) = &got[0] else { panic!("{got:?}") };
            assert!(text.starts_with(says), "{text}");
        }
    }
}
