//! A DNS server for tests: UDP and TCP on one loopback port, scripted question by question.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Lower case, without the last dot.
    pub name: String,
    /// 1: A, 28: AAAA.
    pub rtype: u16,
    pub tcp: bool,
    /// How many came before.
    pub nth: usize,
}

#[derive(Clone, Debug)]
pub enum Say {
    /// Those of the asked type.
    Addresses(Vec<IpAddr>),
    /// An alias, and the addresses of what it points to.
    Cname(&'static str, Vec<IpAddr>),
    /// First a forged answer (192.0.2.66) with another id, then the right one.
    ForgedFirst(Vec<IpAddr>),
    /// The right id, and nothing that can be read behind it.
    Garbage,
    /// Unreadable answers as fast as they go, for two seconds.
    Flood,
    /// An answer with this response code.
    Code(u8),
    /// Cut to fit; ask by TCP.
    Truncated,
    /// TCP: the connection ends without an answer. UDP: silence.
    Hangup,
    Silence,
    /// Bytes behind the id; by TCP with the right length in front.
    Raw(Vec<u8>),
}

pub struct DnsServer {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Question>>>,
}

impl DnsServer {
    pub fn start(script: impl Fn(&Question) -> Say + Send + Sync + 'static) -> DnsServer {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            // The port may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = DnsServer { address, stop: stop.clone(), seen: seen.clone() };
        let script = Arc::new(script);
        let answer = move |bytes: &[u8], tcp: bool| {
            let mut seen = seen.lock().unwrap();
            let question = read(bytes, tcp, seen.len())?;
            let say = script(&question);
            seen.push(question.clone());
            Some((question, say))
        };
        let by_tcp = answer.clone();
        let stop_tcp = stop.clone();
        udp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stop.load(Ordering::SeqCst) {
                let Ok((len, from)) = udp.recv_from(&mut buffer) else { continue };
                let asked = &buffer[..len];
                let Some((question, say)) = answer(asked, false) else { continue };
                if matches!(say, Say::Flood) {
                    let end = std::time::Instant::now() + Duration::from_secs(2);
                    while std::time::Instant::now() < end && !stop.load(Ordering::SeqCst) {
                        let _ = udp.send_to(&[asked[0], asked[1], 0x80, 0, 9, 9], from);
                    }
                }
                for reply in replies(asked, &question, say) {
                    let _ = udp.send_to(&reply, from);
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming() {
                if stop_tcp.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut head = [0; 2];
                if stream.read_exact(&mut head).is_err() {
                    continue;
                }
                let mut asked = vec![0; usize::from(u16::from_be_bytes(head))];
                if stream.read_exact(&mut asked).is_err() {
                    continue;
                }
                let Some((question, say)) = by_tcp(&asked, true) else { continue };
                if matches!(say, Say::Silence) {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(3)));
                    let _ = stream.read(&mut head);
                }
                for reply in replies(&asked, &question, say) {
                    let len = (reply.len() as u16).to_be_bytes();
                    // In pieces: a reader must put them together.
                    for piece in [&len[..1], &len[1..], &reply[..3], &reply[3..]] {
                        let _ = stream.write_all(piece);
                        thread::sleep(Duration::from_millis(2));
                    }
                }
            }
        });
        server
    }

    pub fn fixed(say: Say) -> DnsServer {
        DnsServer::start(move |_| say.clone())
    }

    pub fn seen(&self) -> Vec<Question> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn read(bytes: &[u8], tcp: bool, nth: usize) -> Option<Question> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let len = usize::from(*bytes.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name += &String::from_utf8_lossy(bytes.get(at..at + len)?).to_lowercase();
        at += len;
    }
    let rtype = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    Some(Question { name, rtype, tcp, nth })
}

fn replies(asked: &[u8], question: &Question, say: Say) -> Vec<Vec<u8>> {
    let start = |code: u8, count: u8| {
        let mut reply = asked.to_vec();
        reply[2] |= 0x80;
        reply[3] = 0x80 | code;
        reply[7] = count;
        reply
    };
    // Name and type of a record follow; 0xc00c points to the name of the question.
    let record = |name: &[u8], rtype: u16, data: &[u8]| {
        let mut record = name.to_vec();
        record.extend(rtype.to_be_bytes());
        record.extend([0, 1, 0, 0, 0, 60]);
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        record
    };
    let addresses = |name: &[u8], list: &[IpAddr]| -> Vec<Vec<u8>> {
        list.iter()
            .filter(|ip| question.rtype == if ip.is_ipv4() { 1 } else { 28 })
            .map(|ip| match ip {
                IpAddr::V4(ip) => record(name, 1, &ip.octets()),
                IpAddr::V6(ip) => record(name, 28, &ip.octets()),
            })
            .collect()
    };
    let plain = |list: &[IpAddr]| {
        let records = addresses(&[0xc0, 12], list);
        let mut reply = start(0, records.len() as u8);
        reply.extend(records.concat());
        reply
    };
    match say {
        Say::Addresses(list) => vec![plain(&list)],
        Say::Cname(alias, list) => {
            let mut name = Vec::new();
            for label in alias.split('.') {
                name.push(label.len() as u8);
                name.extend(label.bytes());
            }
            name.push(0);
            let mut records = vec![record(&[0xc0, 12], 5, &name)];
            records.extend(addresses(&name, &list));
            let mut reply = start(0, records.len() as u8);
            reply.extend(records.concat());
            vec![reply]
        }
        Say::ForgedFirst(list) => {
            let mut forged = plain(&[IpAddr::from([192, 0, 2, 66])]);
            forged[0] ^= 0xff;
            vec![forged, plain(&list)]
        }
        Say::Garbage => vec![[&asked[..2], &[0x80, 0, 9, 9]].concat()],
        Say::Code(code) => vec![start(code, 0)],
        Say::Truncated => {
            let mut reply = start(0, 0);
            reply[2] |= 2;
            vec![reply]
        }
        Say::Raw(bytes) => vec![[&asked[..2], &bytes].concat()],
        Say::Hangup | Say::Silence | Say::Flood => Vec::new(),
    }
}
