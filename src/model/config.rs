//! The config as plain values: what the owner wrote, checked, with defaults filled in.
//! Reading and complaining are in `config/`.

use super::account::Account;
use super::address::Prefix;
use super::hook::Hook;
use super::name::{Family, Name};
use std::time::Duration;

/// `/etc/config/reachd`, or the file given by `-c`.
#[derive(Clone, Debug)]
pub struct Config {
    /// `option enabled`, default true outside OpenWrt's shipped file. False: the daemon idles.
    pub enabled: bool,
    pub log_level: log::LevelFilter,
    /// Path of the journal; tmpfs by default.
    pub journal: String,
    /// A second copy on flash, written only when a confirmed address or a latch changed.
    pub journal_copy: Option<String>,
    /// Labs only: prefixes to treat as globally reachable.
    pub assume_public: Vec<Prefix>,
    /// After an action, changes within this time are gathered into the next one.
    pub coalesce: Duration,
    /// Folder of the programs that are told of every change.
    pub hooks_dir: String,
    /// A report after each change; `None`: where there is a firewall config.
    pub report: Option<bool>,
    /// Shortest time between two of them.
    pub report_every: Duration,
    pub lookup: Lookup,
    /// In the file's order; ids do not repeat.
    pub accounts: Vec<Account>,
    /// In the file's order; no (fqdn, account) repeats.
    pub names: Vec<Name>,
    /// In the file's order.
    pub hooks: Vec<Hook>,
    /// Findings of the report that are silent for a while.
    pub accepts: Vec<Accept>,
}

/// `config accept`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Of the check: `rule.dmz`.
    pub id: String,
    /// The finding's subject; `*`: any.
    pub subject: String,
    /// The last day, `2027-06-30`.
    pub until: String,
}

impl Config {
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }
}

/// How to learn the address that the Internet sees.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The services to ask, in order of preference.
    pub services: Vec<Service>,
    /// How many independent services must give the same answer. At least 1; default 2.
    pub agree: usize,
    /// How often to ask while an outside address is published; default 5 min.
    pub interval: Duration,
    /// PEM file of trust roots for these services instead of the system's bundle.
    pub ca_file: Option<String>,
    /// http:// services are accepted.
    pub allow_http: bool,
    /// The router above ours may be asked for a PCP mapping, taken back at once, to learn about
    /// the line.
    pub gateway_map: bool,
    /// Resolvers of others (`IP[:PORT]`) that a report asks for our names; empty: well-known ones.
    pub resolvers: Vec<String>,
}

/// One service that tells the caller's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub url: String,
    /// Who runs it: answers of one operator count once.
    pub operator: String,
    pub families: Vec<Family>,
    /// Shortest time between two questions, by its operator's wish.
    pub min_interval: Duration,
}
