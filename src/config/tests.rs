//! Every complaint with its exact words, and what a good config becomes.

mod hosts;

use super::*;
use crate::model::account::Setting;
use crate::model::name::{Family, SharedLine};
use crate::providers::{Kind, OptionDoc};
use std::time::Duration;

const fn option(name: &'static str, kind: Kind, required: bool) -> OptionDoc {
    OptionDoc { required, ..OptionDoc::optional(name, kind, "") }
}

const fn provider(
    id: &'static str,
    families: &'static [Family],
    local: bool,
    options: &'static [OptionDoc],
) -> Provider {
    let min_interval = Duration::ZERO;
    Provider {
        id,
        about: "",
        families,
        min_interval,
        batch: 1,
        ttl: Some((0, 604_800)),
        local,
        options,
        publish: |_, _, _| Vec::new(),
    }
}

/// The shapes of the real ones, and one that has IPv4 only.
static PROVIDERS: &[Provider] = &[
    provider(
        "cloudflare",
        &Family::BOTH,
        false,
        &[
            OptionDoc {
                help: "API token with Zone.DNS edit",
                ..option("token", Kind::Secret, true)
            },
            option("zone", Kind::Domain, false),
            option("zone_id", Kind::Text, false),
            OptionDoc {
                default: Some("https://api.cloudflare.com/client/v4"),
                ..option("url", Kind::Url, false)
            },
        ],
    ),
    provider("hosts", &Family::BOTH, true, &[option("path", Kind::Path, true)]),
    provider(
        "rfc2136",
        &Family::BOTH,
        false,
        &[
            option("server", Kind::HostPort, true),
            option("zone", Kind::Domain, true),
            option("key_name", Kind::Text, false),
            option("key_algorithm", Kind::OneOf(&["hmac-sha256", "hmac-sha512"]), false),
            option("key_secret", Kind::Secret, false),
        ],
    ),
    provider("v4only", &[Family::Ipv4], false, &[]),
];

/// What lies beside the config.
fn files(path: &str) -> Result<SecretFile, String> {
    let (bytes, mode): (&[u8], u32) = match path {
        "/etc/reachd/cf.token" => (b"  hunter2 \nnot this\n", 0o600),
        "/etc/reachd/open.token" => (b"hunter2", 0o100644),
        "/etc/reachd/empty" => (b"\nhunter2\n", 0o600),
        "/etc/reachd/binary" => (b"\xff\xfe\n", 0o600),
        _ => return Err("No such file or directory".into()),
    };
    Ok(SecretFile { bytes: bytes.to_vec(), mode })
}

fn read_mode(text: &str, mode: u32) -> (Option<Config>, Vec<Complaint>) {
    read_with(PROVIDERS, "reachd", text.as_bytes(), mode, &mut files)
}

/// The config of a text that nothing is said against.
fn good(text: &str) -> Config {
    let (config, complaints) = read_mode(text, 0o600);
    let said: Vec<_> = complaints.iter().map(Complaint::to_string).collect();
    assert_eq!(said, [""; 0]);
    config.unwrap()
}

#[track_caller]
fn expect(text: &str, severity: Severity, mode: u32, expected: &[&str]) {
    let (config, complaints) = read_mode(text, mode);
    let said: Vec<_> = complaints.iter().map(Complaint::to_string).collect();
    assert_eq!(said, expected, "of\n{text}");
    assert!(complaints.iter().all(|complaint| complaint.severity == severity));
    assert_eq!(config.is_some(), severity == Severity::Warning);
    assert!(said.iter().all(|line| !line.contains("hunter2")), "{said:?}");
}

#[track_caller]
fn errors(text: &str, expected: &[&str]) {
    expect(text, Severity::Error, 0o600, expected);
}

#[track_caller]
fn warnings(text: &str, expected: &[&str]) {
    expect(text, Severity::Warning, 0o600, expected);
}

