//! reachd keeps a router reachable by name, and proves it port by port.

pub mod choose;
pub mod lookup;
pub mod model;
pub mod providers;
pub mod sys;
pub mod world;
