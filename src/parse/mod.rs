//! Text or bytes in, facts out; pure. Where a format allows it, what could not be read is left
//! out and said, and the rest still counts.

pub mod uci;