const HOSTS: &str = "config account 'h'\n\toption provider 'hosts'\n\toption path '/tmp/h'\n";
const NAME: &str = "config name 'n'\n\toption fqdn 'n.test'\n\toption account 'h'\n";

/// [`HOSTS`] and [`NAME`] (lines 1 to 6), then more options of the name from line 7 on.
fn name(more: &str) -> String {
    [HOSTS, NAME, more].concat()
}

/// A good name, then a section 'cf' whose options begin in line 9.
fn cloudflare(more: &str) -> String {
    name(&["\nconfig account 'cf'\n\toption provider 'cloudflare'\n", more].concat())
        .replace("\n\nconfig", "\nconfig")
}

#[test]
fn a_full_config_becomes_values() {
    let config = good(
        "config reachd 'main'\n\toption enabled 'off'\n\toption log_level 'debug'\n\
         \toption journal 'j'\n\toption journal_copy '/etc/reachd/journal'\n\
         \tlist assume_public '203.0.113.0/24'\n\tlist assume_public '2001:db8::/32'\n\
         \toption coalesce '50'\n\
         config lookup 'outside'\n\tlist url 'https://api4.one.example/ip'\n\
         \tlist url 'https://two.example/'\n\toption interval '600'\n\
         config name 'home'\n\toption fqdn 'Home.Example.TEST.'\n\toption account 'lab'\n\
         \toption wan 'wan'\n\tlist family 'ipv6'\n\toption ttl '60'\n\
         \toption shared_line 'outside'\n\
         config account 'lab'\n\toption provider 'rfc2136'\n\toption server '192.0.2.53'\n\
         \toption zone 'example.test.'\n\toption key_name 'ddns-key'\n\
         \toption key_algorithm 'hmac-sha256'\n\toption key_secret 'c2VjcmV0'\n\
         config account 'cf'\n\toption provider 'cloudflare'\n\
         \toption token_file '/etc/reachd/cf.token'\n\toption ca_file '/etc/ca.pem'\n\
         \toption wan 'eth1'\n\
         config name\n\toption fqdn '*.example.org'\n\toption account 'cf'\n",
    );
    assert!(!config.enabled);
    assert_eq!(config.log_level, log::LevelFilter::Debug);
    assert_eq!(
        (config.journal.as_str(), config.journal_copy.as_deref()),
        ("j", Some("/etc/reachd/journal"))
    );
    assert_eq!(config.assume_public.len(), 2);
    assert_eq!(config.coalesce, Duration::from_millis(50));
    let operators: Vec<_> = config.lookup.services.iter().map(|s| s.operator.as_str()).collect();
    assert_eq!(operators, ["one.example", "two.example"]);
    assert_eq!((config.lookup.agree, config.lookup.interval.as_secs()), (2, 600));

    let lab = config.account("lab").unwrap();
    assert_eq!(lab.text("zone"), Some("example.test"));
    assert_eq!(lab.secret("key_secret").unwrap().expose(), "c2VjcmV0");
    let cf = config.account("cf").unwrap();
    assert_eq!(cf.secret("token").unwrap().expose(), "hunter2");
    assert_eq!(cf.text("url"), Some("https://api.cloudflare.com/client/v4"));
    assert_eq!((cf.wan.as_deref(), cf.ca_file.as_deref()), (Some("eth1"), Some("/etc/ca.pem")));
    assert!(!cf.options.contains_key("token_file") && !cf.allow_http);
    assert!(matches!(cf.options.get("token"), Some(Setting::Secret(_))));
    assert!(!format!("{config:?}").contains("hunter2"));

    let [home, all] = config.names.as_slice() else { panic!() };
    assert_eq!((home.section.as_str(), home.fqdn.as_str()), ("home", "home.example.test"));
    assert_eq!((home.families.as_slice(), home.ttl), (&[Family::Ipv6][..], Some(60)));
    assert_eq!((home.shared_line, home.wan.as_deref()), (SharedLine::Outside, Some("wan")));
    assert_eq!((all.section.as_str(), all.fqdn.as_str()), ("@name[1]", "*.example.org"));
    assert_eq!((all.families.as_slice(), all.ttl), (&Family::BOTH[..], None));
    assert_eq!(all.shared_line, SharedLine::Skip);
}

