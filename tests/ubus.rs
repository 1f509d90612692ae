//! The ubus client against a stand-in for ubusd and netifd that speaks the same bytes, with a real
//! dump of netifd, and against one that does not.

use reachd::parse::netifd;
use reachd::sys::ubus::Ubus;
use reachd::wire::ubus::{self, ATTR_METHOD, ATTR_OBJID, ATTR_OBJPATH, Message};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

const NETIFD: u32 = 0x227f_6a5e;

/// blobmsg of a JSON value, as libubox writes it.
fn blobmsg(name: &str, value: &Value) -> Vec<u8> {
    let mut content = (name.len() as u16).to_be_bytes().to_vec();
    content.extend(name.as_bytes());
    content.push(0);
    content.resize(content.len().next_multiple_of(4), 0);
    let kind: u32 = match value {
        Value::Null => 0,
        Value::Array(items) => {
            content.extend(items.iter().flat_map(|item| blobmsg("", item)));
            1
        }
        Value::Object(fields) => {
            content.extend(fields.iter().flat_map(|(name, value)| blobmsg(name, value)));
            2
        }
        Value::String(text) => {
            content.extend(text.as_bytes());
            content.push(0);
            3
        }
        Value::Number(number) => {
            content.extend((number.as_i64().unwrap() as i32).to_be_bytes());
            5
        }
        Value::Bool(yes) => {
            content.push(u8::from(*yes));
            7
        }
    };
    attr(0x80 | kind, &content)
}

fn attr(id: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = (id << 24 | (content.len() as u32 + 4)).to_be_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u8, seq: u16, peer: u32, blob: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, kind];
    bytes.extend(seq.to_be_bytes());
    bytes.extend(peer.to_be_bytes());
    bytes.extend((blob.len() as u32 + 4).to_be_bytes());
    bytes.extend(blob);
    bytes
}

fn dump(name: &str) -> Value {
    let path = format!("{}/tests/data/netifd/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn socket(name: &str) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// What the test tells the stand-in to do to the client that is connected.
enum Tell {
    /// `interface.update`, in two pieces.
    Update,
    /// netifd ends: UNSUBSCRIBE.
    NetifdGone,
    /// ubusd ends.
    Close,
}

/// Serves one client after the other. What each asked is told by name.
fn serve(path: &PathBuf, dump: Value, shown: bool) -> (Sender<Tell>, Receiver<String>) {
    let listener = UnixListener::bind(path).unwrap();
    let (tell, told) = mpsc::channel();
    let (log, seen) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            client(stream.unwrap(), &dump, shown, &told, &log);
        }
    });
    (tell, seen)
}

fn client(
    mut stream: UnixStream,
    dump: &Value,
    shown: bool,
    told: &Receiver<Tell>,
    log: &Sender<String>,
) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    stream.write_all(&message(ubus::HELLO, 0, 0x1234, &[])).unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        match stream.read(&mut part) {
            Ok(0) => return,
            Ok(len) => bytes.extend(&part[..len]),
            Err(_) => {}
        }
        while let Some(len) = ubus::whole(&bytes).filter(|len| *len <= bytes.len()) {
            let request = ubus::read(&bytes).unwrap();
            bytes.drain(..len);
            answer(&mut stream, &request, dump, shown, log);
        }
        match told.try_recv() {
            Ok(Tell::Update) => {
                let mut blob = attr(3, &0x77u32.to_be_bytes());
                blob.extend(attr(4, b"interface.update\0"));
                blob.extend(attr(7, &blobmsg("interface", &"wan".into())));
                let bytes = message(ubus::INVOKE, 9, NETIFD, &blob);
                stream.write_all(&bytes[..17]).unwrap();
                thread::sleep(Duration::from_millis(10));
                stream.write_all(&bytes[17..]).unwrap();
            }
            Ok(Tell::NetifdGone) => {
                let blob = attr(3, &0x77u32.to_be_bytes());
                stream.write_all(&message(ubus::UNSUBSCRIBE, 0, 0, &blob)).unwrap();
            }
            Ok(Tell::Close) => return,
            Err(_) => {}
        }
    }
}

fn answer(
    stream: &mut UnixStream,
    request: &Message,
    dump: &Value,
    shown: bool,
    log: &Sender<String>,
) {
    let (name, data) = match request.kind {
        ubus::LOOKUP => {
            let path = request.text(ATTR_OBJPATH).unwrap();
            (format!("lookup {path}"), attr(u32::from(ATTR_OBJID), &NETIFD.to_be_bytes()))
        }
        ubus::ADD_OBJECT => ("add_object".into(), attr(3, &0x77u32.to_be_bytes())),
        ubus::SUBSCRIBE => ("subscribe".into(), Vec::new()),
        ubus::INVOKE => {
            assert_eq!((request.peer, request.number(ATTR_OBJID)), (NETIFD, Some(NETIFD)));
            let table: Vec<u8> =
                dump.as_object().unwrap().iter().flat_map(|(k, v)| blobmsg(k, v)).collect();
            let mut blob = attr(3, &NETIFD.to_be_bytes());
            blob.extend(attr(7, &table));
            (request.text(ATTR_METHOD).unwrap().to_string(), blob)
        }
        kind => panic!("unexpected message {kind}"),
    };
    let _ = log.send(name);
    let status: u32 = if shown { 0 } else { 4 };
    let mut reply = Vec::new();
    if shown && !data.is_empty() {
        reply.extend(message(ubus::DATA, request.seq, request.peer, &data));
    }
    let status = attr(1, &status.to_be_bytes());
    reply.extend(message(ubus::STATUS, request.seq, request.peer, &status));
    let _ = stream.write_all(&reply);
}

