//! What people and programs read of us. Each format owns its promise to its reader.

pub mod answers;
pub mod json;
pub mod line;
pub mod report_html;
pub mod report_json;
pub mod report_text;
pub mod text;

use serde_json::{Map, Value};

/// A JSON object of these, which are taken out of a slice: one function for every length. `json!`
/// writes itself out at each place.
fn object(pairs: &mut [(&str, Value)]) -> Value {
    let mut map = Map::new();
    for (key, value) in pairs {
        map.insert(key.to_string(), std::mem::take(value));
    }
    Value::Object(map)
}

/// A JSON list of these as text.
fn texts<T: ToString>(all: &[T]) -> Value {
    all.iter().map(T::to_string).collect()
}
