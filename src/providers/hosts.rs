//! A hosts file, in the form that dnsmasq's `addn-hosts` reads: one `ADDRESS NAME` each line.
//!
//! For split horizon, and for trying things out. The file may have other owners: ours are only
//! the lines that end in our mark, and of these only the wanted names'. Every other byte stays.
//! Telling the DNS server of the change is left to it (dnsmasq watches `hostsdir` by itself).

use super::*;
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "hosts",
    about: "lines of a hosts file, for dnsmasq's addn-hosts or hostsdir; asks nobody",
    families: &Family::BOTH,
    // A local file: nobody to spare.
    min_interval: Duration::ZERO,
    batch: usize::MAX,
    ttl: None,
    local: true,
    options: &[OptionDoc::required(
        "path",
        Kind::Path,
        "the hosts file; lines that others wrote into it are kept",
    )],
    publish,
};

/// The comment that says a line is ours.
const MARK: &[u8] = b"# reachd";
const NEW_FILE_MODE: u32 = 0o644;

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let Some(path) = account.text("path") else {
        let why = format!("account '{}' needs option path", account.id);
        return vec![Outcome::FixConfig(why); wants.len()];
    };
    let before = match net.read_file(path) {
        Ok(content) => content.unwrap_or_default(),
        Err(why) => return vec![Outcome::TryLater(why); wants.len()],
    };
    let mut content = before.clone();
    let mut outcomes: Vec<Outcome> =
        wants.iter().map(|want| put(&mut content, want, path)).collect();
    if content != before
        && let Err(why) = net.replace_file(path, &content, NEW_FILE_MODE)
    {
        for outcome in outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Updated) {
            *outcome = Outcome::TryLater(why.clone());
        }
    }
    outcomes
}

/// Puts one record into the file's content.
fn put(content: &mut Vec<u8>, want: &Want, path: &str) -> Outcome {
    if want.fqdn.starts_with("*.") {
        return Outcome::FixConfig(format!(
            "{}: a hosts file cannot hold wildcards; write the names one by one",
            want.fqdn
        ));
    }
    let mut held = Vec::new();
    for (number, line) in lines(content).enumerate() {
        match whose(line, want) {
            Whose::Other => {}
            Whose::Ours(address) => held.push(address),
            Whose::Owners => {
                return Outcome::FixConfig(format!(
                    "{path} line {} already names {} for {} and was not written by reachd: \
                     remove that line, or the name from the config",
                    number + 1,
                    want.fqdn,
                    want.family
                ));
            }
        }
    }
    held.sort();
    if held == want.addresses {
        return Outcome::AlreadyRight;
    }

    let end: &[u8] = if lines(content).next().is_some_and(|line| line.ends_with(b"\r\n")) {
        b"\r\n"
    } else {
        b"\n"
    };
    let mut fresh = Vec::new();
    for address in &want.addresses {
        fresh.extend_from_slice(format!("{address} {} ", want.fqdn).as_bytes());
        fresh.extend_from_slice(MARK);
        fresh.extend_from_slice(end);
    }
    let mut after = Vec::with_capacity(content.len() + fresh.len());
    let mut placed = false;
    for line in lines(content) {
        if !matches!(whose(line, want), Whose::Ours(_)) {
            after.extend_from_slice(line);
        } else if !placed {
            after.extend_from_slice(&fresh);
            placed = true;
        }
    }
    if !placed {
        if !after.is_empty() && !after.ends_with(b"\n") {
            after.extend_from_slice(end);
        }
        after.extend_from_slice(&fresh);
    }
    *content = after;
    Outcome::Updated
}

/// Whom a line belongs to, as far as one record is concerned.
enum Whose {
    /// It says nothing of this record.
    Other,
    Ours(IpAddr),
    /// It names the record without being ours.
    Owners,
}

fn whose(line: &[u8], want: &Want) -> Whose {
    let text = line.trim_ascii();
    let comment = text.iter().position(|&byte| byte == b'#').unwrap_or(text.len());
    let (fields, comment) = text.split_at(comment);
    let mut fields =
        fields.split(|byte| byte.is_ascii_whitespace()).filter(|field| !field.is_empty());
    let address = fields.next().and_then(|field| str::from_utf8(field).ok());
    let Some(address) = address.and_then(|text| text.parse::<IpAddr>().ok()) else {
        return Whose::Other;
    };
    if Family::of(address) != want.family {
        return Whose::Other;
    }
    let (mut names, mut named) = (0, false);
    for field in fields {
        names += 1;
        named |=
            field.strip_suffix(b".").unwrap_or(field).eq_ignore_ascii_case(want.fqdn.as_bytes());
    }
    match (named, names) {
        (false, _) => Whose::Other,
        (true, 1) if comment == MARK => Whose::Ours(address),
        (true, _) => Whose::Owners,
    }
}