#[test]
fn defaults_hold_where_nothing_is_written() {
    let config = good(&name(""));
    assert!(config.enabled);
    assert_eq!(config.log_level, log::LevelFilter::Info);
    assert_eq!(config.journal, "/var/run/reachd/journal");
    assert_eq!((config.journal_copy, config.coalesce), (None, Duration::from_millis(200)));
    assert!(config.lookup.services.is_empty());
    assert_eq!((config.lookup.agree, config.lookup.interval.as_secs()), (2, 300));
}

#[test]
fn a_broken_file_is_one_complaint() {
    errors(
        "config account 'home'\nconfig name 'home'\n",
        &["reachd:2: the name 'home' is already taken by config account 'home' in line 1: a name \
           can be used once in a file, whatever the kind; choose another one here (uci says: Parse \
           error (section of different type overwrites prior section with same name) at line 2, \
           byte 19)"],
    );
}

#[test]
fn sections_complained_of() {
    errors(
        &name("config acount 'x'\nconfig server 'y'\n"),
        &[
            "reachd:7: section 'x': config acount is not a kind of section here; did you mean \
             'account'?",
            "reachd:8: section 'y': config server is not a kind of section here; there is: \
             reachd, lookup, account, name, hook, accept",
        ],
    );
    errors(
        &name("config reachd 'main'\nconfig reachd 'more'\nconfig lookup\nconfig lookup\n"),
        &[
            "reachd:8: section 'more': there is a section config reachd in line 7 already: put \
             all its options there",
            "reachd:10: section '@lookup[1]': there is a section config lookup in line 9 already: \
             put all its options there",
        ],
    );
    errors(
        &name("config name 'n'\n\toption fqdn 'm.test'\n"),
        &[
            "reachd:7: section 'n': is opened a second time (first in line 4): give it a name of \
             its own, or put the options together",
            "reachd:8: section 'n', option 'fqdn': is set twice (first in line 5): remove one of \
             them",
        ],
    );
    warnings(
        "",
        &[
            "reachd: there is no name to keep: add a section config name 'home' with fqdn and account",
        ],
    );
    good("config reachd 'main'\n\toption enabled '0'\n");
}

#[test]
fn values_of_the_wrong_shape() {
    errors(
        &name(
            "\toption ttl 'soon'\n\toption wan 'a b'\n\tlist shared_line 'skip'\n\tlist shared_line 'wan'\n",
        ),
        &[
            "reachd:7: section 'n', option 'ttl': must be a whole number of seconds from 1 to \
             604800, not 'soon'",
            "reachd:8: section 'n', option 'wan': 'a b' is neither a network like 'wan' nor a \
             device like 'eth1'",
            "reachd:9: section 'n', option 'shared_line': takes one value, not a list: option \
             shared_line 'VALUE'",
        ],
    );
    errors(
        &name("\toption ttl '604801'\n"),
        &[
            "reachd:7: section 'n', option 'ttl': must be a whole number of seconds from 1 to 604800, not '604801'",
        ],
    );
    errors(
        &name("\toption wan 'a\x01'\n\tlist family 'ipv4'\n\tlist family ''\n"),
        &[
            "reachd:7: section 'n', option 'wan': holds a line break or another control \
             character: remove it",
            "reachd:9: section 'n', option 'family': is empty: remove this line",
        ],
    );
    let bytes = [HOSTS.as_bytes(), NAME.as_bytes(), b"\toption wan '\xff'\n"].concat();
    let (_, complaints) = read_with(PROVIDERS, "f", &bytes, 0o600, &mut files);
    assert_eq!(
        complaints[0].to_string(),
        "f:7: section 'n', option 'wan': is not UTF-8 text: type it again in a UTF-8 editor"
    );
    for (text, enabled) in [
        ("enabled", 1),
        ("yes", 1),
        ("true", 1),
        ("on", 1),
        ("no", 0),
        ("false", 0),
        ("disabled", 0),
    ] {
        let config = good(&name(&["\toption enabled '", text, "'\n"].concat()));
        assert_eq!(config.names.len(), enabled, "{text}");
    }
    errors(
        &name("\toption enabled 'maybe'\n"),
        &["reachd:7: section 'n', option 'enabled': must be 1 or 0, not 'maybe'"],
    );
}

