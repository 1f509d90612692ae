//! UCI text (`/etc/config/*`) as sections and options, the way libuci reads it: the same values,
//! and an error for the same files. What the options mean is left to `config`.
//!
//! The format is line based: `config KIND [NAME]`, `option NAME VALUE`, `list NAME VALUE`. An
//! argument is made of bare, 'single' and "double" quoted pieces up to the next blank; quotes may
//! span lines; `#` starts a comment. Some of libuci's habits are surprising and kept, because a
//! file must not mean one thing to `uci show` and another to us:
//! - `option a ''` leaves `a` as it was; `list a ''` is an empty element.
//! - `;` glued to a bare word drops the rest of the line, elsewhere it starts another command.
//! - A NUL byte hides the rest of its line and glues the next one on. (In lines over 31 bytes
//!   libuci's answer depends on the size of its buffer; there we keep to the simple rule.)

use std::fmt;

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// In the file's order; a named section that is opened again is still one section.
    pub sections: Vec<Section>,
}

/// `config KIND 'NAME'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub kind: String,
    /// `None`: anonymous; see [`Package::id`].
    pub name: Option<String>,
    /// Counted from 1.
    pub line: u32,
    /// Where the same section was opened again, which libuci merges silently.
    pub again: Option<u32>,
    /// In the order of their first lines; names do not repeat.
    pub options: Vec<Opt>,
}

/// `option NAME VALUE`, or all `list NAME VALUE` of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    pub name: String,
    /// Of the value; of a list, its first element's.
    pub line: u32,
    /// Where an earlier value stood that this one silently replaced.
    pub replaced: Option<u32>,
    pub value: Value,
}

/// Any bytes but NUL. Values of owners are mostly, not always, UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not empty.
    One(Vec<u8>),
    /// Not empty, but its elements may be.
    List(Vec<Item>),
}

/// One element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub line: u32,
    pub bytes: Vec<u8>,
}

/// Why the file as a whole cannot be used: libuci refuses it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where the owner should look: the line of the command, or of the quote left open.
    pub line: u32,
    /// What to do about it, in the owner's words.
    pub message: String,
    /// libuci's reason, line (where it had read to) and byte in that command.
    pub reason: &'static str,
    pub uci_line: u32,
    pub byte: usize,
}

impl ParseError {
    /// As the `uci` command says it, without its program's name.
    pub fn uci(&self) -> String {
        format!("Parse error ({}) at line {}, byte {}", self.reason, self.uci_line, self.byte)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} (uci says: {})", self.line, self.message, self.uci())
    }
}

impl std::error::Error for ParseError {}

impl Package {
    /// How `uci show` calls a section: its name, or `@KIND[N]`, N counted over all of its kind.
    pub fn id(&self, index: usize) -> String {
        let Some(section) = self.sections.get(index) else { return String::new() };
        if let Some(name) = &section.name {
            return name.clone();
        }
        let before = self.sections.iter().take(index).filter(|s| s.kind == section.kind).count();
        format!("@{}[{before}]", section.kind)
    }
}

impl Section {
    pub fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// Reads a file.
pub fn parse(text: &[u8]) -> Result<Package, ParseError> {
    let mut reader = Reader {
        text,
        at: 0,
        newlines: 0,
        lines: 0,
        line: Vec::with_capacity(128),
        pos: 0,
        first: 0,
        package: Package::default(),
        current: None,
    };
    while reader.at < text.len() {
        reader.first = reader.lines + 1;
        reader.pos = 0;
        reader.fetch(0);
        reader.commands()?;
    }
    Ok(reader.package)
}

const BEFORE_SECTION: &str = "option/list command found before the first section";
const INSUFFICIENT: &str = "insufficient arguments";
const INVALID_COMMAND: &str = "invalid command";
const INVALID_NAME: &str = "invalid character in name field";
const INVALID_TYPE: &str = "invalid character in type field";
const OTHER_TYPE: &str = "section of different type overwrites prior section with same name";
const TOO_MANY: &str = "too many arguments";

/// What the four keywords start. Each may be written as its first letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Config,
    Option,
    List,
    Package,
}

