//! A client of ubus, for netifd: its dump of all networks, and its word when one of them changes.
//! And for odhcpd's leases, by a connection of their own.
//!
//! One connection for as long as it lasts. netifd restarts, ubusd restarts, an access list that
//! hides netifd from us: each costs an answer, and the next look connects and subscribes again.
//! Only where there is a ubus socket; elsewhere the kernel alone serves.

use super::signals::{Waited, wait};
use super::socket::would_block;
use crate::wire::ubus::{
    ADD_OBJECT, ATTR_DATA, ATTR_METHOD, ATTR_OBJID, ATTR_OBJPATH, ATTR_STATUS, ATTR_TARGET, Attr,
    DATA, HEAD, HELLO, INVOKE, LOOKUP, Message, STATUS, SUBSCRIBE, UNSUBSCRIBE, message, read,
    whole,
};
use log::debug;
use nix::poll::PollFlags;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where ubusd listens: OpenWrt since 21.02, and before.
const SOCKETS: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];

/// netifd answers from memory; one that does not is stuck.
const DEADLINE: Duration = Duration::from_secs(3);

const NETIFD: &str = "network.interface";

/// odhcpd's object.
const ODHCPD: &str = "dhcp";

/// ubus's own "there is no such object", also told to who may not see it.
const NOT_FOUND: u32 = 4;

/// The client. Connects when it is first asked.
#[derive(Debug)]
pub struct Ubus {
    sockets: Vec<String>,
    /// Subscribe to netifd's changes on each connection.
    pub follow: bool,
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    stream: UnixStream,
    /// What arrived of the next message.
    partial: Vec<u8>,
    seq: u16,
    /// Id of the object; 0: it has gone.
    object: u32,
    /// netifd told of a change since the last look.
    rang: bool,
}

impl Default for Ubus {
    fn default() -> Self {
        Ubus::at(&SOCKETS)
    }
}

impl Ubus {
    /// A client of the first of these sockets that is there.
    pub fn at(sockets: &[&str]) -> Ubus {
        let sockets = sockets.iter().map(|path| path.to_string()).collect();
        Ubus { sockets, follow: false, line: None }
    }

    /// `network.interface dump`; `None` on machines without ubus.
    pub fn interface_dump(&mut self) -> Option<Result<Value, String>> {
        let path = self.sockets.iter().find(|path| Path::new(path).exists())?.clone();
        // A connection that has died meanwhile fails at once; a new one tells the truth.
        let kept = self.line.is_some();
        let answer = self.dump(&path).or_else(|why| if kept { self.dump(&path) } else { Err(why) });
        Some(answer.map_err(|why| format!("could not ask netifd: {why}")))
    }

    fn dump(&mut self, path: &str) -> Result<Value, String> {
        let until = Instant::now() + DEADLINE;
        // Taken out: whatever fails, it is not used again.
        let mut line = match self.line.take() {
            Some(line) => line,
            None => Line::open(path, NETIFD, self.follow, until)?,
        };
        let answer = line.call("dump", until)?;
        self.line = Some(line);
        Ok(answer)
    }

    /// `dhcp ipv6leases`; `None` where there is no ubus, no odhcpd, or no leave to ask it: its file
    /// may tell all the same.
    pub fn ipv6_leases(&self) -> Option<Value> {
        let path = self.sockets.iter().find(|path| Path::new(path).exists())?;
        let until = Instant::now() + DEADLINE;
        let line = Line::open(path, ODHCPD, false, until);
        let answer = line.and_then(|mut line| line.call("ipv6leases", until));
        answer.map_err(|why| debug!("could not ask odhcpd for its leases: {why}")).ok()
    }

    /// For the loop's poll; `None` while there is no connection.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(|line| line.stream.as_fd())
    }

    /// Reads all that has arrived; true if a new look is due.
    pub fn rang(&mut self) -> bool {
        let Some(line) = &mut self.line else { return false };
        let alive = line.drain();
        let rang = std::mem::take(&mut line.rang);
        if !alive {
            // netifd or ubusd is gone; the next look finds what took its place.
            self.line = None;
        }
        rang || !alive
    }
}