#[test]
fn the_daemons_own_options() {
    errors(
        &name(
            "config reachd 'main'\n\toption log_level 'inof'\n\toption log_level_x '1'\n\
             \toption journal '/tmp/'\n\tlist assume_public '203.0.113.0/33'\n\
             \toption coalesce '60001'\n\toption colour 'red'\n",
        ),
        &[
            "reachd:8: section 'main', option 'log_level': 'inof' is not known here; did you mean \
             'info'?",
            "reachd:9: section 'main', option 'log_level_x': is not an option of this section; \
             did you mean 'log_level'?",
            "reachd:10: section 'main', option 'journal': must be a file, and '/tmp/' is a folder",
            "reachd:11: section 'main', option 'assume_public': '203.0.113.0/33' is not a prefix \
             like 203.0.113.0/24",
            "reachd:12: section 'main', option 'coalesce': must be a whole number of milliseconds \
             from 0 to 60000, not '60001'",
            "reachd:13: section 'main', option 'colour': is not an option of this section; there \
             is: enabled, log_level, journal, journal_copy, assume_public, coalesce, hooks_dir, \
             report, report_every",
        ],
    );
    errors(
        &name(
            "config reachd 'main'\n\toption log_level 'loud'\n\toption journal '/j'\n\toption journal_copy '/j'\n",
        ),
        &[
            "reachd:8: section 'main', option 'log_level': must be one of error, warn, info, \
             debug, not 'loud'",
            "reachd:10: section 'main', option 'journal_copy': is the journal itself: the copy \
             needs a file of its own, on flash",
        ],
    );
}

