//! Any bytes as a config: no panic, no endless loop, and an error points into the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reachd::config::{self, SecretFile};
use reachd::parse::uci;

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|&byte| byte == b'\n').count() as u32;
    match uci::parse(bytes) {
        Ok(package) => {
            for (index, section) in package.sections.iter().enumerate() {
                assert!((1..=lines).contains(&section.line));
                assert!(!package.id(index).is_empty());
            }
        }
        Err(error) => {
            assert!((1..=lines).contains(&error.line));
            assert!(error.byte <= bytes.len());
        }
    }
    // Read as inadyn's, they give none that is refused.
    if let Ok(made) = config::import_inadyn::import(bytes) {
        let (made, _) = config::read("imported", made.as_bytes(), 0o600, &mut |_| Err("none".into()));
        assert!(made.is_some());
    }
    let mut files = |_: &str| Ok(SecretFile { bytes: bytes.to_vec(), mode: 0o644 });
    let (config, complaints) = config::read("reachd", bytes, 0o644, &mut files);
    let refused = complaints.iter().any(|one| one.severity == config::Severity::Error);
    assert_eq!(config.is_none(), refused);
});
