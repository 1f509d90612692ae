//! One section while it is read: its options as text, numbers, words, and the complaints about
//! them. Which options there are is the business of the file that reads the section.

use super::value;
use super::{Complaint, Severity};
use crate::parse::uci::{Opt, Section, Value, quoted};

/// What was complained of so far.
pub(super) struct Complaints<'a> {
    pub file: &'a str,
    pub all: Vec<Complaint>,
}

impl Complaints<'_> {
    pub fn add(
        &mut self,
        severity: Severity,
        line: u32,
        section: Option<&str>,
        option: Option<&str>,
        text: String,
    ) {
        self.all.push(Complaint {
            severity,
            file: self.file.into(),
            line,
            section: section.map(str::to_owned),
            option: option.map(str::to_owned),
            text,
        });
    }
}

/// A section with its name for messages.
pub(super) struct Part<'p, 'c, 'f> {
    pub section: &'p Section,
    pub id: String,
    pub complaints: &'c mut Complaints<'f>,
}

impl<'p> Part<'p, '_, '_> {
    pub fn error(&mut self, line: u32, option: Option<&str>, text: impl Into<String>) {
        self.complaints.add(Severity::Error, line, Some(&self.id), option, text.into());
    }

    pub fn warning(&mut self, line: u32, option: Option<&str>, text: impl Into<String>) {
        self.complaints.add(Severity::Warning, line, Some(&self.id), option, text.into());
    }

    /// The option is not there, or empty, which is the same in UCI.
    pub fn missing(&mut self, option: &str, text: impl Into<String>) {
        self.error(self.section.line, Some(option), text);
    }

    pub fn line_of(&self, option: &str) -> u32 {
        self.section.option(option).map_or(self.section.line, |option| option.line)
    }

    /// Complains of a second section of a kind that may stand once.
    pub fn first_of_its_kind(&mut self, seen: &mut Option<u32>) -> bool {
        let Some(first) = *seen else {
            *seen = Some(self.section.line);
            return true;
        };
        let text = format!(
            "there is a section config {} in line {first} already: put all its options there",
            self.section.kind
        );
        self.error(self.section.line, None, text);
        false
    }

    /// Complains of what the section has beside the `known` options, and of what is there twice.
    pub fn only(&mut self, known: &[&str]) {
        let section = self.section;
        if let Some(again) = section.again {
            let text = format!(
                "is opened a second time (first in line {}): give it a name of its own, or put \
                 the options together",
                section.line
            );
            self.error(again, None, text);
        }
        for Opt { name, line, replaced, .. } in &section.options {
            if !known.contains(&name.as_str()) {
                let what = ["is not an option of this section", &value::hint(name, known)];
                self.error(*line, Some(name), what.concat());
            } else if let Some(first) = replaced {
                let text = format!("is set twice (first in line {first}): remove one of them");
                self.error(*line, Some(name), text);
            }
        }
    }

    /// Foreign bytes as text that may be shown: UTF-8 without control characters.
    fn plain(&mut self, option: &str, line: u32, bytes: &'p [u8]) -> Option<&'p str> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(char::is_control) => return Some(text),
            Ok(_) => "holds a line break or another control character: remove it",
            Err(_) => "is not UTF-8 text: type it again in a UTF-8 editor",
        };
        self.error(line, Some(option), text);
        None
    }

    /// The value of an option that takes one.
    pub fn text(&mut self, option: &str) -> Option<&'p str> {
        let Opt { line, value, .. } = self.section.option(option)?;
        let bytes = match value {
            Value::One(bytes) => bytes,
            Value::List(items) => match items.as_slice() {
                [item] if !item.bytes.is_empty() => &item.bytes,
                _ => {
                    let text = ["takes one value, not a list: option ", option, " 'VALUE'"];
                    self.error(*line, Some(option), text.concat());
                    return None;
                }
            },
        };
        self.plain(option, *line, bytes)
    }

    /// The values of an option that takes several, with their lines. As elsewhere in OpenWrt,
    /// one `option` with blanks between the values is a list too.
    pub fn texts(&mut self, option: &str) -> Vec<(u32, &'p str)> {
        let mut texts = Vec::new();
        match self.section.option(option) {
            None => {}
            Some(Opt { line, value: Value::One(bytes), .. }) => {
                let text = self.plain(option, *line, bytes).unwrap_or_default();
                texts.extend(text.split_whitespace().map(|word| (*line, word)));
            }
            Some(Opt { value: Value::List(items), .. }) => {
                for item in items {
                    if item.bytes.is_empty() {
                        self.error(item.line, Some(option), "is empty: remove this line");
                    } else if let Some(text) = self.plain(option, item.line, &item.bytes) {
                        texts.push((item.line, text));
                    }
                }
            }
        }
        texts
    }

    /// The values of an option that takes several which may hold blanks: each line is one.
    pub fn items(&mut self, option: &str) -> Vec<&'p str> {
        match self.section.option(option).map(|option| &option.value) {
            Some(Value::List(_)) => self.texts(option).into_iter().map(|(_, text)| text).collect(),
            _ => self.text(option).into_iter().collect(),
        }
    }

    /// Passes a checked value on, or complains.
    pub fn take<T>(&mut self, option: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|text| self.error(self.line_of(option), Some(option), text)).ok()
    }

    pub fn boolean(&mut self, option: &str, default: bool) -> bool {
        let Some(text) = self.text(option) else { return default };
        let checked = value::boolean(text);
        self.take(option, checked).unwrap_or(default)
    }

    /// A whole number in `from..=to`; `unit` is for the message.
    pub fn number(&mut self, option: &str, from: u32, to: u32, unit: &str) -> Option<u32> {
        let text = self.text(option)?;
        let checked = match text.parse::<u32>() {
            Ok(number) if (from..=to).contains(&number) => Ok(number),
            _ => {
                let shown = quoted(text.as_bytes());
                Err(format!("must be a whole number of {unit} from {from} to {to}, not {shown}"))
            }
        };
        self.take(option, checked)
    }

    /// One of `words`, as its index.
    pub fn word(&mut self, option: &str, words: &[&str]) -> Option<usize> {
        let text = self.text(option)?;
        let checked = value::word(text, words);
        self.take(option, checked)
    }

    pub fn path(&mut self, option: &str) -> Option<String> {
        let text = self.text(option)?;
        let checked = value::path(text);
        self.take(option, checked)
    }

    /// A logical network or a device (`option wan`).
    pub fn network(&mut self, option: &str) -> Option<String> {
        let text = self.text(option)?;
        let checked = value::network(text);
        self.take(option, checked)
    }
}