/// Lines with their ends.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::fake::*;
    use super::*;

    const PATH: &str = "/tmp/hosts/reachd";

    fn run(fake: &mut Fake, wants: &[&str]) -> Vec<String> {
        let wants: Vec<Want> = wants.iter().map(|text| want(text)).collect();
        publish(fake, &account(&PROVIDER, &[("path", PATH)]), &wants).iter().map(show).collect()
    }

    fn with(content: &[u8]) -> Fake {
        let mut fake = Fake::new();
        fake.files.insert(PATH.into(), content.into());
        fake
    }

    #[test]
    fn first_publish_then_nothing_to_do() {
        let mut fake = Fake::new();
        let wants = ["home.example.test 192.0.2.1", "home.example.test 2001:db8::1"];
        assert_eq!(run(&mut fake, &wants), ["Updated", "Updated"]);
        assert_eq!(
            fake.files[PATH],
            b"192.0.2.1 home.example.test # reachd\n2001:db8::1 home.example.test # reachd\n"
        );
        assert_eq!(run(&mut fake, &wants), ["AlreadyRight", "AlreadyRight"]);
        assert_eq!(fake.log, ["write /tmp/hosts/reachd 644"]);
    }

    #[test]
    fn a_change_keeps_every_other_byte() {
        let mut fake = with(
            b"# caf\xe9\r\n10.0.0.1\tnas nas.lan\r\n192.0.2.1 Home.Example.test # reachd\r\n\
              2001:db8::1 home.example.test # reachd\r\n\xff\xfe\r\nlast",
        );
        assert_eq!(run(&mut fake, &["home.example.test 192.0.2.7 192.0.2.8"]), ["Updated"]);
        assert_eq!(
            fake.files[PATH].as_slice(),
            b"# caf\xe9\r\n10.0.0.1\tnas nas.lan\r\n192.0.2.7 home.example.test # reachd\r\n\
              192.0.2.8 home.example.test # reachd\r\n\
              2001:db8::1 home.example.test # reachd\r\n\xff\xfe\r\nlast"
                .as_slice()
        );
    }

    #[test]
    fn a_new_name_goes_to_the_end() {
        let mut fake = with(b"10.0.0.1 nas");
        assert_eq!(run(&mut fake, &["home.example.test 192.0.2.7"]), ["Updated"]);
        assert_eq!(fake.files[PATH], b"10.0.0.1 nas\n192.0.2.7 home.example.test # reachd\n");
    }

    #[test]
    fn lines_of_others_are_never_touched() {
        for own in [
            "192.0.2.1 home.example.test",
            "192.0.2.1 nas home.example.test # reachd",
            "192.0.2.1 home.example.test. # not reachd",
            "  192.0.2.1\tnas HOME.example.test # my own",
        ] {
            let content = format!("# mine\n{own}\n");
            let mut fake = with(content.as_bytes());
            let got = run(&mut fake, &["home.example.test 192.0.2.7", "b.example.test 192.0.2.7"]);
            assert!(got[0].starts_with("FixConfig: /tmp/hosts/reachd line 2 already"), "{got:?}");
            assert_eq!(got[1], "Updated");
            let text = String::from_utf8(fake.files[PATH].clone()).unwrap();
            assert_eq!(text, format!("{content}192.0.2.7 b.example.test # reachd\n"));
        }
    }

    #[test]
    fn lines_that_say_nothing_of_the_record() {
        let content = "# 192.0.2.1 home.example.test\n2001:db8::9 home.example.test\n\
                       home.example.test 192.0.2.1\n192.0.2.1 myhome.example.test # reachd\n";
        let mut fake = with(content.as_bytes());
        assert_eq!(run(&mut fake, &["home.example.test 192.0.2.7"]), ["Updated"]);
        let text = String::from_utf8(fake.files[PATH].clone()).unwrap();
        assert_eq!(text, format!("{content}192.0.2.7 home.example.test # reachd\n"));
    }

    #[test]
    fn our_own_doubles_are_tidied() {
        let mut fake = with(b"192.0.2.1 a.test # reachd\nx\n192.0.2.1 a.test # reachd\n");
        assert_eq!(run(&mut fake, &["a.test 192.0.2.1"]), ["Updated"]);
        assert_eq!(fake.files[PATH], b"192.0.2.1 a.test # reachd\nx\n");
    }

    #[test]
    fn wildcards_do_not_exist_here() {
        let got = run(&mut Fake::new(), &["*.example.test 192.0.2.1"]);
        assert!(got[0].starts_with("FixConfig: *.example.test: a hosts file cannot"), "{got:?}");
    }

    #[test]
    fn a_disk_that_takes_nothing() {
        let mut fake = with(b"192.0.2.1 a.test # reachd\n");
        fake.read_only = true;
        assert_eq!(
            run(&mut fake, &["a.test 192.0.2.1", "b.test 192.0.2.1"]),
            ["AlreadyRight", "TryLater: cannot write /tmp/hosts/reachd: read-only file system"]
        );
    }

    #[test]
    fn a_hundred_names_are_one_write() {
        let wants: Vec<String> = (0..100).map(|i| format!("h{i}.test 192.0.2.1")).collect();
        let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
        let mut fake = Fake::new();
        assert!(run(&mut fake, &wants).iter().all(|outcome| outcome == "Updated"));
        assert_eq!(fake.log.len(), 1);
    }
}