fn wait_for(mut what: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn a_real_dump_arrives_as_it_was() {
    let path = socket("ubus-dump");
    let (_tell, seen) = serve(&path, dump("multiwan"), true);
    let mut ubus = Ubus::at(&["/nowhere", path.to_str().unwrap()]);
    let got = ubus.interface_dump().unwrap().unwrap();
    assert_eq!(got, dump("multiwan"));
    assert_eq!(netifd::interfaces(&got), netifd::interfaces(&dump("multiwan")));
    ubus.interface_dump().unwrap().unwrap();
    let seen: Vec<String> = seen.try_iter().collect();
    assert_eq!(seen, ["lookup network.interface", "dump", "dump"], "one connection, no more");
    assert!(!ubus.rang());
}

#[test]
fn netifds_changes_ring_and_its_restart_is_survived() {
    let path = socket("ubus-follow");
    let (tell, seen) = serve(&path, dump("static"), true);
    let mut ubus = Ubus::at(&[path.to_str().unwrap()]);
    ubus.follow = true;
    ubus.interface_dump().unwrap().unwrap();
    assert!(!ubus.rang(), "nothing has changed yet");
    tell.send(Tell::Update).unwrap();
    assert!(wait_for(|| ubus.rang()), "interface.update rings");
    assert!(!ubus.rang(), "once");
    assert!(ubus.fd().is_some());
    for gone in [Tell::NetifdGone, Tell::Close] {
        tell.send(gone).unwrap();
        assert!(wait_for(|| ubus.rang()), "an end rings too");
        assert!(ubus.fd().is_none(), "a line of no use is not polled");
        ubus.interface_dump().unwrap().unwrap();
        assert!(ubus.fd().is_some(), "and the next look has a new one");
    }
    let subscribed = seen.try_iter().filter(|name| name == "subscribe").count();
    assert_eq!(subscribed, 3, "subscribed on every connection");
}

#[test]
fn a_line_that_died_between_two_looks_costs_nothing() {
    let path = socket("ubus-died");
    let (tell, _seen) = serve(&path, dump("static"), true);
    let mut ubus = Ubus::at(&[path.to_str().unwrap()]);
    ubus.interface_dump().unwrap().unwrap();
    tell.send(Tell::Close).unwrap();
    thread::sleep(Duration::from_millis(60));
    ubus.interface_dump().unwrap().unwrap();
}

#[test]
fn no_socket_no_answer_and_no_leave_says_so() {
    assert!(Ubus::at(&["/nowhere"]).interface_dump().is_none());
    let path = socket("ubus-acl");
    let (_tell, _seen) = serve(&path, dump("static"), false);
    let why = Ubus::at(&[path.to_str().unwrap()]).interface_dump().unwrap().unwrap_err();
    assert!(why.starts_with("could not ask netifd: ubus does not show it"), "{why}");
    let path = socket("ubus-stale");
    drop(UnixListener::bind(&path).unwrap());
    let why = Ubus::at(&[path.to_str().unwrap()]).interface_dump().unwrap().unwrap_err();
    assert!(why.contains("refused"), "{why}");
}

#[test]
fn garbage_and_silence_are_errors_in_time() {
    for bytes in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0xff; 64], &[0; 64]] {
        let path = socket("ubus-garbage");
        let listener = UnixListener::bind(&path).unwrap();
        let bytes = bytes.to_vec();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(&bytes);
            // Held open until the client has had enough.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = stream.read(&mut [0; 64]);
        });
        let begun = Instant::now();
        assert!(Ubus::at(&[path.to_str().unwrap()]).interface_dump().unwrap().is_err());
        assert!(begun.elapsed() < Duration::from_secs(4));
        server.join().unwrap();
    }
}

#[test]
fn odhcpds_leases_arrive_or_nothing_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/leases/ubus-dhcp-ipv6leases.json");
    let leases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let path = socket("ubus-leases");
    let (_tell, seen) = serve(&path, leases.clone(), true);
    let ubus = Ubus::at(&[path.to_str().unwrap()]);
    assert_eq!(ubus.ipv6_leases(), Some(leases.clone()));
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["lookup dhcp", "ipv6leases"]);
    assert!(ubus.fd().is_none(), "a connection of its own, closed by now");
    let path = socket("ubus-leases-hidden");
    let (_tell, _seen) = serve(&path, leases, false);
    assert_eq!(Ubus::at(&[path.to_str().unwrap()]).ipv6_leases(), None);
    assert_eq!(Ubus::at(&["/nowhere"]).ipv6_leases(), None);
}
