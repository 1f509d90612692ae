//! What people and programs read of us. Each format owns its promise to its reader.

pub mod answers;
pub mod json;
pub mod line;
pub mod report_html;
pub mod report_json;
pub mod report_text;
pub mod text;
