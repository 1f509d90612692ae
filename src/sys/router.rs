//! The router itself, as [`Sys`]: links, routes, netifd, clocks.

use super::netlink::{self, Bell};
use super::{World, clock, events, signals};
use crate::model::lan::Mac;
use crate::model::name::Family;
use crate::model::wan::{Link, Route};
use crate::world::{Event, Sys};
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

impl World {
    /// Watches the router from now on: the kernel's changes, netifd's where it is, and the wall clock
    /// being set. Call it
    /// before the first look, so that no change falls between.
    pub fn watch(&mut self) -> Result<(), String> {
        self.bell = Some(Bell::new()?);
        self.steps = clock::Steps::new();
        self.ubus.follow = true;
        Ok(())
    }
}

impl Sys for World {
    fn links(&mut self) -> Result<Vec<Link>, String> {
        netlink::links()
    }

    fn route(
        &mut self,
        family: Family,
        from: Option<IpAddr>,
        link: Option<u32>,
    ) -> Result<Option<Route>, String> {
        netlink::route(family, from, link)
    }

    fn netifd(&mut self) -> Option<Result<Value, String>> {
        self.ubus.interface_dump()
    }

    fn neighbours(&mut self) -> Result<Vec<(u32, Mac, Ipv6Addr)>, String> {
        netlink::neighbours()
    }

    fn ipv6_leases(&mut self) -> Option<Value> {
        self.ubus.ipv6_leases()
    }

    fn file_mode(&mut self, path: &str) -> Option<u32> {
        std::fs::metadata(path).ok().map(|meta| meta.permissions().mode() & 0o7777)
    }

    fn progress(&mut self, what: &str) {
        if self.progress && std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr(), "{what} ...");
        }
    }

    fn wait(&mut self, until: Option<Duration>) -> Event {
        events::next(self.bell.as_mut(), &mut self.ubus, self.steps.as_ref(), until)
    }

    fn stopping(&self) -> bool {
        signals::stop()
    }

    fn now(&self) -> Duration {
        clock::since_boot()
    }

    fn boot_id(&self) -> String {
        clock::boot_id()
    }
}
