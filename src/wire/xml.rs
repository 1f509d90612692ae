//! XML as far as an answer of a web service needs it (XML 1.0): elements and text, in UTF-8.
//!
//! What such answers never hold is refused: document types, CDATA, comments, text beside
//! elements. Attributes are passed over. Nothing is fetched and nothing expanded.

use serde_json::{Map, Value};

const DEPTH_MOST: usize = 16;

/// A document as JSON: an element with elements in it is an object, any other a text. One that
/// holds elements of its own name without the `s` at its end, or ends in `s` and holds nothing,
/// is a list: `<Zones><Zone>..</Zone></Zones>`. `None`: it is not such a document.
pub fn read(bytes: &[u8]) -> Option<Value> {
    let mut rest = std::str::from_utf8(bytes).ok()?.trim_start();
    if let Some(prolog) = rest.strip_prefix("<?xml ") {
        rest = prolog.split_once("?>")?.1.trim_start();
    }
    let (name, value) = element(&mut rest, 0)?;
    rest.trim_ascii().is_empty().then(|| Value::from(Map::from_iter([(name.to_string(), value)])))
}

fn element<'t>(rest: &mut &'t str, depth: usize) -> Option<(&'t str, Value)> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let text = rest.strip_prefix('<').filter(|_| depth < DEPTH_MOST)?;
    let end = text.bytes().position(|byte| !good(byte)).filter(|end| *end > 0)?;
    let (name, mut text) = text.split_at_checked(end)?;
    // Attributes, whose values may hold what would end the tag.
    let mut quote = None;
    let end = text.find(|c| match quote {
        Some(_) => {
            quote = quote.filter(|quote| *quote != c);
            false
        }
        None => {
            quote = Some(c).filter(|c| "\"'".contains(*c));
            c == '>' || c == '<'
        }
    })?;
    let tag = text.get(..end)?;
    text = text.get(end..)?.strip_prefix('>')?;
    let (mut inner, mut list) = (Map::new(), Vec::new());
    let mut words = "";
    if !tag.ends_with('/') {
        loop {
            let (before, _) = text.split_once('<')?;
            text = text.get(before.len()..)?;
            let blank = before.trim_ascii().is_empty();
            if let Some(after) = text.strip_prefix("</") {
                if inner.is_empty() && list.is_empty() {
                    words = before;
                } else if !blank {
                    return None;
                }
                text = after.strip_prefix(name)?.trim_ascii_start().strip_prefix('>')?;
                break;
            }
            let (child, value) = element(&mut text, depth + 1).filter(|_| blank)?;
            if name.strip_suffix('s') == Some(child) {
                list.push(value);
            } else if inner.insert(child.to_string(), value).is_some() {
                return None;
            }
        }
    }
    *rest = text;
    let value = match (inner.is_empty(), list.is_empty()) {
        (true, true) if words.trim_ascii().is_empty() && name.ends_with('s') => list.into(),
        (true, true) => plain(words)?.into(),
        (true, false) => list.into(),
        (false, true) => inner.into(),
        (false, false) => return None,
    };
    Some((name, value))
}

/// Text with its references replaced.
fn plain(text: &str) -> Option<String> {
    let (first, rest) = text.split_once('&').unwrap_or((text, ""));
    let mut out = first.to_string();
    if rest.is_empty() {
        return (first.len() == text.len()).then_some(out);
    }
    for part in rest.split('&') {
        let (name, after) = part.split_once(';')?;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            name => {
                let number = name.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        out.push_str(after);
    }
    Some(out)
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
}
