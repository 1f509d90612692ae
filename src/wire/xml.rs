//! The little of XML that answers need (XML 1.0): elements with their text, in order. Strict and
//! bounded: what is not well-formed, too deep or too much is refused whole, and so is a DOCTYPE, in
//! which entities multiply. Attributes and namespaces are passed over; nothing is fetched.

use serde_json::{Map, Value};

/// Deepest nesting; descriptions have about 10.
const DEEPEST: usize = 32;

/// Most elements in one document: a router's description has about 100, a page of 300 record sets
/// about 3000.
const MOST: usize = 20_000;

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Without the prefix of its namespace.
    pub name: String,
    /// 0 for the root.
    pub depth: usize,
    /// The text directly in it, references to characters resolved.
    pub text: String,
}

/// A web service's answer as JSON: an element with elements in it is an object, any other a text.
/// One that holds elements of its own name without the `s` at its end, or ends in `s` and holds
/// nothing, is a list: `<Zones><Zone>..</Zone></Zones>`. `None`: it is no such document; comments,
/// CDATA and text beside elements never stand in such answers.
pub fn read(bytes: &[u8]) -> Option<Value> {
    if bytes.windows(2).any(|two| two == b"<!") {
        return None;
    }
    let found = elements(bytes)?;
    let (root, inside) = found.split_first()?;
    Some(Value::from(Map::from_iter([(root.name.clone(), value(root, inside)?)])))
}

/// What an element holds; `inside` are all elements in it.
fn value(element: &Element, mut inside: &[Element]) -> Option<Value> {
    let (mut object, mut list) = (Map::new(), Vec::new());
    while let Some((child, rest)) = inside.split_first() {
        let end = rest.iter().position(|next| next.depth <= child.depth).unwrap_or(rest.len());
        let (within, after) = rest.split_at(end);
        let value = value(child, within)?;
        if element.name.strip_suffix('s') == Some(&child.name) {
            list.push(value);
        } else if object.insert(child.name.clone(), value).is_some() {
            return None;
        }
        inside = after;
    }
    let blank = element.text.trim_ascii().is_empty();
    match (object.is_empty(), list.is_empty()) {
        (true, true) if blank && element.name.ends_with('s') => Some(list.into()),
        (true, true) => Some(element.text.clone().into()),
        (true, false) if blank => Some(list.into()),
        (false, true) if blank => Some(object.into()),
        _ => None,
    }
}

/// All elements of a document, each before those inside it; `None` if it is not one whole,
/// well-formed document.
pub fn elements(bytes: &[u8]) -> Option<Vec<Element>> {
    let mut rest = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}');
    let mut found: Vec<Element> = Vec::new();
    // Indices of the elements that are open, with their full names.
    let mut open: Vec<(usize, &str)> = Vec::new();
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        add_text(&mut found, &open, text)?;
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.split_once("-->")?.1;
        } else if let Some(data) = tag.strip_prefix("<![CDATA[") {
            let (data, after) = data.split_once("]]>")?;
            found.get_mut(open.last()?.0)?.text.push_str(data);
            rest = after;
        } else if tag.starts_with("<!") {
            return None;
        } else if let Some(instruction) = tag.strip_prefix("<?") {
            rest = instruction.split_once("?>")?.1;
        } else if let Some(end) = tag.strip_prefix("</") {
            let (name, after) = end.split_once('>')?;
            if open.pop()?.1 != name.trim_end() {
                return None;
            }
            rest = after;
        } else {
            let inside = tag.get(1..)?;
            let end = tag_end(inside)?;
            let (inside, after) = (inside.get(..end)?, inside.get(end + 1..)?);
            let (inside, empty) = match inside.strip_suffix('/') {
                Some(inside) => (inside, true),
                None => (inside, false),
            };
            let name = inside.split(|c: char| c.is_ascii_whitespace()).next()?;
            let second_root = open.is_empty() && !found.is_empty();
            if name.is_empty() || second_root || open.len() >= DEEPEST || found.len() >= MOST {
                return None;
            }
            let local = name.rsplit(':').next()?.to_string();
            found.push(Element { name: local, depth: open.len(), text: String::new() });
            if !empty {
                open.push((found.len() - 1, name));
            }
            rest = after;
        }
    }
    (open.is_empty() && rest.trim().is_empty() && !found.is_empty()).then_some(found)
}