#[test]
fn lookups() {
    let lookup = |more: &str| name(&["config lookup 'outside'\n", more].concat());
    errors(
        &lookup(
            "\tlist url 'stun:stun.example.org:x'\n\tlist url 'dns:me.example@ns1.example/MX'\n\
             \tlist url 'gateway:192.168.1.1'\n\tlist url 'http://a.example/'\n\tlist url 'a.example'\n\
             \tlist url 'https://me:hunter2@a.example/'\n\toption agree '0'\n\
             \toption interval '59'\n\toption every '5'\n\
             \tlist url 'dns:me_x.example@ns1.example/A'\n\
             \tlist url 'dns:me.example@192.0.2.53/AAAA'\n",
        ),
        &[
            "reachd:8: section 'outside', option 'url': 'stun.example.org:x' must be HOST or \
             HOST:PORT, the port from 1 to 65535",
            "reachd:9: section 'outside', option 'url': must be like dns:NAME@SERVER/TYPE, TYPE \
             one of A, AAAA, TXT, CH-TXT",
            "reachd:10: section 'outside', option 'url': must be gateway: alone: the router \
             above is found by its route",
            "reachd:11: section 'outside', option 'url': is not encrypted, so anyone on the way \
             can make up the answer: use https://, or set option allow_http '1' in a lab",
            "reachd:12: section 'outside', option 'url': must start with https://",
            "reachd:13: section 'outside', option 'url': must not hold a user or password: there \
             are options for them",
            "reachd:14: section 'outside', option 'agree': must be a whole number of services \
             from 1 to 10, not '0'",
            "reachd:15: section 'outside', option 'interval': must be a whole number of seconds \
             from 60 to 86400, not '59'",
            "reachd:16: section 'outside', option 'every': is not an option of this section; \
             there is: url, agree, interval, ca_file, allow_http, gateway_map, resolver",
            "reachd:17: section 'outside', option 'url': the part 'me_x' of 'me_x.example' may \
             hold letters, digits and hyphens only",
            "reachd:18: section 'outside', option 'url': can tell nothing: its server and its \
             type are of different families",
        ],
    );
    errors(
        &lookup("\tlist url 'https://ip4.a.example/'\n\tlist url 'https://ip6.a.example/'\n"),
        &["reachd:8: section 'outside', option 'url': 2 independent services must agree, but \
           those listed are run by 1 (a.example): list more, or set option agree '1'"],
    );
    errors(
        &lookup(
            "\toption agree '3'\n\tlist url 'https://a.example/'\n\tlist url 'https://b.example'\n",
        ),
        &["reachd:8: section 'outside', option 'agree': 3 independent services must agree, but \
           those listed are run by 2 (a.example, b.example): list more, or set option agree '2'"],
    );
    warnings(
        &lookup(
            "\toption allow_http '1'\n\toption agree '1'\n\tlist url 'http://192.0.2.1:8080/ip'\n",
        ),
        &["reachd:10: section 'outside', option 'url': is not encrypted: anyone on the way can \
           make up the answer"],
    );
    let config =
        good(&lookup("\toption agree '1'\n\toption url 'https://a.example https://b.example'\n"));
    assert_eq!(config.lookup.services.len(), 2);
    let config = good(&lookup(
        "\tlist url 'stun:stun.l.google.com:19302'\n\tlist url 'dns:me.example@192.0.2.53/TXT'\n\
         \tlist url 'gateway:'\n\tlist url 'stun:[2001:db8::1]'\n\toption gateway_map '1'\n",
    ));
    let services = crate::lookup::services(&config.lookup, Family::Ipv4);
    let operators: Vec<_> = services.iter().map(|one| &one.operator[..]).collect();
    assert_eq!(operators, ["Google", "192.0.2.53", "gateway"]);
    assert_eq!(crate::lookup::services(&config.lookup, Family::Ipv6).len(), 2);
    assert!(config.lookup.gateway_map);
    // Two for IPv4 are enough, though only one of them can tell IPv6.
    good(&lookup("\tlist url 'stun:a.example'\n\tlist url 'dns:me.example@192.0.2.53/A'\n"));
    // More than two may be asked for of the built-in services.
    assert_eq!(good(&lookup("\toption agree '3'\n")).lookup.agree, 3);
}

