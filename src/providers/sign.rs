//! Signatures of requests, by HMAC-SHA-256 with a secret that is never sent: what AWS (SigV4),
//! Tencent Cloud (TC3), Aliyun (ACS3) and Huawei Cloud (SDK) ask for. The four are one method with
//! small differences, kept in [`Scheme`]. Pure: the moment and the nonce are arguments.
//!
//! Paths and queries are signed as they are sent: they must be encoded once (RFC 3986 2.1) and
//! hold nothing that is encoded twice for it.

use super::rest::add;
use crate::world::HttpRequest;
use ring::{digest, hmac};

/// What tells one vendor's method from another's.
pub struct Scheme {
    /// First line of what is signed, and first word of `Authorization`.
    pub name: &'static str,
    /// Stands before the secret in the first key. Empty: the secret is the key.
    pub key: &'static str,
    /// What `Authorization` calls the id of the secret.
    pub id: &'static str,
    /// Between its parts.
    pub comma: &'static str,
    /// The path is signed with a slash at its end.
    pub slash: bool,
}

/// "Signing AWS API requests", AWS General Reference.
pub const AWS4: Scheme =
    Scheme { name: "AWS4-HMAC-SHA256", key: "AWS4", id: "Credential", comma: ", ", slash: false };

/// "Signature v3", Tencent Cloud API 3.0.
pub const TC3: Scheme =
    Scheme { name: "TC3-HMAC-SHA256", key: "TC3", id: "Credential", comma: ", ", slash: false };

/// "Request syntax and signature method V3", Alibaba Cloud SDK.
pub const ACS3: Scheme =
    Scheme { name: "ACS3-HMAC-SHA256", key: "", id: "Credential", comma: ",", slash: false };

/// "AK/SK signing", Huawei Cloud API Gateway.
pub const HUAWEI: Scheme =
    Scheme { name: "SDK-HMAC-SHA256", key: "", id: "Access", comma: ", ", slash: true };

/// What is signed beside the request.
pub struct With<'a> {
    pub id: &'a str,
    pub secret: &'a str,
    /// As the vendor writes it. Empty where it is a header and nothing else.
    pub moment: &'a str,
    /// Day, service and the like, from which the key is made. Empty: none is made.
    pub scope: &'a str,
    /// Headers of the request that are signed with `host`, in lower case and sorted with it.
    pub headers: &'a [&'a str],
}

/// Adds `Authorization` to a request that is complete but for that.
pub fn sign(scheme: &Scheme, request: HttpRequest, with: &With<'_>) -> HttpRequest {
    let Where { host, path, query } = Where::of(&request.url);
    let (mut headers, mut names) = (String::new(), String::new());
    for name in with.headers {
        let given = request.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        let value = if *name == "host" { host } else { given.map_or("", |(_, value)| value) };
        add(&mut headers, &[name, ":", value.trim(), "\n"]);
        let mark = if names.is_empty() { "" } else { ";" };
        add(&mut names, &[mark, name]);
    }
    let slash = if scheme.slash && !path.ends_with('/') { "/" } else { "" };
    let hash = sha256(request.body.as_deref().unwrap_or_default());
    let query = sorted(query);
    let canonical = [
        request.method,
        "\n",
        path,
        slash,
        "\n",
        &query,
        "\n",
        &headers,
        "\n",
        &names,
        "\n",
        &hash,
    ]
    .concat();
    let mut text = String::from(scheme.name);
    for part in [with.moment, with.scope, &sha256(canonical.as_bytes())] {
        if !part.is_empty() {
            add(&mut text, &["\n", part]);
        }
    }
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, [scheme.key, with.secret].concat().as_bytes());
    for part in with.scope.split('/').filter(|part| !part.is_empty()) {
        let next = hmac::sign(&key, part.as_bytes());
        key = hmac::Key::new(hmac::HMAC_SHA256, next.as_ref());
    }
    let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    let Scheme { name, id, comma, .. } = scheme;
    let scope = if with.scope.is_empty() { "" } else { "/" };
    let value = [
        name,
        " ",
        id,
        "=",
        with.id,
        scope,
        with.scope,
        comma,
        "SignedHeaders=",
        &names,
        comma,
        "Signature=",
        &signature,
    ];
    request.header("authorization", value.concat())
}

