//! ubus messages (OpenWrt's libubus and libubox blobs): requests as bytes, replies as values.
//! No sockets. All integers are big-endian; lengths are checked, depth is limited, and bytes that
//! make no sense end the reading, never the program.
//!
//! A message is a header (version, type, sequence, peer) and one blob: attributes with an id.
//! The attribute DATA holds named, typed values ("blobmsg"), which become JSON here.

use serde_json::{Map, Value};

/// Message types (ubusmsg.h).
pub const HELLO: u8 = 0;
pub const STATUS: u8 = 1;
pub const DATA: u8 = 2;
pub const LOOKUP: u8 = 4;
pub const INVOKE: u8 = 5;
pub const ADD_OBJECT: u8 = 6;
pub const SUBSCRIBE: u8 = 8;
/// The object we subscribed to is gone: its program ended or started again.
pub const UNSUBSCRIBE: u8 = 9;

/// Attribute ids (ubusmsg.h).
pub const ATTR_STATUS: u8 = 1;
pub const ATTR_OBJPATH: u8 = 2;
pub const ATTR_OBJID: u8 = 3;
pub const ATTR_METHOD: u8 = 4;
pub const ATTR_DATA: u8 = 7;
pub const ATTR_TARGET: u8 = 8;

/// Header and the length of the blob behind it.
pub const HEAD: usize = 12;

/// No message is longer (UBUS_MAX_MSGLEN).
pub const LONGEST: usize = 1 << 20;

/// netifd's values are five deep; nothing sensible is deeper than this.
const DEEPEST: u32 = 16;

/// What an attribute of a request holds.
#[derive(Clone, Copy, Debug)]
pub enum Attr<'a> {
    Text(&'a str),
    Number(u32),
    /// No arguments.
    Empty,
}

/// One message that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub seq: u16,
    pub peer: u32,
    blob: Vec<u8>,
}

/// A message with these attributes.
pub fn message(kind: u8, seq: u16, peer: u32, attrs: &[(u8, Attr<'_>)]) -> Vec<u8> {
    let mut blob = Vec::new();
    for (id, attr) in attrs {
        let value = match attr {
            Attr::Text(text) => [text.as_bytes(), b"\0"].concat(),
            Attr::Number(number) => number.to_be_bytes().to_vec(),
            Attr::Empty => Vec::new(),
        };
        let head = u32::from(*id) << 24 | (value.len() as u32 + 4);
        blob.extend(head.to_be_bytes());
        blob.extend(value);
        blob.resize(blob.len().next_multiple_of(4), 0);
    }
    let mut bytes = vec![0, kind];
    bytes.extend(seq.to_be_bytes());
    bytes.extend(peer.to_be_bytes());
    bytes.extend((blob.len() as u32 + 4).to_be_bytes());
    bytes.extend(blob);
    bytes
}

/// How long the whole message is whose first [`HEAD`] bytes these are; `None`: it is no message.
pub fn whole(head: &[u8]) -> Option<usize> {
    let len = u32_at(head, 8)? as usize & 0x00ff_ffff;
    (*head.first()? == 0 && (4..=LONGEST).contains(&len)).then_some(8 + len)
}

/// Reads a message that is whole.
pub fn read(bytes: &[u8]) -> Option<Message> {
    Some(Message {
        kind: *bytes.get(1)?,
        seq: u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?),
        peer: u32_at(bytes, 4)?,
        blob: bytes.get(HEAD..whole(bytes)?)?.to_vec(),
    })
}

impl Message {
    pub fn number(&self, id: u8) -> Option<u32> {
        u32_at(self.attr(id)?, 0)
    }

    pub fn text(&self, id: u8) -> Option<&str> {
        text(self.attr(id)?)
    }

    /// The DATA attribute, a table.
    pub fn data(&self) -> Option<Value> {
        table(self.attr(ATTR_DATA)?, 0)
    }

    fn attr(&self, id: u8) -> Option<&[u8]> {
        attributes(&self.blob).find(|(head, _)| (head >> 24) as u8 & 0x7f == id).map(|(_, v)| v)
    }
}

/// Attributes as (their head, their content), up to the first that does not hold together.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let head = u32_at(bytes, 0)?;
        let len = head as usize & 0x00ff_ffff;
        let content = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((head, content))
    })
}

