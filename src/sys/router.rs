//! The router itself, as [`Sys`]: links, routes, netifd, clocks.

use super::netlink::{self, Bell, Rules};
use super::{World, adjtimex, clock, events, exec, files, hops, knock, signals};
use crate::model::known::Known;
use crate::model::lan::Mac;
use crate::model::line::Hop;
use crate::model::name::Family;
use crate::model::target::{Heard, Knock};
use crate::model::wan::{Link, Passage, Route};
use crate::world::{Event, Program, Ran, RouteQuery, Sys};
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
        self.rules = Rules::new();
        self.ubus.follow = true;
        Ok(())
    }
}

impl World {
    /// stdout is a terminal whose owner did not opt out (<https://no-color.org>).
    pub fn colour(&self) -> bool {
        std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

impl Sys for World {
    fn links(&mut self) -> Result<Vec<Link>, String> {
        netlink::links()
    }

    fn route_device(&mut self, family: Family) -> Result<Option<u32>, String> {
        let query = RouteQuery { family, to: None, device: None, source: None, mark: 0 };
        Ok(netlink::route(&query)?.map(|route| route.device))
    }

    fn route(&mut self, query: &RouteQuery) -> Result<Option<Route>, String> {
        netlink::route(query)
    }

    fn marks(&mut self, family: Family) -> Result<Vec<u32>, String> {
        netlink::marks(family)
    }

    fn passage(
        &mut self,
        from: Option<IpAddr>,
        to: Option<IpAddr>,
        by: u32,
        mark: u32,
    ) -> Result<Passage, String> {
        netlink::passage(from, to, by, mark)
    }

    fn hops(&mut self, device: &str, source: IpAddr, most: u8) -> Known<Vec<Hop>> {
        hops::hops(device, source, most).into()
    }

    fn knock(&mut self, knocks: &[Knock]) -> Vec<Known<Heard>> {
        knock::knock(knocks)
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

    fn run(&mut self, argv: &[&str]) -> Result<Ran, String> {
        exec::run(argv)
    }

    fn programs(&mut self, folder: &str) -> Result<Vec<Program>, String> {
        exec::programs(folder)
    }

    fn tell(&mut self, argv: &[&str], input: &[u8], deadline: Duration) -> Result<Ran, String> {
        exec::tell(argv, input, deadline)
    }

    fn firewall_rang(&mut self) -> bool {
        signals::take_firewall() | self.rules.as_mut().is_some_and(Rules::rang)
    }

    fn progress(&mut self, what: &str) {
        if self.progress && std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr(), "{what} ...");
        }
    }

    fn wait(&mut self, until: Option<Duration>) -> Event {
        let rules = self.rules.as_ref();
        events::next(self.bell.as_mut(), rules, &mut self.ubus, self.steps.as_ref(), until)
    }

    fn stopping(&self) -> bool {
        signals::stop()
    }

    fn now(&self) -> Duration {
        clock::since_boot()
    }

    fn unsynchronised(&self) -> bool {
        adjtimex::unsynchronised()
    }

    fn written(&self, folder: &str) -> Vec<u64> {
        files::written(folder)
    }

    fn boot_id(&self) -> String {
        clock::boot_id()
    }
}
