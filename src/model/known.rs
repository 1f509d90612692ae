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

    pub fn as_known(&self) -> Known<&T> {
        match self {
            Known::Known(value) => Known::Known(value),
            Known::Unknown(why) => Known::Unknown(why.clone()),
        }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Known::Known(value) => Known::Known(change(value)),
            Known::Unknown(why) => Known::Unknown(why),
        }
    }

    pub fn and_then<U>(self, next: impl FnOnce(T) -> Known<U>) -> Known<U> {
        match self {
            Known::Known(value) => next(value),
            Known::Unknown(why) => Known::Unknown(why),
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
