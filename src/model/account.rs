//! An account: one set of credentials for one provider, as the owner wrote it.

use super::map::Map;
use super::secret::Secret;

/// One value of an account option. Which of the three it is follows from the provider's
/// option table, not from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    Text(String),
    /// Given inline or read from `NAME_file`.
    Secret(Secret),
    List(Vec<String>),
}

/// `config account 'ID'`.
#[derive(Clone, Debug)]
pub struct Account {
    /// The section's name.
    pub id: String,
    /// Id of the provider, as `reachd providers` lists it.
    pub provider: String,
    /// The provider's own options, already checked against its table: required ones are there.
    pub options: Map<String, Setting>,
    /// Changes whenever anything in the section changes, a secret's text included.
    /// A permanent error is latched to it.
    pub fingerprint: u64,
    /// Network or device that requests to this provider must leave by; absent: the default route.
    pub wan: Option<String>,
    /// Trust roots to use instead of the system's bundle (`option ca_file`).
    pub ca_file: Option<String>,
    /// `option allow_http '1'`: plain http:// endpoints are accepted.
    pub allow_http: bool,
}

impl Account {
    /// A text option, if the owner wrote it (or the table has a default, which config fills in).
    pub fn text(&self, option: &str) -> Option<&str> {
        match self.options.get(option) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn secret(&self, option: &str) -> Option<&Secret> {
        match self.options.get(option) {
            Some(Setting::Secret(secret)) => Some(secret),
            _ => None,
        }
    }

    pub fn list(&self, option: &str) -> &[String] {
        match self.options.get(option) {
            Some(Setting::List(items)) => items,
            _ => &[],
        }
    }
}
