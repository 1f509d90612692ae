//! Message formats without sockets: bytes in, values out, and back.

pub mod rtnetlink;
pub mod update;