impl Command {
    fn of(word: &[u8]) -> Option<Command> {
        match word {
            b"config" | b"c" => Some(Command::Config),
            b"option" | b"o" => Some(Command::Option),
            b"list" | b"l" => Some(Command::List),
            b"package" | b"p" => Some(Command::Package),
            _ => None,
        }
    }

    /// What follows the keyword, for messages.
    fn usage(self) -> &'static str {
        match self {
            Command::Config => "config KIND 'NAME'",
            Command::Option => "option NAME 'VALUE'",
            Command::List => "list NAME 'VALUE'",
            Command::Package => "package NAME",
        }
    }

    fn without_name(self) -> &'static str {
        match self {
            Command::Config => "config without name",
            Command::Option | Command::List => "option without name",
            Command::Package => "package without name",
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    /// Next byte of `text` to take.
    at: usize,
    /// Newlines seen: libuci's line count, which misses a last line without one.
    newlines: u32,
    /// Lines taken.
    lines: u32,
    /// The line at hand, grown by the lines that a quote or backslash adds to it.
    line: Vec<u8>,
    /// Next byte of `line`; never beyond its end.
    pos: usize,
    /// The first line of `line`.
    first: u32,
    package: Package,
    /// Index of the open section.
    current: Option<usize>,
}

impl Reader<'_> {
    /// Cuts the line at `keep` and adds the next line of the text, if there is one.
    fn fetch(&mut self, keep: usize) {
        self.line.truncate(keep);
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(end) = rest.iter().position(|&b| b == b'\n').or(rest.len().checked_sub(1))
            else {
                return;
            };
            let taken = rest.get(..=end).unwrap_or_default();
            self.at += taken.len();
            self.lines += 1;
            let seen = taken.split(|&b| b == 0).next().unwrap_or_default();
            if seen.is_empty() {
                return;
            }
            self.line.extend_from_slice(seen);
            if seen.ends_with(b"\n") {
                self.newlines += 1;
                return;
            }
        }
    }

    /// The byte at hand, 0 at the end.
    fn peek(&self) -> u8 {
        self.line.get(self.pos).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while is_space(self.peek()) {
            self.pos += 1;
        }
    }

    /// All commands of the line at hand.
    fn commands(&mut self) -> Result<(), ParseError> {
        self.skip_space();
        loop {
            let rest = self.line.get(self.pos..).unwrap_or_default();
            let blank = |b: &u8| *b == b' ' || *b == b'\t';
            let Some(start) = rest.iter().position(|b| !blank(b)) else { return Ok(()) };
            let word = rest.get(start..).unwrap_or_default();
            let word = word.split(blank).next().unwrap_or_default();
            if word.starts_with(b"#") {
                return Ok(());
            }
            let Some(command) = Command::of(word) else {
                let message = not_a_command(word);
                return Err(self.error(INVALID_COMMAND, message));
            };
            let past = self.pos + start + word.len() + 1;
            let in_section = self.current.is_some();
            if matches!(command, Command::Option | Command::List) && !in_section {
                let message = "there is no section yet: put a line like config name 'home' above";
                return Err(self.error(BEFORE_SECTION, message.into()));
            }
            if past > self.line.len() {
                return Err(self.error(command.without_name(), incomplete(command)));
            }
            self.pos = past;
            match command {
                Command::Config => self.config()?,
                Command::Option | Command::List => self.option(command)?,
                Command::Package => {
                    // In a file of its own the package is named by the file, whatever it says.
                    let name = self.required(command)?;
                    let known = |&b: &u8| is_name(b) || b == b'-';
                    if !name.iter().all(known) {
                        return Err(self.error(INVALID_NAME, bad_name(&name)));
                    }
                    self.end(command)?;
                }
            }
        }
    }

    fn config(&mut self) -> Result<(), ParseError> {
        let kind = self.required(Command::Config)?;
        if !kind.iter().all(u8::is_ascii_graphic) {
            let message = format!(
                "the kind of a section is written in plain ASCII, which {} is not",
                quoted(&kind)
            );
            return Err(self.error(INVALID_TYPE, message));
        }
        let name = self.argument()?;
        if !name.iter().all(|&b| is_name(b)) {
            return Err(self.error(INVALID_NAME, bad_name(&name)));
        }
        self.end(Command::Config)?;
        let line = self.first;
        let (kind, name) = (ascii(kind), ascii(name));
        let same = |s: &Section| !name.is_empty() && s.name.as_deref() == Some(&name);
        if let Some(index) = self.package.sections.iter().position(same) {
            let Some(prior) = self.package.sections.get_mut(index) else { return Ok(()) };
            if prior.kind != kind {
                let message = format!(
                    "the name '{name}' is already taken by config {} '{name}' in line {}: a name \
                     can be used once in a file, whatever the kind; choose another one here",
                    prior.kind, prior.line
                );
                return Err(self.error(OTHER_TYPE, message));
            }
            prior.again = prior.again.or(Some(line));
            self.current = Some(index);
            return Ok(());
        }
        let name = if name.is_empty() { None } else { Some(name) };
        self.current = Some(self.package.sections.len());
        self.package.sections.push(Section { kind, name, line, again: None, options: Vec::new() });
        Ok(())
    }

    fn option(&mut self, command: Command) -> Result<(), ParseError> {
        let name = self.required(command)?;
        if !name.iter().all(|&b| is_name(b)) {
            return Err(self.error(INVALID_NAME, bad_name(&name)));
        }
        let bytes = self.argument()?;
        self.end(command)?;
        let line = self.first;
        let Some(section) = self.current.and_then(|at| self.package.sections.get_mut(at)) else {
            return Ok(());
        };
        let name = ascii(name);
        let old = section.options.iter_mut().find(|option| option.name == name);
        if command == Command::List {
            let item = Item { line, bytes };
            match old {
                None => {
                    let value = Value::List(vec![item]);
                    section.options.push(Opt { name, line, replaced: None, value });
                }
                Some(Opt { value: Value::List(items), .. }) => items.push(item),
                Some(Opt { value, line, .. }) => {
                    let first = match std::mem::replace(value, Value::List(Vec::new())) {
                        Value::One(bytes) => Item { line: *line, bytes },
                        Value::List(_) => return Ok(()),
                    };
                    *value = Value::List(vec![first, item]);
                }
            }
        } else if !bytes.is_empty() {
            let value = Value::One(bytes);
            match old {
                None => section.options.push(Opt { name, line, replaced: None, value }),
                Some(old) => {
                    old.replaced = Some(old.line);
                    old.line = line;
                    old.value = value;
                }
            }
        }
        Ok(())
    }

    /// The next argument, which must not be empty.
    fn required(&mut self, command: Command) -> Result<Vec<u8>, ParseError> {
        let argument = self.argument()?;
        if argument.is_empty() {
            return Err(self.error(INSUFFICIENT, incomplete(command)));
        }
        Ok(argument)
    }

    /// Nothing but a comment or another command may follow.
    fn end(&mut self, command: Command) -> Result<(), ParseError> {
        let extra = self.argument()?;
        if extra.is_empty() {
            return Ok(());
        }
        // What is too much is not shown: it may be half of a secret.
        let message = [
            "there is more after ",
            command.usage(),
            ": a value with blanks in it goes in quotes, each command on a line of its own",
        ];
        Err(self.error(TOO_MANY, message.concat()))
    }

    /// The next argument; empty if there is none.
    fn argument(&mut self) -> Result<Vec<u8>, ParseError> {
        self.skip_space();
        let start = self.pos;
        let mut out = Vec::new();
        if self.peek() == b';' {
            self.pos += 1;
            return Ok(out);
        }
        loop {
            match self.peek() {
                quote @ (b'\'' | b'"') => self.quoted_piece(quote, &mut out)?,
                b'#' => {
                    self.line.truncate(self.pos);
                    return Ok(out);
                }
                0 => return Ok(out),
                b';' => {
                    // libuci ends the word in place: where nothing was unquoted before, that is
                    // where the `;` stands, and the rest of the line is gone.
                    if out.len() == self.pos - start {
                        self.line.truncate(self.pos);
                    }
                    return Ok(out);
                }
                b'\\' if !self.backslash() => {}
                _ => {
                    out.push(self.peek());
                    self.pos += 1;
                }
            }
            if is_space(self.peek()) {
                self.pos += 1;
                return Ok(out);
            }
        }
    }

    /// A quoted piece, from its quote on; takes more lines until it is closed.
    fn quoted_piece(&mut self, quote: u8, out: &mut Vec<u8>) -> Result<(), ParseError> {
        // What is at hand is always in the line that was taken last.
        let opened = self.lines;
        self.pos += 1;
        loop {
            match self.peek() {
                byte if byte == quote => {
                    self.pos += 1;
                    return Ok(());
                }
                0 => {
                    self.fetch(self.pos);
                    if self.peek() != 0 {
                        continue;
                    }
                    let (reason, name) = match quote {
                        b'"' => ("EOF with unterminated \"", "\""),
                        _ => ("EOF with unterminated '", "'"),
                    };
                    let message = format!("the quote {name} that opens here is never closed");
                    return Err(ParseError { line: opened, ..self.error(reason, message) });
                }
                b'\\' if quote == b'"' && !self.backslash() => {}
                _ => {
                    out.push(self.peek());
                    self.pos += 1;
                }
            }
        }
    }

    /// Steps over a backslash. True: the byte after it is taken as it is. False: it was the
    /// line's last, and the next line has been joined.
    fn backslash(&mut self) -> bool {
        self.pos += 1;
        match self.line.get(self.pos..).unwrap_or_default() {
            b"" | b"\r\n" | [b'\n', ..] => {
                self.fetch(self.pos);
                false
            }
            _ => true,
        }
    }

    fn error(&self, reason: &'static str, message: String) -> ParseError {
        let (uci_line, byte) = (self.newlines, self.pos);
        ParseError { line: self.first, message, reason, uci_line, byte }
    }
}

