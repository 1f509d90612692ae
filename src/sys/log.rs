//! Where messages go: information to stdout by simple_logger, warnings and errors to stderr, so
//! that procd and systemd file them under the right priority. Times are added only where no
//! supervisor adds its own.

use super::clock;
use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;
use std::io::{IsTerminal, Write};

struct Split {
    out: SimpleLogger,
    stamp: bool,
}

/// Starts logging at `level`.
pub fn start(level: LevelFilter) {
    let stamp = std::env::var_os("JOURNAL_STREAM").is_none() && std::io::stdout().is_terminal();
    let logger = Split { out: SimpleLogger::new().with_level(LevelFilter::Trace), stamp };
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Split {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries talk of their own affairs.
        metadata.target().starts_with("reachd")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let stamp = if self.stamp { utc(clock::wall()) } else { String::new() };
        let args = record.args();
        if record.level() <= Level::Warn {
            // A full or closed stderr must not end the daemon.
            let _ = writeln!(std::io::stderr(), "{stamp}{:<5} [reachd] {args}", record.level());
        } else {
            self.out.log(
                &Record::builder()
                    .level(record.level())
                    .target("reachd")
                    .args(format_args!("{stamp}{args}"))
                    .build(),
            );
        }
    }

    fn flush(&self) {}
}

/// `HH:MM:SS `, by the wall clock.
fn utc(now: u64) -> String {
    let day = now % 86_400;
    format!("{:02}:{:02}:{:02} ", day / 3600, day / 60 % 60, day % 60)
}
