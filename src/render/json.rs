//! `--json`: stable keys in snake_case, absent means not known, times in whole seconds.

use super::{object, texts};
use crate::agent::Agent;
use crate::decide;
use crate::journal::Moment;
use serde_json::Value;

/// `reachd status --json`.
pub fn status(agent: &Agent, now: Moment) -> String {
    let mut records = Vec::new();
    for name in &agent.config.names {
        for family in &name.families {
            let fingerprint = decide::fingerprint(&agent.config, name);
            let known = agent.journal.record(&decide::key(name, *family), fingerprint);
            let calls = agent.journal.calls.get(&name.account);
            let mut record = object(&mut [
                ("fqdn", name.fqdn[..].into()),
                ("type", family.record_type().into()),
                ("section", name.section[..].into()),
                ("account", name.account[..].into()),
            ]);
            let mut put = |key: &str, value: Value| record[key] = value;
            if let Some(known) = known {
                if !known.confirmed.is_empty() {
                    let ago = now.saturating_sub(known.confirmed_at).as_secs();
                    put("confirmed_seconds_ago", ago.into());
                }
                put("confirmed", texts(&known.confirmed));
                if let Some(latch) = &known.latch {
                    put("fix_config", latch.as_str().into());
                }
                if !known.trouble.is_empty() {
                    put("trouble", known.trouble.as_str().into());
                }
            }
            if let Some(calls) = calls {
                put("failures", calls.failures.into());
                let waits = known.is_some_and(|known| !known.trouble.is_empty());
                let next = match agent.next_call(&name.account) {
                    Some(next) if waits => next,
                    _ => calls.not_before.max(calls.backoff_until),
                };
                if next > now {
                    put("next_try_in_seconds", (next - now).as_secs().into());
                }
            }
            records.push(record);
        }
    }
    let status = object(&mut [("schema_version", "1".into()), ("records", records.into())]);
    format!("{status:#}\n")
}