/// C's `isspace`; Rust's ASCII whitespace lacks the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes that were checked to be ASCII.
fn ascii(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// Foreign bytes as a message may show them: in quotes, on one line, not too long.
pub fn quoted(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let mut out = String::from("'");
    for (count, c) in String::from_utf8_lossy(bytes).chars().enumerate() {
        if count == LONGEST {
            out.push_str("...");
            break;
        }
        out.push(if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    }
    out.push('\'');
    out
}

fn incomplete(command: Command) -> String {
    ["this line is incomplete, it takes ", command.usage()].concat()
}

fn bad_name(name: &[u8]) -> String {
    ["a name may hold letters, digits and _ only, which ", &quoted(name), " does not keep to"]
        .concat()
}

fn not_a_command(word: &[u8]) -> String {
    if word.starts_with(b"\xef\xbb\xbf") {
        return "the file starts with a byte order mark: save it as UTF-8 without one".into();
    }
    let bare = word.trim_ascii();
    if let Some(command) = Command::of(bare) {
        return incomplete(command);
    }
    let mut message = String::from("a line starts with config, option or list");
    // Shown only if it looks like one of them mistyped: it may also be a stray piece of a secret.
    if bare.len() <= 8 && bare.iter().all(u8::is_ascii_alphabetic) {
        message.push_str(", not with ");
        message.push_str(&quoted(bare));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn errors_speak_to_the_owner() {
        assert_eq!(
            error("config t n\n\toption a b c\n"),
            "line 2: there is more after option NAME 'VALUE': a value with blanks in it goes in \
             quotes, each command on a line of its own (uci says: Parse error (too many arguments) \
             at line 2, byte 14)"
        );
        assert_eq!(
            error("config account 'home'\n\n\nconfig name 'home'\n"),
            "line 4: the name 'home' is already taken by config account 'home' in line 1: a name \
             can be used once in a file, whatever the kind; choose another one here (uci says: \
             Parse error (section of different type overwrites prior section with same name) at \
             line 4, byte 19)"
        );
        for (text, starts) in [
            (
                "option a b\n",
                "line 1: there is no section yet: put a line like config name 'home' above (",
            ),
            (
                "config t n\n\toption\n",
                "line 2: this line is incomplete, it takes option NAME 'VALUE' (",
            ),
            ("config", "line 1: this line is incomplete, it takes config KIND 'NAME' ("),
            ("config ''\n", "line 1: this line is incomplete, it takes config KIND 'NAME' ("),
            (
                "config t n\n\n\toptoin a b\n",
                "line 3: a line starts with config, option or list, not with 'optoin' (",
            ),
            ("config t n\n\t12345abc\n", "line 2: a line starts with config, option or list ("),
            (
                "\u{feff}config t n\n",
                "line 1: the file starts with a byte order mark: save it as UTF-8 without one (",
            ),
            (
                "config t my-name\n",
                "line 1: a name may hold letters, digits and _ only, which 'my-name' does not keep to (",
            ),
            (
                "config t\u{e9} n\n",
                "line 1: the kind of a section is written in plain ASCII, which 't\u{e9}' is not (",
            ),
            (
                "config t n\n\toption a 'b\n\toption c d\n\n",
                "line 2: the quote ' that opens here is never closed (",
            ),
            (
                "config t n\n\toption a x\\\n\"b\n",
                "line 3: the quote \" that opens here is never closed (",
            ),
        ] {
            let said = error(text);
            assert!(said.starts_with(starts), "{text:?}: {said}");
        }
    }

    #[test]
    fn lines_are_kept() {
        let text = b"\nconfig t n\n\toption a 'x\ny'\n\tlist l 1\n\n\tlist l 2\nconfig t n\n\toption a z\n";
        let package = parse(text).unwrap();
        let section = &package.sections[0];
        assert_eq!((section.line, section.again), (2, Some(8)));
        let a = section.option("a").unwrap();
        assert_eq!((a.line, a.replaced), (9, Some(3)));
        let Value::List(items) = &section.option("l").unwrap().value else { panic!() };
        assert_eq!((items[0].line, items[1].line), (5, 7));
    }

    #[test]
    fn semicolons_as_libuci_has_them() {
        // Seen with the real command: quoted or apart from the word, it starts another one.
        let text = b"config t n\n\toption a 'b';option c d ; option e f;option g h\n";
        let package = parse(text).unwrap();
        let names: Vec<_> = package.sections[0].options.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["a", "c", "e"]);
        assert_eq!(parse(b"config t n\n\toption a 'x' ;\n").unwrap_err().reason, INVALID_COMMAND);
    }

    #[test]
    fn an_empty_option_changes_nothing() {
        let package = parse(b"config t n\n\toption a 1\n\toption a ''\n").unwrap();
        assert_eq!(package.sections[0].option("a").unwrap().value, Value::One(b"1".to_vec()));
    }

    #[test]
    fn shown_values_stay_on_one_line() {
        assert_eq!(quoted(b"a\n\x1b[31m\xff"), "'a\u{fffd}\u{fffd}[31m\u{fffd}'");
        assert_eq!(quoted(&[b'x'; 100]).len(), 65);
    }
}
