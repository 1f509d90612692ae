//! Providers: where records are held. One file each, and one line in [`ALL`].
//!
//! A provider gets all wanted records of one account at once and answers for each of them, so
//! that 100 names are one batch on one connection. It reads before it changes, changes only what
//! differs, and keeps what the owner set: TTL, proxied, comment, tags, the other family.
//! When to call it, and what an outcome means for later, is decided elsewhere (`decide`).

use crate::model::account::Account;
use crate::model::name::{Family, Want};
use crate::model::outcome::Outcome;
use crate::world::Net;
use std::time::Duration;

pub mod cloudflare;
pub mod hosts;
pub mod rfc2136;

/// Every provider, in the order `reachd providers` shows them.
pub const ALL: &[Provider] = &[cloudflare::PROVIDER, hosts::PROVIDER, rfc2136::PROVIDER];

/// What an option of an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Also as `NAME_file`: the file's first line.
    Secret,
    /// `https://...`, or `http://...` with the opt-in.
    Url,
    /// `HOST`, `HOST:PORT`, `[V6]:PORT`.
    HostPort,
    /// A domain name.
    Domain,
    /// An absolute path, or one relative to the working directory.
    Path,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// One option that a provider's account takes.
#[derive(Clone, Copy, Debug)]
pub struct OptionDoc {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// Filled in by the config when the owner wrote nothing.
    pub default: Option<&'static str>,
    /// One line for the owner.
    pub help: &'static str,
}

/// A DNS service or protocol.
pub struct Provider {
    /// As in `option provider`.
    pub id: &'static str,
    /// One line: what it is.
    pub about: &'static str,
    pub families: &'static [Family],
    /// Shortest time between two calls for one account.
    pub min_interval: Duration,
    /// Reading is local and free: looked at each time, nothing is taken for granted.
    pub local: bool,
    pub options: &'static [OptionDoc],
    /// One outcome for each want, in their order.
    pub publish: fn(&mut dyn Net, &Account, &[Want]) -> Vec<Outcome>,
}

/// The provider with this id.
pub fn find(id: &str) -> Option<&'static Provider> {
    ALL.iter().find(|provider| provider.id == id)
}
