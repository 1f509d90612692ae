//! Text or bytes in, facts out. Pure; nothing here fails as a whole without saying why.

pub mod leases;
pub mod map_rules;
pub mod netifd;
pub mod nft;
pub mod uci;
