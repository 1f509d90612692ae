//! Each kind of line by its facts, and each trap.