#[test]
fn accounts() {
    errors(
        &name(
            "config account\n\toption provider 'cloudflair'\nconfig account 'x'\nconfig account 'y'\n\toption provider 'route53'\n",
        ),
        &[
            "reachd:7: section '@account[1]': needs a name, for names to refer to: config account \
             'cf'",
            "reachd:8: section '@account[1]', option 'provider': 'cloudflair' is not known here; \
             did you mean 'cloudflare'?",
            "reachd:9: section 'x', option 'provider': is missing: who holds the records? One of \
             those that reachd providers lists",
            "reachd:11: section 'y', option 'provider': 'route53' is not known here: see \
             reachd providers, or take 'custom'",
        ],
    );
    errors(
        &cloudflare(
            "\toption tokn 'hunter2'\n\toption zone '-x'\n\toption url 'http://192.0.2.1/'\n\toption ca_file '/etc/ssl/'\n",
        ),
        &[
            "reachd:7: section 'cf', option 'token': is missing, and so is 'token_file'; provider \
             'cloudflare' needs it: API token with Zone.DNS edit",
            "reachd:9: section 'cf', option 'tokn': is not an option of this section; did you \
             mean 'token'?",
            "reachd:10: section 'cf', option 'zone': the part '-x' of '-x' may not start or end \
             with a hyphen",
            "reachd:11: section 'cf', option 'url': would send everything, the secret too, in the \
             clear: use https://, or set option allow_http '1' in a lab",
            "reachd:12: section 'cf', option 'ca_file': must be a file, and '/etc/ssl/' is a \
             folder",
        ],
    );
    warnings(
        &cloudflare(
            "\toption token 'x'\n\toption allow_http '1'\n\toption url 'http://192.0.2.1/'\n",
        ),
        &["reachd:11: section 'cf', option 'url': is not encrypted: anyone on the way can read \
           the secret"],
    );
    errors(
        &name(
            "config account 'l'\n\toption provider 'rfc2136'\n\toption server '2001:db8::53'\n\toption key_algorithm 'hmac-sha265'\n\toption token 'x'\n",
        ),
        &[
            "reachd:7: section 'l', option 'zone': is missing; provider 'rfc2136' needs it",
            "reachd:9: section 'l', option 'server': write an IPv6 address in brackets: \
             [2001:db8::53]",
            "reachd:10: section 'l', option 'key_algorithm': 'hmac-sha265' is not known here; did \
             you mean 'hmac-sha256'?",
            "reachd:11: section 'l', option 'token': is not an option of this section; there is: \
             enabled, provider, wan, ca_file, allow_http, server, zone, key_name, key_algorithm, \
             key_secret, key_secret_file",
        ],
    );
}

#[test]
fn secrets() {
    for (more, says) in [
        (
            "\toption token 'hunter2'\n\toption token_file '/etc/reachd/cf.token'\n",
            "reachd:10: section 'cf', option 'token_file': is given beside option 'token': keep \
             one of the two",
        ),
        (
            "\toption token_file 'hunter2'\n",
            "reachd:9: section 'cf', option 'token_file': could not read this file: No such file \
             or directory; put the secret there as its first line",
        ),
        (
            "\toption token_file '/etc/reachd/empty'\n",
            "reachd:9: section 'cf', option 'token_file': the first line of this file is empty: \
             put the secret there",
        ),
        (
            "\toption token_file '/etc/reachd/binary'\n",
            "reachd:9: section 'cf', option 'token_file': the first line of this file is not \
             plain text: put the secret alone there",
        ),
        (
            "\toption token 'hunter2\nhunter2'\n",
            "reachd:9: section 'cf', option 'token': holds a line break or another control \
             character: remove it",
        ),
        (
            "\toption token my hunter2\n",
            "reachd:9: there is more after option NAME 'VALUE': a value with blanks in it goes in \
             quotes, each command on a line of its own (uci says: Parse error (too many \
             arguments) at line 9, byte 25)",
        ),
    ] {
        errors(&cloudflare(more), &[says]);
    }
    warnings(
        &cloudflare("\toption token_file '/etc/reachd/open.token'\n"),
        &[
            "reachd:9: section 'cf', option 'token_file': anyone on this machine can read it: chmod \
           600 /etc/reachd/open.token",
        ],
    );
    expect(
        &cloudflare("\toption token 'hunter2'\n"),
        Severity::Warning,
        0o644,
        &["reachd:9: section 'cf', option 'token': anyone on this machine can read it: chmod 600 \
           reachd"],
    );
    // Nothing to hide in the config itself.
    let (_, complaints) =
        read_mode(&cloudflare("\toption token_file '/etc/reachd/cf.token'\n"), 0o644);
    assert_eq!(complaints, []);
}

