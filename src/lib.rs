//! reachd keeps a router reachable by name: it reads the WAN address from the kernel, decides
//! what each name should hold, and publishes that at the owner's DNS service.
//!
//! This text is the map. It names what stands where, what may call what, and what is absent on
//! purpose. A test (`tests/layers.rs`) reads `src/` and fails where the code says otherwise.
//!
//! # The flow
//!
//! ```text
//! Event -> observe -> WanView -> decide(view, journal, config, now) -> [Decision]
//!       -> act (lookups, providers) -> [Happened] -> journal -> saved
//! ```
//!
//! One process, one thread, one `poll` over rtnetlink, ubus, a signalfd and a timeout. The loop is
//! [`agent::Agent::run`]; `once` and `why` are one turn of it.
//!
//! # The rooms
//!
//! | room | what it does | what it leaves to others |
//! |---|---|---|
//! | [`model`] | plain values in the field's words | everything else |
//! | [`world`] | the doors to the outside: traits `Net` and `Sys`, plain requests and replies | doing it |
//! | [`parse`] | text or values in, facts out (UCI, firewall4's config, netifd, MAP rules, nft's rulesets, /proc) | meaning |
//! | [`wire`] | message formats without sockets (rtnetlink, ubus, DNS, UPDATE with TSIG, DER, XML) | sending |
//! | [`lookup`] | which services tell our outside address (HTTPS, STUN, DNS, the router above), reading and weighing their answers | when to ask |
//! | [`providers`] | one file for each DNS service; sets of records in, outcomes out | when to call |
//! | [`config`] | UCI sections to `Config`; every complaint names file, line, section, option | reading files |
//! | [`journal`] | what was confirmed, what failed, whom not to call before when; text <-> values | files |
//! | [`last`] | what the last report said and whom it saw come in, and what became of it since | files |
//! | [`line`] | what the ISP gives on a WAN, from evidence: verdict, certainty, meaning | gathering |
//! | [`choose`] | which of a link's addresses may be published | policy |
//! | [`host`] | which addresses the LAN hosts of a name have | when to look |
//! | [`acl`] | what the live firewall does to sets of packets, rule by rule | asking the kernel |
//! | [`checks`] | what can be wrong with a line, a forward, a zone or a rule; each with its texts | the verdict |
//! | [`collect`] | one look for a report, at the router or at a folder that stands for one | judging |
//! | [`folder`] | a folder that stands for a router, as [`world::Sys`] | what is in it |
//! | [`report`] | forwards with two verdicts each, and all findings | how it is shown |
//! | [`bundle`] | what a report reads, as a tar without secrets | looking |
//! | [`observe`] | one look at the router: WAN devices, addresses, kind of access | deciding |
//! | [`decide`] | what to do for each record, and why | doing it |
//! | [`dry`] | the outside for a rehearsal: shows requests, sends none | what they are |
//! | [`act`] | carries out decisions, notes what happened | when |
//! | [`hooks`] | tells whom the owner named that something changed | what changed |
//! | [`agent`] | the loop | all of the above |
//! | [`render`] | text for people, JSON for programs | facts |
//! | [`cli`] | what may be typed | doing it |
//! | [`sys`] | sockets, TLS, netlink, ubus, signals, files, clocks | meaning |
//!
//! Calls point down only, in this order:
//! `main, cli -> render -> agent, report, bundle -> act, hooks, collect -> observe, decide, checks ->
//! host, folder -> config, choose, line, journal, last, dry -> providers, lookup, acl -> parse, wire, world -> model`. `sys` stands at the side: it knows `model`, `wire` and
//! `world`, implements the two traits, and only `main` names it.
//!
//! The report: `collect -> Snapshot -> report::judge(checks, acl) -> Report -> render`. It changes
//! nothing. The owner's own try the hosts behind the forwards (`collect::targets`) and ask DNS
//! servers for the names (`collect::names`); the daemon's ask nobody. What lookups told before is
//! read from the journal, and which way packets would take the kernel is asked, without sending
//! any (`collect::passages`). After a change the daemon starts itself as
//! `reachd report --format lines`: the memory that takes is given back whole, and whatever a ruleset
//! does to the report, names are kept. What it says is compared by [`last`], and kept by the daemon
//! alone; every report reads from there which forwards were seen in use within a week.
//!
//! # Invariants
//!
//! 1. **Only `sys` touches the world.** ureq, rustls, nix, pnet, sockets, files, programs and the
//!    clocks appear there and nowhere else. Time, addresses and chance are arguments.
//! 2. **Unknown never deletes, overwrites or passes.** A failed look leaves every record alone;
//!    nothing in this crate deletes a record because something could not be seen.
//! 3. **The bell and the look.** Kernel notifications carry no state: they only ring. Every round
//!    starts from a fresh dump, so a lost message (ENOBUFS) is one more ring.
//! 4. **Calls are noted before they are made.** The journal knows of a call before the provider
//!    does, so that no crash loop can call more often than a provider's `min_interval` and our
//!    backoff allow. Waits survive restarts; after a reboot they start again, never shorter.
//! 5. **An error is named by what happens next** ([`model::outcome::Outcome`]). Permanent ones are
//!    latched to a fingerprint of the sections they belong to; the daemon idles on them.
//! 6. **One deadline, one size limit, one device, one family for each outside call**, and TERM
//!    ends it at once. There are no threads; nothing resolves names behind our back.
//! 7. **A secret is a [`model::secret::Secret`] from the parser on**: never in argv, Debug, logs,
//!    errors or the journal.
//! 8. **TLS is verified, always.** There is no switch.
//! 9. **Providers read before they change**, change only what differs, and keep what the owner
//!    set: TTL, proxied, comment, tags, other values, the other family.
//! 10. **Absent on purpose**: async, channels, own threads, regular expressions, a listening
//!     socket, shells, `Serialize` on model types, a switch to weaken TLS.
//!
//! # What becomes of a record on each kind of line
//!
//! | line | what is published for IPv4 |
//! |---|---|
//! | public | the WAN's address, at once; nobody is asked first |
//! | MAP-E, MAP-T, lw4o6 | the same: it is what the Internet sees. Which ports are ours is told |
//! | CGNAT, double NAT, DS-Lite, 464XLAT, mobile | as `option shared_line` says |
//! | VPN | nothing where it was merely found; a name with `option wan` gets what it names |
//! | down, unknown | what was published stays |
//!
//! An address that looks public and that the Internet does not see (squat space) counts as shared
//! once lookups have agreed on another from these very addresses. Nobody is asked for that alone,
//! but where a name has `shared_line 'outside'` (lookups are in use anyway, and enough services
//! are left for when they are needed), or the owner types `reachd line`. Until then, and while
//! answers fail or contradict each other, the address is taken at its word. A later look that
//! brings nothing does not take back what was agreed on before.
//!
//! The verdict is judged afresh in every round, from one look and what the journal remembers; an
//! answer from outside counts as long as the WAN has the addresses it was given to.
//!
//! # Where this differs from the first design
//!
//! - The rtnetlink subscription is a bell only (invariant 3); the design had changes applied to a
//!   view. Fresh dumps cost about 0.2 ms and cannot go stale.
//! - The traits live in [`world`] rather than in `sys`, so that providers and lookups never name
//!   `sys`.
//! - Backoff belongs to the account, latches to the record: a service that is down fails for all
//!   its names, and their retries stay one batch.
//! - The loop's timer is the poll's own timeout instead of a timerfd: one descriptor less, and
//!   the moments it waits for are read from CLOCK_BOOTTIME all the same.
//!
//! # To add a provider
//!
//! One file in `src/providers/` with `pub const PROVIDER`, one line in [`providers::ALL`], its
//! exchanges in `tests/providers/ID/`. The option table in `PROVIDER` is what the config checks
//! and what `reachd providers ID` shows; the exchanges must show every situation that
//! `providers/table.rs` lists, and are then played with every fault at every request. A service that takes its update as one URL is one line in
//! `src/providers/services.txt` and nothing else.
//!
//! # To add a check
//!
//! One function with its texts in the const list of its group's file in `src/checks/`, and a case
//! in `tests/report/` where it speaks (a folder that stands for a router, with the report as it
//! was looked at). `reachd explain`, the formats and the exit codes follow from the list.

// Allowed in one file, see there: `sys::adjtimex`.
#![deny(unsafe_code)]

pub mod acl;
pub mod act;
pub mod agent;
pub mod bundle;
pub mod checks;
pub mod choose;
pub mod cli;
pub mod collect;
pub mod config;
pub mod decide;
pub mod dry;
pub mod folder;
pub mod hooks;
pub mod host;
pub mod journal;
pub mod last;
pub mod line;
pub mod lookup;
pub mod model;
pub mod observe;
pub mod parse;
pub mod providers;
pub mod render;
pub mod report;
pub mod sys;
pub mod wire;
pub mod world;
