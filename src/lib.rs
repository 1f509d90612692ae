//! reachd keeps a router reachable by name, and proves it port by port.

pub mod model;
pub mod providers;
pub mod sys;
pub mod wire;
pub mod world;
