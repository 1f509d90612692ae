//! UCI sections -> [`Config`], with complaints the owner can act on.
//!
//! Everything wrong in a file is said at once, each with file, line, section and option; one
//! error anywhere and there is no config, so that nobody runs on half of what they wrote. What a
//! provider's account takes comes from the providers' option tables; files of secrets come
//! through a function that the caller hands in. Pure.

mod accept;
mod account;
mod general;
mod hook;
pub mod import_ddns;
pub mod import_inadyn;
mod imported;
mod name;
mod part;
mod value;

#[cfg(test)]
mod tests;

use crate::model::config::Config;
use crate::parse::uci::{self, Package};
use crate::providers::{self, Provider};
use part::{Complaints, Part};
use std::fmt;

/// Whether a config with this complaint may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Error,
}

/// One thing that is wrong or unwise in the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub severity: Severity,
    /// As the caller named it.
    pub file: String,
    /// Counted from 1; 0: it is about the file as a whole.
    pub line: u32,
    /// As `uci show` calls the section.
    pub section: Option<String>,
    pub option: Option<String>,
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if let Some(section) = &self.section {
            write!(f, "section '{section}'")?;
            if let Some(option) = &self.option {
                write!(f, ", option '{option}'")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.text)
    }
}

/// A file that holds a secret.
pub struct SecretFile {
    pub bytes: Vec<u8>,
    /// Permission bits, as `st_mode` has them.
    pub mode: u32,
}

/// Reads the file of a secret; the error says why it could not, as the system puts it.
pub type Files<'a> = &'a mut dyn FnMut(&str) -> Result<SecretFile, String>;

/// The config where there is none: a report needs no names.
pub fn none() -> Config {
    general::defaults()
}

/// Reads a config. `file` is its name for complaints, `mode` its permission bits.
/// There is no config if any complaint is an error. Complaints come in the file's order.
pub fn read(file: &str, text: &[u8], mode: u32, files: Files) -> (Option<Config>, Vec<Complaint>) {
    read_with(providers::all(), file, text, mode, files)
}

/// [`read`], with the providers that accounts may name.
fn read_with(
    providers: &[Provider],
    file: &str,
    text: &[u8],
    mode: u32,
    files: Files,
) -> (Option<Config>, Vec<Complaint>) {
    let mut complaints = Complaints { file, all: Vec::new() };
    let config = match uci::parse(text) {
        Ok(package) => sections(providers, &package, mode, files, &mut complaints),
        Err(error) => {
            let text = [&error.message, " (uci says: ", &error.uci(), ")"].concat();
            complaints.add(Severity::Error, error.line, None, None, text);
            None
        }
    };
    let mut all = complaints.all;
    all.sort_by_key(|complaint| complaint.line);
    let refused = all.iter().any(|complaint| complaint.severity == Severity::Error);
    (config.filter(|_| !refused), all)
}

/// Whether a value may be shown to whoever may see the router's pages: anything but what is, or
/// might be, a secret.
pub fn may_show(section: &uci::Section, option: &uci::Opt) -> bool {
    match section.kind.as_str() {
        "account" => account::may_show(providers::all(), section, option),
        "hook" => hook::may_show(option),
        _ => true,
    }
}

const KINDS: [&str; 6] = ["reachd", "lookup", "account", "name", "hook", "accept"];

fn sections(
    providers: &[Provider],
    package: &Package,
    mode: u32,
    files: Files,
    complaints: &mut Complaints,
) -> Option<Config> {
    let mut config = general::defaults();
    let (mut main_at, mut lookup_at) = (None, None);
    let mut accounts = Vec::new();
    // Names come second: an account may stand below the name that uses it.
    for second in [false, true] {
        for (index, section) in package.sections.iter().enumerate() {
            let is_name = section.kind == "name";
            if is_name != second {
                continue;
            }
            let mut part = Part { section, id: package.id(index), complaints };
            match section.kind.as_str() {
                "name" => {
                    let accounts = name::Accounts { known: &accounts, read: &config.accounts };
                    let name = name::read(&mut part, &accounts, &config.names);
                    config.names.extend(name);
                }
                "account" => {
                    let (known, account) = account::read(&mut part, providers, mode, files);
                    accounts.push(known);
                    config.accounts.extend(account);
                }
                "hook" => config.hooks.extend(hook::read(&mut part, mode, files)),
                "reachd" if part.first_of_its_kind(&mut main_at) => {
                    general::read_main(&mut part, &mut config);
                }
                "lookup" if part.first_of_its_kind(&mut lookup_at) => {
                    config.lookup = general::read_lookup(&mut part);
                }
                "reachd" | "lookup" => {}
                "accept" => config.accepts.extend(accept::read(&mut part)),
                other => {
                    let hint = value::hint(other, &KINDS);
                    let text = ["config ", other, " is not a kind of section here", &hint].concat();
                    part.error(section.line, None, text);
                }
            }
        }
    }
    if config.enabled && !package.sections.iter().any(|section| section.kind == "name") {
        let text =
            "there is no name to keep: add a section config name 'home' with fqdn and account";
        complaints.add(Severity::Warning, 0, None, None, text.into());
    }
    Some(config)
}