/// A blobmsg value: its type is the attribute's id, its name comes first.
fn named(head: u32, content: &[u8], depth: u32) -> Option<(String, Value)> {
    let name_len = usize::from(u16::from_be_bytes(content.get(..2)?.try_into().ok()?));
    let name = String::from_utf8_lossy(content.get(2..2 + name_len)?).into_owned();
    // Two bytes of length, the name, its NUL, padded.
    let value = content.get((2 + name_len + 1).next_multiple_of(4)..)?;
    let value = match (head >> 24) as u8 & 0x7f {
        0 => Value::Null,
        1 => array(value, depth + 1)?,
        2 => table(value, depth + 1)?,
        3 => text(value)?.into(),
        4 => i64::from_be_bytes(value.get(..8)?.try_into().ok()?).into(),
        5 => (u32_at(value, 0)? as i32).into(),
        6 => i16::from_be_bytes(value.get(..2)?.try_into().ok()?).into(),
        // ubus has no bool of its own; its own tools print these as one.
        7 => (*value.first()? != 0).into(),
        8 => f64::from_be_bytes(value.get(..8)?.try_into().ok()?).into(),
        _ => return None,
    };
    Some((name, value))
}

fn table(bytes: &[u8], depth: u32) -> Option<Value> {
    let mut map = Map::new();
    if depth > DEEPEST {
        return None;
    }
    for (head, content) in attributes(bytes) {
        let (name, value) = named(head, content, depth)?;
        map.insert(name, value);
    }
    Some(Value::Object(map))
}

fn array(bytes: &[u8], depth: u32) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let items = attributes(bytes).map(|(head, content)| Some(named(head, content, depth)?.1));
    items.collect::<Option<Vec<Value>>>().map(Value::Array)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As captured by strace of `ubus call service signal` on OpenWrt 24.10.
    const SENT_LOOKUP: &[u8] =
        b"\x00\x04\x00\x01\x00\x00\x00\x00\x00\x00\x00\x10\x02\x00\x00\x0cservice\x00";
    const GOT_STATUS: &[u8] =
        b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x0c\x01\x00\x00\x08\x00\x00\x00\x00";
    const SENT_INVOKE: &[u8] = b"\x00\x05\x00\x02\x22\x7f\x6a\x5e\x00\x00\x00\x44\x03\x00\x00\x08\
        \x22\x7f\x6a\x5e\x04\x00\x00\x0bsignal\x00\x00\x07\x00\x00\x2c\x83\x00\x00\x12\x00\x04name\
        \x00\x00hello\x00\x00\x00\x85\x00\x00\x14\x00\x06signal\x00\x00\x00\x00\x00\x00\x00\x00";

    #[test]
    fn requests_are_those_of_the_ubus_command() {
        let lookup = message(LOOKUP, 1, 0, &[(ATTR_OBJPATH, Attr::Text("service"))]);
        assert_eq!(lookup, SENT_LOOKUP);
    }

    #[test]
    fn captured_messages_are_read() {
        let status = read(GOT_STATUS).unwrap();
        assert_eq!((status.kind, status.seq, status.number(ATTR_STATUS)), (STATUS, 1, Some(0)));
        let invoke = read(SENT_INVOKE).unwrap();
        assert_eq!(invoke.number(ATTR_OBJID), Some(0x227f_6a5e));
        assert_eq!(invoke.text(ATTR_METHOD), Some("signal"));
        assert_eq!(invoke.data(), Some(serde_json::json!({"name": "hello", "signal": 0})));
    }

    #[test]
    fn a_message_says_how_long_it_is() {
        assert_eq!(whole(&GOT_STATUS[..HEAD]), Some(GOT_STATUS.len()));
        assert_eq!(whole(&GOT_STATUS[..HEAD - 1]), None);
        assert_eq!(whole(b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\xff\xff\xff"), None, "too long");
        assert_eq!(whole(b"\x07\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x0c"), None, "version 7");
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let mut seed = 11u64;
        for _ in 0..50_000 {
            let mut bytes = SENT_INVOKE.to_vec();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            if let Some(message) = read(&bytes) {
                let _ = (message.data(), message.text(ATTR_METHOD), message.number(ATTR_OBJID));
            }
        }
    }

    #[test]
    fn depth_is_limited() {
        // A table in a table, a thousand times.
        let mut inner = Vec::new();
        for _ in 0..1000 {
            let mut outer = (0x8200_0000 | (inner.len() as u32 + 8)).to_be_bytes().to_vec();
            outer.extend([0, 0, 0, 0]);
            outer.extend(inner);
            inner = outer;
        }
        assert_eq!(table(&inner, 0), None);
    }
}
