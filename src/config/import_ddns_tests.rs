//! What becomes of old configs, and that what comes out is one of ours.

use super::super::{Severity, read};
use super::*;
use crate::model::account::Setting;
use crate::providers::OptionDoc;

fn imported(text: &[u8]) -> String {
    import(text).unwrap()
}

/// The new config is one, whatever may be warned of.
pub fn checked(text: &str) -> crate::model::config::Config {
    let (config, complaints) =
        read("imported", text.as_bytes(), 0o600, &mut |_| Err("no files here".into()));
    let errors: Vec<String> = complaints
        .iter()
        .filter(|complaint| complaint.severity == Severity::Error)
        .map(|complaint| complaint.to_string())
        .collect();
    assert_eq!(errors, [""; 0], "{text}");
    config.unwrap()
}

#[test]
fn everything_at_once() {
    let text = imported(include_bytes!("../../tests/data/ddns/everything"));
    let expected = include_str!("../../tests/data/ddns/everything.imported");
    assert_eq!(text, expected, "{text}");
    let config = checked(&text);
    assert!(config.names.len() >= 8);
    assert!(!text.contains("never-shown"));
}

/// Nothing of the old config is missing: it is an option's value, or a comment names it.
#[test]
fn nothing_is_dropped_silently() {
    let old = include_bytes!("../../tests/data/ddns/everything");
    let text = imported(old);
    for section in &uci::parse(old).unwrap().sections {
        for option in &section.options {
            let Value::One(value) = &option.value else { continue };
            let whole = section.name.as_ref().map(|name| format!("section '{name}': "));
            if whole.is_some_and(|whole| text.contains(&["# not carried over: ", &whole].concat()))
            {
                continue;
            }
            // These two stand there in another form.
            let value = match &option.name[..] {
                "update_url" => "dns.example/set?".into(),
                "param_enc" => "a%20b".into(),
                _ => String::from_utf8_lossy(value),
            };
            let carried = text.contains(&value.replace('\'', "'\\''"));
            assert!(carried || text.contains(&option.name), "{} '{value}'", option.name);
        }
    }
}

/// A script-driven service, at a provider with the given options.
fn with(docs: Vec<OptionDoc>, id: &'static str, text: &str) -> String {
    let provider = Provider { id, options: docs.leak(), ..providers::ALL[0] };
    let text = ["config service 's'\n", text].concat();
    let find = |asked: &str| Some(&provider).filter(|provider| provider.id == asked);
    import_with(&find, text.as_bytes()).unwrap()
}

