//! Plain values in the field's words: no I/O, no clock, nothing above them is named here.

pub mod account;
pub mod address;
pub mod config;
pub mod known;
pub mod line;
pub mod name;
pub mod outcome;
pub mod ruleset;
pub mod secret;
pub mod utc;
pub mod wan;
