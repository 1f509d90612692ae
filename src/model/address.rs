//! Address classes: the IANA special-purpose registries as one dated table.

use std::net::IpAddr;

/// A CIDR prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub ip: IpAddr,
    pub len: u8,
}