#[test]
fn credentials_by_the_providers_own_names() {
    let old = "option service_name 'aliyun.com'\noption domain 'nas@example.org'\n\
               option username 'AK'\noption password 'SK'\n";
    let docs = vec![
        OptionDoc::required("access_key_id", Kind::Text, ""),
        OptionDoc::required("access_key_secret", Kind::Secret, ""),
        OptionDoc::optional("zone", Kind::Domain, ""),
    ];
    let text = with(docs, "aliyun", old);
    for line in [
        "\toption access_key_id 'AK'\n",
        "\toption access_key_secret 'SK'\n",
        "\toption zone 'example.org'\n",
        "\toption fqdn 'nas.example.org'\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let old = "option service_name 'dnspod.cn'\noption domain 'nas@example.org'\n\
               option username '13490'\noption password 'T'\n";
    let text = with(vec![OptionDoc::required("token", Kind::Secret, "")], "dnspod", old);
    assert!(text.contains("\toption token '13490,T'\n"), "{text}");
    let old = "option service_name 'pdns'\noption domain 'example.org'\noption username '@'\n\
               option password 'K'\noption param_opt 'https://pdns.example:8081'\n";
    let docs = vec![
        OptionDoc::required("url", Kind::Url, ""),
        OptionDoc::required("key", Kind::Secret, ""),
    ];
    let text = with(docs, "powerdns", old);
    assert!(text.contains("\toption url 'https://pdns.example:8081'\n"), "{text}");
    assert!(text.contains("\toption key 'K'\n"), "{text}");
    assert!(text.contains("\toption fqdn 'example.org'\n"), "{text}");
}

#[test]
fn services_whose_requests_are_signed() {
    let mut old = String::new();
    for (name, domain) in [
        ("aliyun.com", "nas@example.org"),
        ("dnspod.cn", "nas@example.org"),
        ("dnspod.cn-v3", "nas@example.org"),
        ("huaweicloud.com", "@example.org"),
        ("route53-v1", "Z1D633PJN98FT9"),
    ] {
        old += &format!(
            "config service '{}'\noption service_name '{name}'\noption domain '{domain}'\n\
             option lookup_host 'nas.example.org'\noption enabled 1\noption username 'ID'\n\
             option password 'KEY'\n",
            name.replace(['.', '-'], "_")
        );
    }
    let config = checked(&imported(old.as_bytes()));
    let shown: Vec<String> = config
        .accounts
        .iter()
        .map(|account| {
            let options = account.options.iter().filter(|(name, _)| *name != "url");
            let shown = options.map(|(name, value)| match value {
                Setting::Text(text) => format!("{name}={text}"),
                Setting::Secret(secret) => format!("{name}={}", secret.expose()),
                Setting::List(_) => panic!("{name}"),
            });
            format!("{} {}", account.provider, shown.collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "aliyun access_key_id=ID access_key_secret=KEY zone=example.org",
            "dnspod token=ID,KEY zone=example.org",
            "tencentcloud secret_id=ID secret_key=KEY zone=example.org",
            "huaweicloud access_key=ID secret_key=KEY zone=example.org",
            "route53 access_key_id=ID secret_access_key=KEY zone_id=Z1D633PJN98FT9",
        ]
    );
    let names: Vec<&str> = config.names.iter().map(|name| &name.fqdn[..]).collect();
    let nas = "nas.example.org";
    assert_eq!(names, [nas, nas, nas, "example.org", nas]);
}

#[test]
fn both_families_of_a_name_become_one_section() {
    let section = |id: &str, more: &str| {
        format!(
            "config service '{id}'\noption service_name 'dynv6.com'\n\
             option domain 'a.dynv6.net'\noption password 't'\n{more}"
        )
    };
    let four = section("four", "option enabled 1\noption ip_network 'wan'\n");
    let six = |more: &str| section("six", &["option use_ipv6 1\n", more].concat());
    let both = [&four[..], &six("option enabled 1\noption ip_network 'wan6'\n")].concat();
    let text = imported(both.as_bytes());
    let families = "\tlist family 'ipv4'\n\tlist family 'ipv6'\n\toption wan 'wan'\n";
    assert!(text.contains(families), "{text}");
    assert_eq!(checked(&text).names.len(), 1);
    let text = imported([&four[..], &six("")].concat().as_bytes());
    assert!(text.contains("# from section 'six': it is switched off; add ipv6"), "{text}");
    assert!(!text.contains("list family 'ipv6'"), "{text}");
    let text = imported([&six("")[..], &four].concat().as_bytes());
    assert!(text.contains("\tlist family 'ipv4'\n") && !text.contains("list family 'ipv6'"));
    checked(&text);
}

#[test]
fn any_config_at_all() {
    for text in [
        "",
        "config service\n",
        "config service 'x'\noption service_name ''\noption domain '\n'\n",
        "config service 'x'\noption service_name '../../etc/passwd'\noption domain 'a.b'\n",
        "config service 'x'\noption update_url '@://'\noption domain 'a.example'\n",
        "config service 'x'\noption update_url 'http://@/'\noption domain 'a.example'\n",
        "config service 'x'\noption service_name 'strato.com'\noption domain '@'\n",
        "config service 'x'\noption service_name 'strato.com'\noption domain 'a.example'\n\
         option password 'a\nb'\noption username 'u'\noption ip_network 'a b/c'\n",
        "config service 'x'\noption service_name 'cloudflare.com-v4'\noption domain 'a@b@c'\n",
    ] {
        checked(&imported(text.as_bytes()));
    }
    assert!(import(b"config service 'x\n").is_err());
}
