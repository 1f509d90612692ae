//! Whom the owner wants told when something changed.

use super::account::Account;

/// What may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A record holds another address.
    Address,
    /// A record can't be kept any more until somebody acts, or can again.
    Trouble,
}

impl Topic {
    pub const ALL: [Topic; 2] = [Topic::Address, Topic::Trouble];

    /// As in `list on`, and in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Address => "address",
            Topic::Trouble => "trouble",
        }
    }
}

/// `config hook 'SECTION'`.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The request to send; its id is the section's name.
    pub service: Account,
    /// Not empty, no repeats.
    pub on: Vec<Topic>,
}
