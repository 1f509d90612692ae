//! The dyndns2 protocol: one GET with names and addresses, answered by one code for each name.
//! Spoken by Dyn, No-IP and half of the others; those are in `services.txt` and judged here too.
//!
//! The body counts first, the status only where the body says nothing that is known: some send
//! 200 with every refusal. The address in a `good` is compared with the one sent, for some
//! servers answer `good` with the address the request came from.

use super::one_shot::{Call, Said, Says, Shape, by_status, heard, run};
use super::services::{Answer, Service, ask};
use super::*;

pub const PROVIDER: Provider = Provider {
    id: "dyndns2",
    about: "any server that speaks dyndns2 (/nic/update)",
    families: &Family::BOTH,
    // What Dyn's own documents call too soon is not told in numbers; ddclient waits as long.
    min_interval: Duration::from_secs(30),
    batch: 20,
    ttl: None,
    local: false,
    options: &[
        OptionDoc::optional("server", Kind::HostPort, "the server; it is asked at /nic/update")
            .instead_of("url"),
        OptionDoc::optional("url", Kind::Url, "where to ask").instead_of("server"),
        OptionDoc::required("username", Kind::Text, "user"),
        OptionDoc::required("password", Kind::Secret, "password, or the key for updates"),
        OptionDoc::optional(
            "batch",
            Kind::OneOf(&["1", "5", "10", "20"]),
            "names in one request, with commas between them",
        )
        .or("20"),
        OptionDoc::optional(
            "families",
            Kind::OneOf(&["apart", "together"]),
            "together: both addresses in one request, with a comma between them",
        )
        .or("apart"),
        OptionDoc::optional("contact", Kind::Text, CONTACT),
    ],
    publish,
};

/// Help for `option contact`.
pub const CONTACT: &str = "a mail address of yours for the User-Agent, as some services wish";

/// After `911` and `dnserr`, unless the service wants more.
pub const REST: Duration = Duration::from_secs(600);

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let (site, base) = match (account.text("url"), account.text("server")) {
        (Some(url), _) => {
            let host = url.split('/').nth(2).unwrap_or_default();
            (host, url.to_string())
        }
        (None, Some(server)) => (server, ["https://", server, "/nic/update"].concat()),
        (None, None) => {
            let why = "option server or option url is needed: who is to be asked?";
            return vec![Outcome::FixConfig(why.into()); wants.len()];
        }
    };
    let together = account.text("families") == Some("together");
    let query = if base.contains('?') { "&" } else { "?" };
    let ip = if together { "{ips}" } else { "{ip}" };
    let service = Service {
        id: PROVIDER.id,
        site,
        basic: "{basic}",
        answer: Answer::Dyndns2,
        batch: account.text("batch").and_then(|text| text.parse().ok()).unwrap_or(20),
        every: PROVIDER.min_interval,
        rest: REST,
        url: [&base, query, "hostname={names}&myip=", ip].concat().into(),
    };
    let shape = Shape { together, batch: service.batch, named: true };
    // The owner's URL may hold brackets, for an IPv6 literal.
    let cut = false;
    run(net, account, wants, shape, &|call| ask(&service, account, call, cut), &|call, reply| {
        judge(call, reply, site, service.rest, account)
    })
}

/// What an answer says of each name.
pub fn judge(
    call: &Call<'_>,
    reply: &HttpReply,
    site: &str,
    rest: Duration,
    account: &Account,
) -> Said {
    let body = String::from_utf8_lossy(&reply.body);
    let lines: Vec<&str> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(call.names.len())
        .collect();
    let mut said = Said { each: Vec::new(), stop: false };
    for (line, name) in lines.iter().zip(&call.names) {
        let word = line.split_whitespace().next().unwrap_or_default();
        let yes = match word.to_ascii_lowercase().as_str() {
            "good" => Some(true),
            "nochg" => Some(false),
            _ => None,
        };
        said.each.push(match yes {
            // A failure is one, whatever its body.
            Some(changed) if reply.status < 300 => {
                Says::Yes { changed, heard: heard(line), sure: true }
            }
            _ => {
                let (outcome, all) = match code(word, site, name, rest) {
                    Some(known) => known,
                    None => by_status(reply, site, rest, account),
                };
                said.stop |= all;
                Says::No(outcome)
            }
        });
    }
    match &said.each[..] {
        [] => {
            let (outcome, stop) = by_status(reply, site, rest, account);
            Said::all(outcome, call.names.len(), stop)
        }
        // Codes about the account and the system come once.
        [Says::No(outcome)] => Said::all(outcome.clone(), call.names.len(), said.stop),
        _ => said,
    }
}

/// What a code means, and whether for every further request too. The codes of Dyn and No-IP,
/// and `badrequest` and `servererror` of others.
pub fn code(word: &str, site: &str, name: &str, rest: Duration) -> Option<(Outcome, bool)> {
    let lower = word.to_ascii_lowercase();
    let fix = |text: &str| Outcome::FixConfig([site, " ", text, " (", &lower, ")"].concat());
    let wait = |text: &str| Outcome::WaitUntil {
        after: rest,
        why: [site, " ", text, " (", &lower, ")"].concat(),
    };
    Some(match lower.as_str() {
        "badauth" => (fix("does not accept this user and password"), true),
        "!donator" => (fix("wants to be paid for this"), true),
        "badagent" => (fix("does not accept this program; option contact may help"), true),
        "abuse" => {
            (fix("has blocked this name or account for abuse: have it unblocked there"), true)
        }
        "!active" => (fix("says that the account is not active"), true),
        "notfqdn" => (fix(&["says that ", name, " is not a full name"].concat()), false),
        "nohost" | "!yours" => {
            (fix(&["has no ", name, " in this account: create it there first"].concat()), false)
        }
        "numhost" => (fix("finds too many names in one request, or a round robin"), false),
        "badsys" | "badrequest" => {
            (Outcome::Bug([site, " cannot read our request (", &lower, ")"].concat()), true)
        }
        "dnserr" => (wait("has trouble with its DNS"), true),
        "911" => (wait("has trouble, or is being looked after"), true),
        "servererror" => (Outcome::TryLater([site, " has a failure of its own"].concat()), true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::fake::*;
    use super::*;

    #[test]
    fn who_asks_and_with_what() {
        let account = account(
            &PROVIDER,
            &[
                ("server", "dyn.example"),
                ("username", "me"),
                ("password", "p:w"),
                ("contact", "me@example.org"),
            ],
        );
        let mut net = Fake::new();
        net.any = Some(HttpReply { status: 200, body: b"good".into(), ..HttpReply::default() });
        publish(&mut net, &account, &[want("a.test 192.0.2.1")]);
        let headers = &net.sent[0].headers;
        assert!(headers.contains(&("authorization".into(), "Basic bWU6cDp3".into())));
        let agent = concat!("reachd reachd/Linux-", env!("CARGO_PKG_VERSION"), " me@example.org");
        assert!(headers.contains(&("user-agent".into(), agent.into())));
    }
}
