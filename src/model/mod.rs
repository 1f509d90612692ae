//! Plain values in the field's words: no I/O, no clock, nothing above them is named here.

pub mod account;
pub mod address;
pub mod answer;
pub mod config;
pub mod finding;
pub mod forward;
pub mod hook;
pub mod known;
pub mod lan;
pub mod line;
pub mod map;
pub mod name;
pub mod outcome;
pub mod ruleset;
pub mod secret;
pub mod snapshot;
pub mod target;
pub mod utc;
pub mod wan;
pub mod words;
