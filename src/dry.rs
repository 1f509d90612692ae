//! The outside for a rehearsal (`once --dry-run`): shows each request with its secrets replaced,
//! sends none and writes nothing. Reading files and clocks is real.
//!
//! A provider that reads before it changes gets no answer to read, so of its requests only the
//! first is shown; what follows depends on the answer.

use crate::model::account::Account;
use crate::providers::template::hush;
use crate::wire::update;
use crate::world::{
    Answer, Ask, DnsTransport, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Via,
};

const HIDDEN: &str = "(secret)";

pub struct Dry<'n> {
    inner: &'n mut dyn Net,
    account: &'n Account,
    text: String,
}

impl<'n> Dry<'n> {
    /// `account`: whose secrets are not to be shown.
    pub fn new(inner: &'n mut dyn Net, account: &'n Account) -> Self {
        Dry { inner, account, text: String::new() }
    }

    /// What was shown; ends in a line break unless it is empty.
    pub fn into_text(self) -> String {
        self.text
    }

    fn hide(&self, text: &str) -> String {
        hush(text, self.account)
    }

    fn line(&mut self, text: &str) {
        self.text.push_str("  ");
        self.text.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.text.push('\n');
    }

    fn refuse<T>() -> Result<T, NetError> {
        Err(NetError {
            // To a provider it is silence: the one failure after which some go on.
            kind: NetErrorKind::Deadline,
            text: "not sent, this is a rehearsal".into(),
            sent: false,
        })
    }
}

impl Net for Dry<'_> {
    fn http(&mut self, request: &HttpRequest, via: &Via) -> Result<HttpReply, NetError> {
        let url = self.hide(&request.url);
        self.line(&format!("{} {url}", request.method));
        if request.url.starts_with("http://") && !via.allow_http {
            self.line("(would be refused: http:// needs option allow_http '1')");
        }
        for (name, value) in &request.headers {
            let value = match telling(name) {
                // The scheme may be seen. What comes after is the secret, or signed with it.
                true => match value.split_once(' ') {
                    Some((scheme, _)) if name == "authorization" => format!("{scheme} {HIDDEN}"),
                    _ => HIDDEN.into(),
                },
                false => self.hide(value),
            };
            self.line(&format!("{name}: {value}"));
        }
        if let Some(body) = &request.body {
            let body = self.hide(&String::from_utf8_lossy(body));
            self.text.push('\n');
            for line in body.lines() {
                self.line(line);
            }
        }
        if let Some(device) = &via.device {
            self.line(&format!("(over {device})"));
        }
        Self::refuse()
    }

    fn dns(
        &mut self,
        server: &str,
        message: &[u8],
        over: DnsTransport,
        _: &Via,
    ) -> Result<Vec<u8>, NetError> {
        let over = match over {
            DnsTransport::Udp => "UDP",
            DnsTransport::Tcp => "TCP",
        };
        self.line(&format!("DNS message to {server} over {over}, {} bytes", message.len()));
        for line in update::describe(message) {
            self.line(&line);
        }
        Self::refuse()
    }

    fn together(&mut self, asks: &[Ask], via: &Via) -> Vec<Result<Answer, NetError>> {
        let mut answers = Vec::new();
        for ask in asks {
            answers.push(match ask {
                Ask::Http(request) => self.http(request, via).map(Answer::Http),
                Ask::Datagram(one) => {
                    self.line(&format!("datagram to {}, {} bytes", one.to, one.payload.len()));
                    Self::refuse()
                }
            });
        }
        answers
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.inner.read_file(path)
    }

    fn replace_file(&mut self, path: &str, content: &[u8], _: u32) -> Result<(), String> {
        self.line(&format!("write {path}, {} bytes:", content.len()));
        let text = self.hide(&String::from_utf8_lossy(content));
        for line in text.lines() {
            self.line(&["| ", line].concat());
        }
        Ok(())
    }

    fn wall_clock(&self) -> u64 {
        self.inner.wall_clock()
    }

    fn chance(&mut self) -> u64 {
        self.inner.chance()
    }

    fn done(&mut self) {}
}

