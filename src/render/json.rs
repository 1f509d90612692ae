//! `--json`: stable keys in snake_case, absent means not known, times in whole seconds.

use crate::agent::Agent;
use crate::decide;
use crate::journal::Moment;
use serde_json::{Value, json};
use std::net::IpAddr;

/// `reachd status --json`.
pub fn status(agent: &Agent, now: Moment) -> String {
    let mut records = Vec::new();
    for name in &agent.config.names {
        for family in &name.families {
            let fingerprint = decide::fingerprint(&agent.config, name);
            let known = agent.journal.record(&decide::key(name, *family), fingerprint);
            let calls = agent.journal.calls.get(&name.account);
            let mut record = json!({
                "fqdn": name.fqdn,
                "type": family.record_type(),
                "section": name.section,
                "account": name.account,
            });
            let mut put = |key: &str, value: Value| record[key] = value;
            if let Some(known) = known {
                let confirmed: Vec<String> =
                    known.confirmed.iter().map(IpAddr::to_string).collect();
                if !confirmed.is_empty() {
                    let ago = now.saturating_sub(known.confirmed_at).as_secs();
                    put("confirmed_seconds_ago", ago.into());
                }
                put("confirmed", confirmed.into());
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
    let status = json!({ "schema_version": "1", "records": records });
    format!("{status:#}\n")
}