impl Line {
    fn open(path: &str, object: &str, follow: bool, until: Instant) -> Result<Line, String> {
        let stream = UnixStream::connect(path).map_err(|error| format!("{path}: {error}"))?;
        stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        let mut line = Line { stream, partial: Vec::new(), seq: 0, object: 0, rang: false };
        if line.next(until)?.kind != HELLO {
            return Err(format!("{path} does not speak ubus"));
        }
        let found = line.ask(LOOKUP, 0, &[(ATTR_OBJPATH, Attr::Text(object))], until)?;
        line.object = found.and_then(|found| found.number(ATTR_OBJID)).ok_or("no object")?;
        if follow {
            let own = line.ask(ADD_OBJECT, 0, &[], until)?.and_then(|own| own.number(ATTR_OBJID));
            let own = own.ok_or("no object of our own")?;
            let target = line.object;
            let attrs = [(ATTR_OBJID, Attr::Number(own)), (ATTR_TARGET, Attr::Number(target))];
            line.ask(SUBSCRIBE, 0, &attrs, until)?;
        }
        Ok(line)
    }

    /// Calls a method of the object, without arguments.
    fn call(&mut self, method: &str, until: Instant) -> Result<Value, String> {
        let object = self.object;
        let attrs = [
            (ATTR_OBJID, Attr::Number(object)),
            (ATTR_METHOD, Attr::Text(method)),
            (ATTR_DATA, Attr::Empty),
        ];
        self.ask(INVOKE, object, &attrs, until)?
            .and_then(|answer| answer.data())
            .ok_or_else(|| "its answer could not be read".into())
    }

    /// Sends a request and waits for its status; the last DATA before it is the answer.
    fn ask(
        &mut self,
        kind: u8,
        peer: u32,
        attrs: &[(u8, Attr<'_>)],
        until: Instant,
    ) -> Result<Option<Message>, String> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let request = message(kind, seq, peer, attrs);
        let mut left = &request[..];
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(len) => left = left.get(len..).unwrap_or_default(),
                Err(error) if would_block(&error) => self.ready(PollFlags::POLLOUT, until)?,
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut answer = None;
        loop {
            let message = self.next(until)?;
            match message.kind {
                DATA if message.seq == seq => answer = Some(message),
                STATUS if message.seq == seq => match message.number(ATTR_STATUS) {
                    Some(0) => return Ok(answer),
                    Some(NOT_FOUND) => {
                        return Err("ubus does not show it (is it running? may this user see \
                                    it? see /usr/share/acl.d)"
                            .into());
                    }
                    status => return Err(format!("ubus status {}", status.unwrap_or(9))),
                },
                _ => self.hear(&message),
            }
        }
    }

    /// A message nobody asked for.
    fn hear(&mut self, message: &Message) {
        // `interface.update`, `interface.down`; and netifd's end.
        self.rang |= matches!(message.kind, INVOKE | UNSUBSCRIBE);
        if message.kind == UNSUBSCRIBE {
            // Another netifd has another id: make `drain` say that this line is of no use.
            self.object = 0;
        }
    }

    /// Takes in what has arrived, without waiting; false when the line is of no use any more.
    fn drain(&mut self) -> bool {
        loop {
            match self.take() {
                Ok(Some(message)) => self.hear(&message),
                Ok(None) => return self.object != 0,
                Err(_) => return false,
            }
        }
    }

    fn next(&mut self, until: Instant) -> Result<Message, String> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(message);
            }
            self.ready(PollFlags::POLLIN, until)?;
        }
    }

    /// The next message, if all of it is there.
    fn take(&mut self) -> Result<Option<Message>, String> {
        loop {
            let have = self.partial.len();
            let want = match self.partial.get(..HEAD) {
                None => HEAD,
                Some(head) => whole(head).ok_or("it does not speak ubus")?,
            };
            if have >= HEAD && have == want {
                let message = read(&self.partial).ok_or("it does not speak ubus")?;
                self.partial.clear();
                return Ok(Some(message));
            }
            let mut part = [0; 4096];
            let room = (want - have).min(part.len());
            match self.stream.read(&mut part[..room]) {
                Ok(0) => return Err("the connection was closed".into()),
                Ok(len) => self.partial.extend_from_slice(&part[..len]),
                Err(error) if would_block(&error) => return Ok(None),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn ready(&self, interest: PollFlags, until: Instant) -> Result<(), String> {
        match wait(self.stream.as_fd(), interest, until) {
            Waited::Ready => Ok(()),
            Waited::Deadline => Err("no answer in time".into()),
            Waited::Stop => Err("interrupted".into()),
        }
    }
}
