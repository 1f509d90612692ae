//! reachd keeps a router reachable by name, and proves it port by port.

pub mod act;
pub mod agent;
pub mod cli;
pub mod decide;
pub mod journal;
pub mod model;
pub mod observe;
pub mod parse;
pub mod providers;
pub mod render;
pub mod sys;
pub mod wire;
pub mod world;
