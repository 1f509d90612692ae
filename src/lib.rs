//! reachd keeps a router reachable by name, and proves it port by port.

pub mod config;
pub mod model;
pub mod parse;
pub mod providers;
pub mod sys;
pub mod world;
