use std::time::Duration;
fn main() {
    // Size floor of this skeleton: a bare request, as `facts/perf.md` measured it.
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(1))).build().into();
    println!(
        "{:?} {}",
        agent.get("http://127.0.0.1:9/").call().map(|r| r.status()),
        reachd::providers::ALL.len()
    );
}