/// Parts of an URL.
struct Where<'u> {
    /// With the port, unless it is the scheme's own: as it is sent.
    host: &'u str,
    path: &'u str,
    query: &'u str,
}

impl<'u> Where<'u> {
    fn of(url: &'u str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let own = if scheme == "https" { ":443" } else { ":80" };
        Where {
            host: host.strip_suffix(own).unwrap_or(host),
            path: if path.is_empty() { "/" } else { path },
            query,
        }
    }
}

/// A query with its parameters in order of their names. There are few, and a sort is much code.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let mut out = String::with_capacity(query.len() + 1);
    while let Some((at, (name, value))) = pairs.iter().copied().enumerate().min_by_key(|(_, p)| *p)
    {
        let mark = if out.is_empty() { "" } else { "&" };
        add(&mut out, &[mark, name, "=", value]);
        pairs.swap_remove(at);
    }
    out
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for half in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        out.push(char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half }));
    }
    out
}

#[cfg(test)]
pub mod lab {
    use super::super::*;
    use crate::world::HttpRequest;

    /// What is sent in the case that begins so, to look at what its exchanges cannot show.
    pub fn sent(provider: &Provider, about: &str) -> Vec<HttpRequest> {
        let cases = fake::cases(provider.id);
        let begins = |case: &&serde_json::Value| {
            case["about"].as_str().is_some_and(|text| text.starts_with(about))
        };
        let (account, wants, mut fake) = fake::scene(provider, cases.iter().find(begins).unwrap());
        (provider.publish)(&mut fake, &account, &wants);
        fake.sent
    }

