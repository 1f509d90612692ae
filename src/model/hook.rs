//! Whom the owner wants told when something changed.

use super::account::Account;

/// What may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A record holds another address.
    #[default]
    Address,
    /// A record can't be kept any more until somebody acts, or can again.
    Trouble,
    /// What the ISP gives on a WAN is another.
    Line,
    /// A forward's verdict or a finding of the report came, changed or went.
    Report,
}

impl Topic {
    pub const ALL: [Topic; 4] = [Topic::Address, Topic::Trouble, Topic::Line, Topic::Report];

    /// Where the owner did not say.
    pub const USUAL: [Topic; 2] = [Topic::Address, Topic::Trouble];

    /// As in `list on`, and in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Address => "address",
            Topic::Trouble => "trouble",
            Topic::Line => "line",
            Topic::Report => "report",
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