#[test]
fn names() {
    errors(
        "config name 'n'\n\toption acount 'h'\n\toption host '::10'\n",
        &[
            "reachd:1: section 'n', option 'account': is missing: it says who holds this name",
            "reachd:1: section 'n', option 'fqdn': is missing: the full name to keep, like \
             home.example.org",
            "reachd:2: section 'n', option 'acount': is not an option of this section; did you \
             mean 'account'?",
        ],
    );
    errors(
        "config name 'n'\n\toption fqdn 'n.test'\n\toption account 'lab'\n",
        &[
            "reachd:3: section 'n', option 'account': there is no section config account 'lab': add \
           a section config account 'lab'",
        ],
    );
    let lab = "config account 'lab'\n\toption provider 'v4only'\n";
    errors(
        &[HOSTS, lab, "config name 'n'\n\toption fqdn 'n.test'\n\toption account 'lba'\nconfig name 'm'\n\toption fqdn 'm.test'\n"].concat(),
        &[
            "reachd:8: section 'n', option 'account': there is no section config account 'lba'; \
             did you mean 'lab'?",
            "reachd:9: section 'm', option 'account': is missing: it says who holds this name; \
             there is: h, lab",
        ],
    );
    errors(
        &[lab, "config name 'n'\n\toption fqdn 'router'\n\toption account 'lab'\n\tlist family 'ipv6'\n\tlist family 'ip4'\n\tlist family 'any'\n"].concat(),
        &[
            "reachd:4: section 'n', option 'fqdn': 'router' has no dot: write the full name, like \
             home.example.org",
            "reachd:6: section 'n', option 'family': provider 'v4only' holds no ipv6 addresses: \
             remove this one",
            "reachd:7: section 'n', option 'family': 'ip4' is not known here; did you mean \
             'ipv4'?",
            "reachd:8: section 'n', option 'family': must be one of ipv4, ipv6, not 'any'",
        ],
    );
    errors(
        &name(
            "config name 'm'\n\toption fqdn 'N.test.'\n\toption account 'h'\nconfig name 'o'\n\toption fqdn 'm\u{fc}nchen.test'\n\toption account 'h'\n",
        ),
        &[
            "reachd:8: section 'm', option 'fqdn': section 'n' keeps n.test in the same account \
             already: remove one of the two",
            "reachd:11: section 'o', option 'fqdn': 'm\u{fc}nchen.test' has letters beyond ASCII: \
             write its xn-- form, as your provider's pages show it",
        ],
    );
    errors(
        &cloudflare(
            "\toption token 'x'\n\toption zone 'example.org'\nconfig name 'z'\n\toption fqdn 'www.badexample.org'\n\toption account 'cf'\n",
        ),
        &[
            "reachd:12: section 'z', option 'fqdn': 'www.badexample.org' is not inside example.org, \
           the zone of account 'cf'",
        ],
    );
    warnings(
        &name("\tlist family 'ipv4'\n\tlist family 'ipv4'\n"),
        &["reachd:8: section 'n', option 'family': ipv4 is listed twice"],
    );
    let config =
        good(&[lab, "config name 'n'\n\toption fqdn 'n.test'\n\toption account 'lab'\n"].concat());
    assert_eq!(config.names[0].families, [Family::Ipv4]);
    // The zone itself is inside it; a name for a hosts file needs no dot.
    good(&cloudflare(
        "\toption token 'x'\n\toption zone 'example.org'\nconfig name 'z'\n\toption fqdn 'example.org'\n\toption account 'cf'\n",
    ));
    good(&[HOSTS, "config name 'n'\n\toption fqdn 'router'\n\toption account 'h'\n"].concat());
}

#[test]
fn what_is_disabled_may_be_half_written() {
    let config = good(&name(
        "config account 'x'\n\toption enabled '0'\n\toption provider 'nobody'\nconfig name 'y'\n\toption enabled '0'\n\toption account 'gone'\n",
    ));
    assert_eq!((config.accounts.len(), config.names.len()), (1, 1));
    warnings(
        &name("").replace("'hosts'\n", "'hosts'\n\toption enabled '0'\n"),
        &[
            "reachd:7: section 'n', option 'account': account 'h' is disabled, so this name is left \
           alone",
        ],
    );
}

