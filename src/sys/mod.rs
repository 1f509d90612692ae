//! The only place that touches the world.

pub mod signals;