    /// A header's value; empty: there is none.
    pub fn header<'r>(request: &'r HttpRequest, name: &str) -> &'r str {
        let found = request.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn body(request: &HttpRequest) -> &str {
        std::str::from_utf8(request.body.as_deref().unwrap_or_default()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(scheme: &Scheme, request: HttpRequest, with: &With<'_>) -> String {
        let request = sign(scheme, request, with);
        request.headers.last().map(|(_, value)| value.clone()).unwrap()
    }

    /// Cases of aws-c-auth's signing test suite (version 4, "header").
    #[test]
    fn aws() {
        let moment = "20150830T123600Z";
        let plain = &["host", "x-amz-date"][..];
        let empty = "content-length content-type host x-amz-content-sha256 x-amz-date";
        let all: Vec<&str> = empty.split(' ').collect();
        for (request, headers, signature) in [
            ("GET /", plain, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                "GET /?Param2=value2&Param1=value1",
                plain,
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "GET /?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=\
                 -._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                plain,
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            ("POST /", plain, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "POST /?Param1=value1",
                plain,
                "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
            ),
            ("POST /", &all, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            let method = if method == "GET" { "GET" } else { "POST" };
            let url = ["https://example.amazonaws.com", path].concat();
            let mut request = HttpRequest::new(method, url).header("X-Amz-Date", moment);
            if headers == all {
                request.body = Some(b"Param1=value1".into());
                request = request
                    .header("content-length", "13")
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .header("x-amz-content-sha256", sha256(b"Param1=value1"));
            }
            let with = With {
                id: "AKIDEXAMPLE",
                secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                moment,
                scope: "20150830/us-east-1/service/aws4_request",
                headers,
            };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={}, Signature={signature}",
                headers.join(";")
            );
            assert_eq!(authorization(&AWS4, request, &with), expected, "{path}");
        }
    }

    /// The example in "Signature v3" of Tencent Cloud API 3.0; its secret is given in two forms.
    #[test]
    fn tencent() {
        for (secret, signature) in [
            (
                "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE",
                "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
            ),
            (
                "Gu5t9xGARNpq86cd98joQYCN3*******",
                "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c",
            ),
        ] {
            let mut request = HttpRequest::new("POST", "https://cvm.tencentcloudapi.com/")
                .header("Content-Type", "application/json; charset=utf-8");
            request.body = Some(
                b"{\"Limit\": 1, \"Filters\": [{\"Values\": [\"\\u672a\\u547d\\u540d\"], \
                  \"Name\": \"instance-name\"}]}"
                    .into(),
            );
            let with = With {
                id: "AKID",
                secret,
                moment: "1551113065",
                scope: "2019-02-25/cvm/tc3_request",
                headers: &["content-type", "host"],
            };
            let expected = format!(
                "TC3-HMAC-SHA256 Credential=AKID/2019-02-25/cvm/tc3_request, \
                 SignedHeaders=content-type;host, Signature={signature}"
            );
            assert_eq!(authorization(&TC3, request, &with), expected);
        }
    }

    /// The example in "Request syntax and signature method V3" of Alibaba Cloud SDK.
    #[test]
    fn aliyun() {
        let url = "https://ecs.cn-shanghai.aliyuncs.com/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_\
                   alibase_20230811.vhd&RegionId=cn-shanghai";
        let request = HttpRequest::new("POST", url)
            .header("x-acs-action", "RunInstances")
            .header("x-acs-content-sha256", sha256(b""))
            .header("x-acs-date", "2023-10-26T10:22:32Z")
            .header("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d")
            .header("x-acs-version", "2014-05-26");
        let with = With {
            id: "YourAccessKeyId",
            secret: "YourAccessKeySecret",
            moment: "",
            scope: "",
            headers: &[
                "host",
                "x-acs-action",
                "x-acs-content-sha256",
                "x-acs-date",
                "x-acs-signature-nonce",
                "x-acs-version",
            ],
        };
        let expected = "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;\
                        x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;\
                        x-acs-version,Signature=\
                        06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
        assert_eq!(authorization(&ACS3, request, &with), expected);
    }

    /// What the vendor's own signer (huaweicloudsdkcore 3.1.219) makes of these.
    #[test]
    fn huawei() {
        let with = |headers| With {
            id: "HAKEXAMPLE",
            secret: "HSKExampleSecretKey/+=",
            moment: "20261123T164426Z",
            scope: "",
            headers,
        };
        let url = "https://dns.myhuaweicloud.com/v2.1/";
        let look = [url, "recordsets?type=A&name=%2A.home.example.com."].concat();
        let look = HttpRequest::new("GET", look).header("x-sdk-date", "20261123T164426Z");
        assert_eq!(
            authorization(&HUAWEI, look, &with(&["host", "x-sdk-date"])),
            "SDK-HMAC-SHA256 Access=HAKEXAMPLE, SignedHeaders=host;x-sdk-date, Signature=\
             0a0dc3275997a28da853c4930019ed2f31aac6d2885e9505fed20af0ec3e3130"
        );
        let mut change = HttpRequest::new("PUT", [url, "zones/z1/recordsets/r1"].concat())
            .header("x-sdk-date", "20261123T164426Z")
            .header("content-type", "application/json");
        change.body = Some(
            b"{\"name\":\"home.example.com.\",\"records\":[\"203.0.113.7\"],\"ttl\":300,\
              \"type\":\"A\"}"
                .into(),
        );
        assert_eq!(
            authorization(&HUAWEI, change, &with(&["content-type", "host", "x-sdk-date"])),
            "SDK-HMAC-SHA256 Access=HAKEXAMPLE, SignedHeaders=content-type;host;x-sdk-date, \
             Signature=ed20942d442e14ee555b0293a7dfb6c36d25e9f9a1d4fe629dee379c8d2f11b6"
        );
    }

    #[test]
    fn the_host_is_what_is_sent() {
        for (url, host, path, query) in [
            ("https://a.test", "a.test", "/", ""),
            ("https://a.test:443/x?y=z", "a.test", "/x", "y=z"),
            ("http://127.0.0.1:8081?a=/b", "127.0.0.1:8081", "/", "a=/b"),
            ("http://[::1]:80/x/", "[::1]", "/x/", ""),
        ] {
            let got = Where::of(url);
            assert_eq!((got.host, got.path, got.query), (host, path, query));
        }
        assert_eq!(sorted("b=2&a-b=3&a=1&a=0&c"), "a=0&a=1&a-b=3&b=2&c=");
    }
}
