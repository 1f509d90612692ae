//! What people and programs read of us. Each format owns its promise to its reader.

pub mod answers;
pub mod json;
pub mod line;
pub mod text;
