//! What the kernel would do with packets that no forward works without: those from the Internet
//! to each WAN's address, and the answers of the hosts that forwards lead to, as they are and
//! with each mark that the firewall's rules set. The kernel is asked; nothing is sent. Its words
//! can be written to a folder and read back from there. What they mean is `checks`'.

use super::Place;
use crate::checks::dnat::dnats;
use crate::model::address::Prefix;
use crate::model::forward::Target;
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::snapshot::{Passed, Snapshot};
use crate::model::wan::{Link, Passage};
use crate::world::RouteQuery;
use std::fmt::Write;
use std::net::IpAddr;

/// In a folder that stands for a router.
pub const FILE: &str = "cmd/reachd-passages.txt";

const HOSTS: usize = 64;
const MARKS: usize = 16;

/// Instead of a device: dropped by the reverse path filter; or it does not go on.
const REFUSED: &str = "!refused";
const STAYS: &str = "!";

pub fn look(place: &mut Place, snapshot: &Snapshot) -> Known<Vec<Passed>> {
    if place.root.is_some() {
        return place.file(FILE).and_then(|bytes| match bytes {
            Some(bytes) => read(&String::from_utf8_lossy(&bytes)).into(),
            None => Known::unknown("the folder does not tell"),
        });
    }
    match place.sys.links() {
        Ok(links) => Known::Known(asked(place, snapshot, &links)),
        Err(why) => Known::Unknown(why),
    }
}

fn asked(place: &mut Place, snapshot: &Snapshot, links: &[Link]) -> Vec<Passed> {
    let ask = |place: &mut Place, from, to, by: &Link, mark| {
        // What the kernel does not tell is not there.
        let passage = place.sys.passage(from, to, by.index, mark).ok()?;
        let out = match passage {
            Passage::Out(index) => links.iter().find(|link| link.index == index),
            _ => None,
        };
        let (by, refused) = (by.name.clone(), passage == Passage::Refused);
        Some(Passed { from, to, by, mark, out: out.map(|link| link.name.clone()), refused })
    };
    let lines = snapshot.line.known().into_iter().flatten();
    let mut wans: Vec<(&Link, IpAddr)> = Vec::new();
    for line in lines.filter(|line| line.family == Family::Ipv4) {
        let link = links.iter().find(|link| Some(&link.name) == line.device.as_ref());
        let Some(link) = link else { continue };
        wans.extend(line.addresses.iter().map(|ip| (link, *ip)));
    }
    let mut all = Vec::new();
    for (link, ip) in &wans {
        // What is wrong with such a packet, if not that? Then it is not told.
        if let Some(one) = ask(place, None, Some(*ip), link, 0)
            && (!one.refused || is_strict(place, &link.name))
        {
            all.push(one);
        }
    }
    let mut marks: Vec<u32> = Vec::new();
    for mark in snapshot.live.known().into_iter().flat_map(|live| &live.marks.set) {
        if mark.value != 0 && marks.len() < MARKS && !marks.contains(&mark.value) {
            marks.push(mark.value);
        }
    }
    for host in hosts(snapshot) {
        let holds = |link: &&Link| {
            let mut own = link.addresses.iter();
            own.any(|own| Prefix { ip: own.ip, len: own.prefix_len }.contains(host))
        };
        // Behind another router of the LAN: by the link that leads to it.
        let way = RouteQuery {
            family: Family::Ipv4,
            to: Some(host),
            device: None,
            source: None,
            mark: 0,
        };
        let routed = |place: &mut Place| {
            let route = place.sys.route(&way).ok()??;
            links.iter().find(|link| link.index == route.device)
        };
        let by = links.iter().find(holds).or_else(|| routed(place));
        let Some(by) = by.filter(|by| !by.loopback) else { continue };
        let Some(plain) = ask(place, Some(host), None, by, 0) else { continue };
        // With one WAN, and by that one, marks change nothing.
        let astray = wans.iter().any(|(wan, _)| plain.out.as_ref() != Some(&wan.name));
        all.push(plain);
        for mark in marks.iter().filter(|_| astray) {
            all.extend(ask(place, Some(host), None, by, *mark));
        }
    }
    all
}

/// The reverse path filter of a device is strict: the larger of two numbers counts.
fn is_strict(place: &mut Place, device: &str) -> bool {
    let mut number = |of: &str| {
        let text = place.text(&format!("proc/sys/net/ipv4/conf/{of}/rp_filter"));
        text.known().and_then(|text| text.trim().parse::<u8>().ok())
    };
    let (all, own) = (number("all"), number(device));
    all.max(own) == Some(1)
}

/// IPv4 hosts that forwards lead to, those of the config and those in force.
fn hosts(snapshot: &Snapshot) -> Vec<IpAddr> {
    let mut hosts: Vec<IpAddr> = Vec::new();
    let mut push = |ip: IpAddr| {
        if ip.is_ipv4() && hosts.len() < HOSTS && !hosts.contains(&ip) {
            hosts.push(ip);
        }
    };
    for forward in snapshot.firewall.known().into_iter().flat_map(|firewall| &firewall.forwards) {
        match forward.target {
            Target::Host(ip) if forward.is_active() => push(ip),
            _ => {}
        }
    }
    let live = snapshot.live.known().map(dnats).unwrap_or_default();
    live.iter().filter_map(|dnat| dnat.host).for_each(push);
    hosts
}

/// As it stands in [`FILE`]: from, to, the device it comes in by, mark, the device it leaves by.
pub fn write(all: &[Passed]) -> String {
    let mut text = String::new();
    let ip = |ip: &Option<IpAddr>| ip.map_or("-".to_string(), |ip| ip.to_string());
    for one in all {
        let out = match &one.out {
            Some(out) => out,
            None if one.refused => REFUSED,
            None => STAYS,
        };
        let (from, to) = (ip(&one.from), ip(&one.to));
        let _ = writeln!(text, "{from} {to} {} {} {out}", one.by, one.mark);
    }
    text
}

/// What [`write`] wrote. A line that is none is an error: half of it would be read as the whole.
pub fn read(text: &str) -> Result<Vec<Passed>, String> {
    let ip = |word: &str| match word {
        "-" => Some(None),
        word => word.parse().ok().map(Some),
    };
    let one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [from, to, by, mark, out] = words[..] else { return None };
        Some(Passed {
            from: ip(from)?,
            to: ip(to)?,
            by: by.to_string(),
            mark: mark.parse().ok()?,
            out: (!out.starts_with('!')).then(|| out.to_string()),
            refused: out == REFUSED,
        })
    };
    let mut all = Vec::new();
    for line in text.lines() {
        all.push(one(line).ok_or_else(|| format!("no passage: {line}"))?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let text = "- 203.0.113.5 wan0 0 !\n- 198.51.100.5 wanb0 0 !refused\n\
                    192.168.1.10 - br-lan 256 wanb0\n";
        let all = read(text).unwrap();
        assert!(all[1].refused && !all[0].refused && all[0].out.is_none());
        assert_eq!((all[2].mark, all[2].out.as_deref()), (256, Some("wanb0")));
        assert_eq!(write(&all), text);
        for torn in ["192.168.1.10 - br-lan 256", "x - br-lan 0 wan0", "- - br-lan -1 wan0"] {
            assert!(read(torn).is_err(), "{torn}");
        }
    }
}