/// A header of this name holds a secret, by whatever way it came there.
fn telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "password", "cookie", "signature"]
        .iter()
        .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::account::Setting;
    use crate::model::secret::Secret;

    /// Whatever is asked of it is a fault.
    struct Nobody;

    impl Net for Nobody {
        fn http(&mut self, _: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
            panic!("a request was sent")
        }
        fn dns(
            &mut self,
            _: &str,
            _: &[u8],
            _: DnsTransport,
            _: &Via,
        ) -> Result<Vec<u8>, NetError> {
            panic!("a message was sent")
        }
        fn read_file(&mut self, _: &str) -> Result<Option<Vec<u8>>, String> {
            Ok(None)
        }
        fn replace_file(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
            panic!("a file was written")
        }
        fn wall_clock(&self) -> u64 {
            1_700_000_000
        }
        fn chance(&mut self) -> u64 {
            4
        }
        fn done(&mut self) {}
    }

    fn account(provider: &str, options: &[(&str, &str)], secret: &str) -> Account {
        let mut account = Account {
            id: "a".into(),
            provider: provider.into(),
            options: Default::default(),
            fingerprint: 0,
            wan: None,
            ca_file: None,
            allow_http: false,
        };
        for (name, value) in options {
            account.options.insert((*name).into(), Setting::Text((*value).into()));
        }
        for name in ["password", "token", "key_secret"] {
            account.options.insert(name.into(), Setting::Secret(Secret::new(secret)));
        }
        account
    }

    /// What a provider would send for one name.
    fn shown(account: &Account) -> String {
        let provider = crate::providers::find(&account.provider).unwrap();
        let want = crate::model::name::Want {
            fqdn: "home.example.org".into(),
            family: crate::model::name::Family::Ipv4,
            addresses: vec!["192.0.2.1".parse().unwrap()],
            ttl: None,
        };
        let mut nobody = Nobody;
        let mut dry = Dry::new(&mut nobody, account);
        (provider.publish)(&mut dry, account, &[want]);
        dry.into_text()
    }

    #[test]
    fn requests_without_their_secrets() {
        let secret = "s3cret/&x==";
        let login = account("dyndns2", &[("server", "dyn.example"), ("username", "me")], secret);
        let text = shown(&login);
        let url = "  GET https://dyn.example/nic/update?hostname=home.example.org&myip=192.0.2.1\n";
        assert!(text.starts_with(url), "{text}");
        assert!(text.contains("  authorization: Basic (secret)\n"), "{text}");
        let text = shown(&account("duckdns", &[], secret));
        assert!(text.contains("&token=(secret)&ip=192.0.2.1\n"), "{text}");
        let text = shown(&account("cloudflare", &[], secret));
        assert!(text.contains("  authorization: Bearer (secret)\n"), "{text}");
        let own = [
            ("url", "https://x.example/{fqdn}"),
            ("method", "POST"),
            ("content_type", "application/json"),
            ("body", "{\"k\": \"{password}\",\n\"ip\": \"{ip}\"}"),
        ];
        let mut own = account("custom", &own, secret);
        let tests = Setting::List(vec!["text ok".into()]);
        own.options.insert("success".into(), tests);
        let headers = Setting::List(vec!["X-Api-Key: literal".into(), "X-A: {password}".into()]);
        own.options.insert("header".into(), headers);
        let text = shown(&own);
        assert_eq!(
            text,
            "  POST https://x.example/home.example.org\n  x-api-key: (secret)\n  x-a: (secret)\n  \
             content-type: application/json\n\n  {\"k\": \"(secret)\",\n  \"ip\": \"192.0.2.1\"}\n"
        );
    }

    #[test]
    fn signed_dns_messages_in_words() {
        let options = [("server", "ns.example"), ("zone", "example.org"), ("key_name", "k")];
        let text = shown(&account("rfc2136", &options, "c2VjcmV0"));
        for line in [
            "over UDP",
            "ask example.org SOA\n",
            "\n  ask home.example.org A\n",
            "\n  delete home.example.org A, all of them\n",
            "\n  add home.example.org A 192.0.2.1, TTL 60\n",
            "\n  signed with key k\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn nothing_leaves_together_either() {
        let account = account("dyndns2", &[], "never-seen");
        let mut nobody = Nobody;
        let mut dry = Dry::new(&mut nobody, &account);
        let datagram = crate::world::Datagram {
            to: "stun.example".into(),
            port: 3478,
            source: None,
            payload: vec![0; 20],
            is_reply: |_, _| true,
        };
        let asks = [
            Ask::Datagram(datagram),
            Ask::Http(HttpRequest::new("GET", "https://a.example/?k=never-seen")),
        ];
        let answers = dry.together(&asks, &Via::default());
        assert!(answers.iter().all(|one| one.as_ref().is_err_and(|why| !why.sent)));
        let want = "  datagram to stun.example, 20 bytes\n  GET https://a.example/?k=(secret)\n";
        assert_eq!(dry.into_text(), want);
    }

    #[test]
    fn every_provider_can_be_rehearsed() {
        for provider in crate::providers::all() {
            let options: Vec<(&str, &str)> = provider
                .options
                .iter()
                .filter(|doc| doc.required && doc.kind != crate::providers::Kind::Secret)
                .map(|doc| (doc.name, if doc.name == "zone" { "example.org" } else { "x" }))
                .collect();
            let mut account = account(provider.id, &options, "never-seen");
            for doc in provider.options {
                if doc.kind == crate::providers::Kind::Secret {
                    let secret = Setting::Secret(Secret::new("never-seen"));
                    account.options.insert(doc.name.into(), secret);
                }
            }
            assert!(!shown(&account).contains("never-seen"), "{}", provider.id);
        }
    }
}
