//! The only place that touches the world: netlink, ubus, signals, sockets, TLS, files, programs,
//! clocks.
//! It looks and it does; what that means is decided elsewhere.

pub mod adjtimex;
pub mod ciphers;
pub mod clock;
pub mod dns;
pub mod events;
pub mod exec;
pub mod files;
pub mod hops;
pub mod http;
pub mod knock;
pub mod log;
pub mod netlink;
pub mod process;
pub mod resolve;
pub mod router;
pub mod signals;
pub mod socket;
pub mod tls;
pub mod together;
pub mod ubus;
pub mod world;

pub use world::World;
