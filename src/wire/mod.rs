//! Message formats without sockets: bytes in, values out, and back.

pub mod der;
pub mod dns;
pub mod igd;
pub mod names;
pub mod natpmp;
pub mod rtnetlink;
pub mod stun;
pub mod ubus;
pub mod update;
pub mod xml;
