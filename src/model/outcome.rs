//! What became of one wanted record. An error is named by what happens next.

use std::time::Duration;

/// The answer of a provider for one [`Want`](super::name::Want). The texts are for the owner:
/// they say what was seen and what to do, and never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider confirmed that the record was changed to what we want.
    Updated,
    /// The record was read, or the provider said so: it already holds what we want.
    AlreadyRight,
    /// Nothing will change until the owner changes something: bad credentials, no such zone or
    /// record, abuse. Latched to the config's fingerprint; not tried again.
    FixConfig(String),
    /// The provider said when it wants to hear from us again.
    WaitUntil { after: Duration, why: String },
    /// It may work later; we decide when (exponential backoff).
    TryLater(String),
    /// The request may have taken effect, but the answer did not say so. Tried again like
    /// `TryLater`; safe, because providers read before they change.
    NotConfirmed(String),
    /// We did something wrong: a reply we caused by our own mistake. Latched like `FixConfig`.
    Bug(String),
}

impl Outcome {
    /// The record is known to hold what we want.
    pub fn is_right(&self) -> bool {
        matches!(self, Outcome::Updated | Outcome::AlreadyRight)
    }

    /// Stays as it is until the config changes.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Outcome::FixConfig(_) | Outcome::Bug(_))
    }

    /// The text for the owner; empty where there is nothing wrong.
    pub fn text(&self) -> &str {
        match self {
            Outcome::Updated | Outcome::AlreadyRight => "",
            Outcome::FixConfig(text)
            | Outcome::TryLater(text)
            | Outcome::NotConfirmed(text)
            | Outcome::Bug(text)
            | Outcome::WaitUntil { why: text, .. } => text,
        }
    }
}