/// Where a tag ends: its `>` that is not in a quoted value.
fn tag_end(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in inside.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Adds text to the innermost element; outside of all there may be blanks only.
fn add_text(found: &mut [Element], open: &[(usize, &str)], mut text: &str) -> Option<()> {
    let Some((at, _)) = open.last() else {
        return text.trim().is_empty().then_some(());
    };
    let into = &mut found.get_mut(*at)?.text;
    while let Some((before, reference)) = text.split_once('&') {
        let (name, after) = reference.split_once(';')?;
        into.push_str(before);
        into.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        text = after;
    }
    into.push_str(text);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"https://x/?a>b\">\n <Zones><Zone><Id>/z/1</Id>\
                    <Name>a&amp;b&#46;&#x2e;</Name></Zone><Zone x='>'><Id/></Zone></Zones>\
                    <Sets/><Empties> </Empties><More>false</More></R>\n";
        let expected = json!({"R": {
            "Zones": [{"Id": "/z/1", "Name": "a&b.."}, {"Id": ""}],
            "Sets": [], "Empties": [], "More": "false",
        }});
        assert_eq!(read(text.as_bytes()), Some(expected));
    }

    #[test]
    fn what_it_refuses() {
        let deep = ["<a>".repeat(100_000), "</a>".repeat(100_000)].concat();
        for text in [
            "",
            "x",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "<a></a",
            "<a></a><b/>",
            "<a/>x",
            "<!DOCTYPE html><html></html>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<a>&b;</a>",
            "<a>&</a>",
            "<a>a&amp</a>",
            "<a>&#xD800;</a>",
            "<a><![CDATA[x]]></a>",
            "<a><!-- x --></a>",
            "<a>x<b/></a>",
            "<a><b/>x</a>",
            "<a><b/><b/></a>",
            "<as><a/><b/></as>",
            "<a b=\"></a>",
            "< a/>",
            &deep,
        ] {
            assert_eq!(read(text.as_bytes()), None, "{:.60}", text);
        }
        assert_eq!(read(b"<a>\xff</a>"), None);
    }

    fn flat(text: &str) -> Option<Vec<(String, usize, String)>> {
        let found = elements(text.as_bytes())?;
        Some(found.into_iter().map(|one| (one.name, one.depth, one.text)).collect())
    }

    #[test]
    fn elements_in_order() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a <b> -->\n<s:root xmlns:s=\"x>y\">\
                    <a>1 &lt;&#50;&#x33;</a><b/><c d='\"'>\n<e><![CDATA[<&]]></e></c ></s:root>\n";
        let row = |name: &str, depth, text: &str| (name.to_string(), depth, text.to_string());
        let want = [
            row("root", 0, ""),
            row("a", 1, "1 <23"),
            row("b", 1, ""),
            row("c", 1, "\n"),
            row("e", 2, "<&"),
        ];
        assert_eq!(flat(text).unwrap(), want);
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a><b></a></b>",
            "<a/><b/>",
            "<a/>text",
            "text<a/>",
            "<>x</>",
            "<a",
            "<a b=\"c></a>",
            "<a>&nbsp;</a>",
            "<a>&#xd800;</a>",
            "<a>& </a>",
            "<!DOCTYPE a><a/>",
            "<a><!-- </a>",
        ] {
            assert_eq!(flat(text), None, "{text}");
        }
        assert_eq!(elements(b"<a>\xff</a>"), None);
        let nest = |depth: usize| ["<a>".repeat(depth), "</a>".repeat(depth)].concat();
        assert!(flat(&nest(DEEPEST)).is_some());
        assert_eq!(flat(&nest(DEEPEST + 1)), None);
        let many = |count: usize| ["<r>", &"<a/>".repeat(count - 1), "</r>"].concat();
        assert!(flat(&many(MOST)).is_some());
        assert_eq!(flat(&many(MOST + 1)), None);
    }
}
