//! One section while it is read: its options with firewall4's types, and what firewall4 says of
//! them on stderr. The first value it refuses ends its reading; we read on in silence, to show
//! what the owner meant.

use super::value::{self, Addresses};
use crate::model::snapshot::Network;
use crate::parse::uci::{Package, Value};

/// An option's value.
#[derive(Clone, Debug)]
pub enum Given {
    One(String),
    List(Vec<String>),
}

/// A section of the file, or the same as JSON from a service.
#[derive(Clone, Debug)]
pub struct Raw {
    pub kind: String,
    /// As `uci` calls it; empty for a service's.
    pub id: String,
    pub line: u32,
    pub options: Vec<(String, u32, Given)>,
}

impl Raw {
    pub fn of_uci(package: &Package, index: usize) -> Option<Raw> {
        let section = package.sections.get(index)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let given = |value: &Value| match value {
            Value::One(bytes) => Given::One(text(bytes)),
            Value::List(items) => Given::List(items.iter().map(|i| text(&i.bytes)).collect()),
        };
        Some(Raw {
            kind: section.kind.clone(),
            id: package.id(index),
            line: section.line,
            options: section
                .options
                .iter()
                .map(|option| (option.name.clone(), option.line, given(&option.value)))
                .collect(),
        })
    }

    /// An object of `data.firewall[]`.
    pub fn of_json(object: &serde_json::Value, name: String) -> Option<Raw> {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Bool(yes) => u8::from(*yes).to_string(),
            other => other.to_string(),
        };
        let mut options = vec![("name".to_string(), 0, Given::One(name))];
        for (key, value) in object.as_object()? {
            let given = match value {
                serde_json::Value::Array(items) => Given::List(items.iter().map(text).collect()),
                other => Given::One(text(other)),
            };
            if key != "name" && key != "type" {
                options.push((key.clone(), 0, given));
            }
        }
        let kind = object.get("type").and_then(serde_json::Value::as_str).unwrap_or("rule");
        Some(Raw { kind: kind.into(), id: String::new(), line: 0, options })
    }

    pub fn option(&self, name: &str) -> Option<&Given> {
        self.options.iter().find(|(option, ..)| option == name).map(|(_, _, given)| given)
    }

    /// The plain text of an option, without checks.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.option(name)? {
            Given::One(text) => Some(text),
            Given::List(_) => None,
        }
    }

    /// As firewall4 begins a complaint.
    pub fn lead(&self) -> String {
        let name = self.text("name").map(|name| format!(" ({name})")).unwrap_or_default();
        match &self.id[..] {
            "" => format!("ubus {}{name}", self.kind),
            id => format!("Section {id}{name}"),
        }
    }
}

/// A section being read.
pub struct Part<'r> {
    pub raw: &'r Raw,
    pub networks: &'r [Network],
    /// What firewall4 says, without [`Raw::lead`].
    pub said: Vec<String>,
    /// A value was refused.
    pub refused: bool,
}

impl<'r> Part<'r> {
    pub fn new(raw: &'r Raw, networks: &'r [Network]) -> Part<'r> {
        Part { raw, networks, said: Vec::new(), refused: false }
    }

    fn refuse(&mut self, text: String) {
        if !self.refused {
            self.said.push(text);
        }
        self.refused = true;
    }

    /// A scalar option through its reader.
    pub fn one<T>(&mut self, name: &str, read: &dyn Fn(&str) -> Option<T>) -> Option<T> {
        match self.raw.option(name)? {
            Given::List(_) => {
                self.refuse(format!("option '{name}' must not be a list"));
                None
            }
            Given::One(text) => {
                let value = read(text);
                if value.is_none() {
                    self.refuse(format!("option '{name}' specifies invalid value '{text}'"));
                }
                value
            }
        }
    }

    /// A list option, or one option with blanks between the values.
    pub fn list<T>(&mut self, name: &str, read: &dyn Fn(&str) -> Option<T>) -> Vec<T> {
        let words: Vec<&str> = match self.raw.option(name) {
            None => return Vec::new(),
            Some(Given::One(text)) => text.split_whitespace().collect(),
            Some(Given::List(items)) => items.iter().map(String::as_str).collect(),
        };
        let mut values = Vec::new();
        for word in words {
            match read(word) {
                Some(value) => values.push(value),
                None => {
                    self.refuse(format!("option '{name}' specifies invalid value '{word}'"));
                    break;
                }
            }
        }
        values
    }

    pub fn boolean(&mut self, name: &str, default: bool) -> bool {
        self.one(name, &value::boolean).unwrap_or(default)
    }

    /// One value of an address option; a network's name stands for the router's addresses there.
    pub fn network(networks: &[Network], text: &str) -> Option<Where> {
        let (negated, text) = value::negated(text)?;
        if let Some(addresses) = value::addresses(text) {
            return Some(Where { negated, named: None, all: vec![addresses] });
        }
        let network = networks.iter().find(|network| network.name == text)?;
        let all = network.addresses.iter().map(|(ip, len)| Addresses::Net(*ip, *len)).collect();
        Some(Where { negated, named: Some(text.to_string()), all })
    }

    /// Tells of options that firewall4 does not know; it says so only of a section it can read.
    pub fn unknown(&mut self, known: &[&str]) -> Vec<(String, u32)> {
        if self.refused {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (name, line, _) in &self.raw.options {
            // `device` comes with what netifd hands over.
            if !known.contains(&&name[..]) && (*line > 0 || name != "device") {
                self.said.push(format!("specifies unknown option '{name}'"));
                found.push((name.clone(), *line));
            }
        }
        found
    }
}

/// An address option's value.
#[derive(Clone, Debug)]
pub struct Where {
    pub negated: bool,
    /// Written as the name of this network.
    pub named: Option<String>,
    pub all: Vec<Addresses>,
}

impl Where {
    /// 4 or 6 if all are of one family.
    pub fn family(all: &[Where]) -> Option<u8> {
        let any = |v6| all.iter().flat_map(|one| &one.all).any(|a| a.is_v6() == v6);
        match (any(false), any(true)) {
            (true, false) => Some(4),
            (false, true) => Some(6),
            _ => None,
        }
    }
}
