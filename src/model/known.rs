//! Three answers, not two: a fact is known, or it could not be told and we say why.
//! What is absent is known to be absent, and is said so by the type inside (`Option`, `Vec`).

use std::fmt;

/// A fact, or the reason why it could not be told. Unknown never deletes, overwrites or passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    Known(T),
    /// Why it could not be told, as the owner should read it.
    Unknown(String),
}

impl<T> Known<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Known::Known(value) => Some(value),
            Known::Unknown(_) => None,
        }
    }

    pub fn unknown(why: impl fmt::Display) -> Self {
        Known::Unknown(why.to_string())
    }
}

impl<T, E: fmt::Display> From<Result<T, E>> for Known<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Known::Known(value),
            Err(why) => Known::Unknown(why.to_string()),
        }
    }
}
