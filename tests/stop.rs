//! TERM ends the built binary in the middle of a call, whoever it waits for.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::dns::{DnsServer, Say};
use support::{Act, Dir, Front, Server, ca_file};

/// Starts `once` with this account, waits until `reached`, sends TERM.
/// False: this machine has no address to publish, so nobody is called.
fn term_ends(name: &str, account: &str, reached: &dyn Fn() -> bool) -> bool {
    let dir = Dir::new(name);
    let config = dir.write(
        "config",
        format!(
            "config reachd 'main'\n\toption journal '{}'\n\
             config account 'lab'\n{account}\
             config name 'home'\n\toption fqdn 'home.example.test'\n\toption account 'lab'\n\
             \toption shared_line 'wan'\n\tlist family 'ipv4'\n",
            dir.path("journal")
        ),
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_reachd"))
        .args(["once", "-c", &config])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !reached() {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!text.contains("Done"), "{text}{}", String::from_utf8_lossy(&output.stderr));
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "it never called");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait for the answer");
    let term = Instant::now();
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    loop {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        if term.elapsed() > Duration::from_secs(1) {
            let _ = child.kill();
            panic!("it still waits 1 s after TERM");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    // Ended by itself, not by the signal, and nobody is blamed.
    assert!(output.status.code().is_some(), "{:?}", output.status);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("could not"), "{text}");
    true
}

fn skipped(called: bool) {
    if !called {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this machine has no default route with an address"
        );
    }
}

#[test]
fn term_ends_an_http_request() {
    for (name, front) in [("stop-http", Front::Good), ("stop-tls", Front::Mute)] {
        let server = Server::fixed(front, Act::Hang);
        let url = server.url("").replace("http:", "https:");
        let account = format!(
            "\toption provider 'cloudflare'\n\toption token 'abc'\n\toption url '{url}'\n\
             \toption ca_file '{}'\n",
            ca_file()
        );
        let reached = || match front {
            Front::Good => server.requests() > 0,
            _ => server.connections() > 0,
        };
        skipped(term_ends(name, &account, &reached));
    }
}

#[test]
fn term_ends_a_dns_message() {
    let server = DnsServer::fixed(Say::Silence);
    let account = format!(
        "\toption provider 'rfc2136'\n\toption server '{}'\n\toption zone 'example.test'\n\
         \toption key_name 'k'\n\toption key_secret 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'\n",
        server.address
    );
    skipped(term_ends("stop-dns", &account, &|| !server.seen().is_empty()));
}
