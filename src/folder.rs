//! A folder that stands for a router, as [`Sys`]: its files, and netifd's word for the links.
//! Nothing is sent and nothing is written. What a folder cannot tell is unknown.

use crate::model::lan::Mac;
use crate::model::name::Family;
use crate::model::wan::{Address, Link};
use crate::parse::networks;
use crate::world::{
    DnsTransport, Event, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Sys, Via,
};
use serde_json::Value;
use std::net::Ipv6Addr;
use std::time::Duration;

/// netifd's dump, under `cmd/`.
pub const DUMP: &str = "ubus-network.interface-dump.json";

pub struct Folder<'s> {
    /// Reads the files.
    pub inner: &'s mut dyn Sys,
    /// Without a slash at its end.
    pub root: &'s str,
}

impl Folder<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}/{}", self.root, path.trim_start_matches('/'))
    }
}

fn no<T>() -> Result<T, NetError> {
    let text = "a folder asks nobody".to_string();
    Err(NetError { kind: NetErrorKind::Connect, text, sent: false })
}

impl Net for Folder<'_> {
    fn http(&mut self, _: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
        no()
    }

    fn dns(&mut self, _: &str, _: &[u8], _: DnsTransport, _: &Via) -> Result<Vec<u8>, NetError> {
        no()
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.path(path);
        self.inner.read_file(&path)
    }

    fn replace_file(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
        Err("a folder is not written to".into())
    }

    fn wall_clock(&self) -> u64 {
        self.inner.wall_clock()
    }

    fn chance(&mut self) -> u64 {
        self.inner.chance()
    }

    fn done(&mut self) {}
}

impl Sys for Folder<'_> {
    fn links(&mut self) -> Result<Vec<Link>, String> {
        let dump = self.netifd().unwrap_or_else(|| Err("the folder has no networks".into()))?;
        let mut links: Vec<Link> = Vec::new();
        for network in networks::netifd(&dump)? {
            let Some(device) = network.device else { continue };
            let at = match links.iter().position(|link| link.name == device) {
                Some(at) => at,
                None => {
                    links.push(Link {
                        index: links.len() as u32 + 1,
                        loopback: device == "lo",
                        name: device,
                        up: network.up,
                        addresses: Vec::new(),
                    });
                    links.len() - 1
                }
            };
            let Some(link) = links.get_mut(at) else { continue };
            link.up |= network.up;
            link.addresses.extend(network.addresses.iter().map(|(ip, len)| Address {
                ip: *ip,
                prefix_len: *len,
                flags: Address::PERMANENT,
                preferred: None,
                valid: None,
            }));
        }
        Ok(links)
    }

    fn route_device(&mut self, _: Family) -> Result<Option<u32>, String> {
        // Whoever knows netifd's routes and finds none among them has none.
        match self.netifd() {
            Some(Ok(_)) => Ok(None),
            _ => Err("a folder has no routes of the kernel's".into()),
        }
    }

    fn netifd(&mut self) -> Option<Result<Value, String>> {
        let path = format!("cmd/{DUMP}");
        let bytes = match self.read_file(&path) {
            Ok(bytes) => bytes?,
            Err(why) => return Some(Err(why)),
        };
        let cut = |error| format!("{DUMP} is not whole JSON: {error}");
        Some(serde_json::from_slice(&bytes).map_err(cut))
    }

    fn neighbours(&mut self) -> Result<Vec<(u32, Mac, Ipv6Addr)>, String> {
        Err("a folder has no neighbours of IPv6".into())
    }

    fn ipv6_leases(&mut self) -> Option<Value> {
        None
    }

    fn file_mode(&mut self, path: &str) -> Option<u32> {
        let path = self.path(path);
        self.inner.file_mode(&path)
    }

    fn progress(&mut self, _: &str) {}

    fn wait(&mut self, _: Option<Duration>) -> Event {
        Event::Stop
    }

    fn stopping(&self) -> bool {
        self.inner.stopping()
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn boot_id(&self) -> String {
        String::new()
    }
}