#[test]
fn an_error_in_an_account_is_not_said_again_of_its_names() {
    errors(
        "config account 'h'\n\toption provider 'hosts'\nconfig name 'n'\n\toption fqdn 'n.test'\n\toption account 'h'\n",
        &["reachd:1: section 'h', option 'path': is missing; provider 'hosts' needs it"],
    );
}

#[test]
fn fingerprints_change_with_what_matters() {
    let print = |more: &str| good(&cloudflare(more)).accounts[1].fingerprint;
    let inline = print("\toption token 'hunter2'\n");
    assert_eq!(inline, print("\toption token_file '/etc/reachd/cf.token'\n"), "same secret");
    assert_eq!(inline, print("# a comment\n\n\toption token hunter2\n\toption enabled 1\n"));
    assert_ne!(inline, print("\toption token 'hunter3'\n"));
    assert_ne!(inline, print("\toption token 'hunter2'\n\toption zone 'test'\n"));
    assert_ne!(inline, print("\toption token 'hunter2'\n\toption wan 'wan'\n"));
    let print = |more: &str| good(&name(more)).names[0].fingerprint;
    let plain = print("");
    assert_eq!(
        plain,
        print("\toption shared_line 'skip'\n\tlist family ipv4\n\tlist family ipv6\n")
    );
    for more in ["ttl '60'", "shared_line 'wan'", "wan 'wan'", "family 'ipv4'"] {
        assert_ne!(plain, print(&["\toption ", more, "\n"].concat()), "{more}");
    }
}

/// With the real option tables, where those are there.
#[test]
fn the_shipped_examples_are_fine() {
    let real = providers::find("hosts").is_some_and(|hosts| !hosts.options.is_empty());
    let providers = if real { providers::all() } else { PROVIDERS };
    for (name, text) in [
        ("quickstart", include_str!("../../examples/quickstart")),
        ("cloudflare", include_str!("../../examples/cloudflare")),
        ("bind", include_str!("../../examples/bind")),
        ("cgnat", include_str!("../../examples/cgnat")),
        ("custom", include_str!("../../examples/custom")),
    ] {
        let mut secret = |path: &str| {
            assert!(path.starts_with("/etc/reachd/"), "{name}: {path}");
            Ok(SecretFile { bytes: b"c2VjcmV0\n".to_vec(), mode: 0o100600 })
        };
        let (config, complaints) = read_with(providers, name, text.as_bytes(), 0o644, &mut secret);
        assert_eq!(complaints, [], "{name}");
        assert!(!config.unwrap().names.is_empty(), "{name}");
    }
}

/// Options of the kinds that only some providers have.
#[test]
fn templates_and_tests() {
    let config = |more: &str| {
        let text = format!(
            "config account 'c'\n\toption provider 'custom'\n{more}\nconfig name 'n'\n\toption \
             fqdn 'n.test'\n\toption account 'c'\n"
        );
        let (config, complaints) =
            read_with(providers::all(), "reachd", text.as_bytes(), 0o600, &mut files);
        let said: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
        (config.is_some(), said.join("\n"))
    };
    let url = "\toption url 'https://x.test/{fqdn}?a={ipv6|keep}'\n";
    let success = "\tlist success 'text good morning'\n\tlist success 'status 204'\n";
    assert_eq!(config(&[url, success].concat()), (true, String::new()));
    for (more, says) in [
        ("\toption url 'https://x.test/{fdqn}'\n", "{fdqn} is not filled in; did you mean 'fqdn'?"),
        ("\toption url 'http://x.test/{fqdn}'\n", "would send everything, the secret too"),
        ("\toption url 'https://a:b@x.test/'\n", "must not hold a user or password"),
    ] {
        let (fine, said) = config(&[more, success].concat());
        assert!(!fine && said.contains(says), "{said}");
    }
    for (more, says) in [
        ("\toption success 'good'\n", "is not a test"),
        ("", "option 'success': is missing; provider 'custom' needs it"),
    ] {
        let (fine, said) = config(&[url, more].concat());
        assert!(!fine && said.contains(says), "{said}");
    }
}
