//! What the live firewall does to new packets from a device: exact sets of packets ([`space`]) are
//! walked through hooks, chains and rules ([`walk`]), each to its fate, with the rule
//! that decides. What cannot be decided (rates, times, marks, words we do not know) is a doubt, not
//! a guess: a fate that hangs on it is marked as such.
//!
//! Above that stand the questions of a report: one forward and the open surface ([`forward`]),
//! rules that do nothing, or too much ([`rules`]), and one sentence for each fate ([`words`]).
//!
//! Nothing here asks the kernel; addresses, routes and devices are arguments. Connections that
//! exist already, source NAT, and what stands behind a target are left to others.

pub mod forward;
mod looks;
mod nat;
pub mod rules;
pub mod space;
pub mod walk;
mod walker;
pub mod words;

#[cfg(test)]
mod fw4_tests;
