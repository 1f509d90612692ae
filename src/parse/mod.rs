//! Text or bytes in, facts out. Pure; nothing here fails as a whole without saying why.

pub mod firewall;
pub mod leases;
pub mod map_rules;
pub mod netifd;
pub mod networks;
pub mod nft;
pub mod services;
pub mod sockets;
pub mod tables;
pub mod uci;
