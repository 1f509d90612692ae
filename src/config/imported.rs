//! The config that `import_ddns` and `import_inadyn` make: what belongs together is put into one section, and all is
//! written as UCI text with comments about what could not be carried over.

use std::fmt::Write;

/// A line of a section: `option` or `list`, name, value.
pub(super) type Line = (&'static str, &'static str, String);

#[derive(Default)]
struct NewAccount {
    id: String,
    lines: Vec<Line>,
    notes: Vec<String>,
}

pub(super) struct NewName {
    pub id: String,
    pub account: usize,
    pub fqdn: String,
    pub enabled: bool,
    pub families: Vec<&'static str>,
    pub wan: Option<String>,
    pub ttl: Option<String>,
    pub shared_line: Option<&'static str>,
    pub notes: Vec<String>,
}

#[derive(Default)]
pub(super) struct New {
    pub notes: Vec<String>,
    accounts: Vec<NewAccount>,
    names: Vec<NewName>,
    /// Names of sections: no two may be the same, whatever their kinds.
    ids: Vec<String>,
}

impl New {
    /// An account with these lines: one that is there, or a new one.
    pub fn account(&mut self, provider: &str, more: &[Line], notes: &[String]) -> usize {
        let mut lines = vec![("option", "provider", provider.to_string())];
        lines.extend(more.iter().cloned());
        if let Some(at) = self.accounts.iter().position(|account| account.lines == lines) {
            return at;
        }
        let id = self.id(provider);
        self.accounts.push(NewAccount { id, lines, notes: notes.to_vec() });
        self.accounts.len() - 1
    }

    pub fn name(&mut self, mut name: NewName) {
        let twin = self
            .names
            .iter_mut()
            .find(|other| other.fqdn == name.fqdn && other.account == name.account);
        let Some(twin) = twin else {
            name.id = self.id(&name.id);
            self.names.push(name);
            return;
        };
        let from = ["from section '", &name.id, "': "].concat();
        twin.notes.extend(name.notes.iter().map(|note| [&from, &note[..]].concat()));
        if twin.families.contains(&name.families[0]) {
            twin.notes.push([&from, "not carried over: it is about the same record"].concat());
            return;
        }
        match (twin.enabled, name.enabled) {
            (true, false) => {
                let family = name.families[0];
                twin.notes
                    .push([&from, "it is switched off; add ", family, " to switch it on"].concat());
                return;
            }
            (false, true) => {
                let family = twin.families[0];
                twin.notes.push(
                    ["it is switched off for ", family, "; add that to switch it on"].concat(),
                );
                twin.families.clear();
                twin.enabled = true;
                twin.wan = None;
                twin.shared_line = None;
            }
            _ => {}
        }
        twin.families.extend(&name.families);
        twin.ttl = twin.ttl.take().or(name.ttl);
        if twin.shared_line != name.shared_line {
            twin.notes.push([&from, "check: option shared_line is one for both families"].concat());
        }
        twin.shared_line = twin.shared_line.or(name.shared_line);
        match (&twin.wan, name.wan) {
            (None, wan) => twin.wan = wan,
            (Some(_), None) => {}
            (Some(one), Some(other)) if *one == other => {}
            // The usual pair, wan and wan6: two networks on one line.
            (Some(one), Some(other))
                if other.trim_end_matches('6') == one.trim_end_matches('6') =>
            {
                let (short, long) = if one.len() < other.len() {
                    (one.clone(), other)
                } else {
                    (other, one.clone())
                };
                twin.notes.push(
                    [
                        "ip_network '",
                        &long,
                        "' is taken to be on the same device as '",
                        &short,
                        "'",
                    ]
                    .concat(),
                );
                twin.wan = Some(short);
            }
            (Some(_), Some(other)) => twin.notes.push(
                [&from, "not carried over: network '", &other, "', a name follows one WAN"]
                    .concat(),
            ),
        }
    }

    /// A section's name that is not taken.
    fn id(&mut self, wish: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let wish: String = wish.chars().map(plain).collect();
        let wish = wish.trim_matches('_');
        let mut id = wish.to_string();
        let mut count = 1;
        while id.is_empty() || self.ids.contains(&id) {
            count += 1;
            id = format!("{wish}_{count}");
        }
        self.ids.push(id.clone());
        id
    }

    /// All of it; whose config it was, and what was typed.
    pub fn text(&self, whose: &str, command: &str) -> String {
        let mut out = [
            "# From the config of ",
            whose,
            ", by reachd ",
            command,
            ".\n# It holds secrets: chmod 600, and keep it to yourself.\n",
        ]
        .concat();
        comment(&mut out, &self.notes);
        for account in &self.accounts {
            let _ = writeln!(out, "\nconfig account '{}'", account.id);
            comment(&mut out, &account.notes);
            // Half filled in, it can only be kept switched off.
            if account.notes.iter().any(|note| note.ends_with(" is missing")) {
                out.push_str("\toption enabled '0'\n");
            }
            for (kind, name, value) in &account.lines {
                let _ = writeln!(out, "\t{kind} {name} '{}'", value.replace('\'', "'\\''"));
            }
        }
        for name in &self.names {
            let _ = writeln!(out, "\nconfig name '{}'", name.id);
            comment(&mut out, &name.notes);
            if !name.enabled {
                out.push_str("\toption enabled '0'\n");
            }
            let _ = writeln!(out, "\toption fqdn '{}'", name.fqdn);
            let account = self.accounts.get(name.account).map_or("", |account| &account.id);
            let _ = writeln!(out, "\toption account '{account}'");
            for family in &name.families {
                let _ = writeln!(out, "\tlist family '{family}'");
            }
            if let Some(wan) = &name.wan {
                let _ = writeln!(out, "\toption wan '{}'", wan.replace(['\'', '\n'], ""));
            }
            if let Some(ttl) = &name.ttl {
                let _ = writeln!(out, "\toption ttl '{ttl}'");
            }
            if let Some(policy) = name.shared_line {
                let _ = writeln!(out, "\toption shared_line '{policy}'");
            }
        }
        out
    }
}

fn comment(out: &mut String, notes: &[String]) {
    for note in notes {
        out.push_str("# ");
        out.extend(note.chars().map(|c| if c.is_control() { ' ' } else { c }));
        out.push('\n');
    }
}
