//! The only place that touches the world: netlink, signals, sockets, TLS, files, programs, clocks.
//! It looks and it does; what that means is decided elsewhere.

pub mod clock;
pub mod events;
pub mod log;
pub mod netlink;
pub mod signals;
pub mod ubus;
