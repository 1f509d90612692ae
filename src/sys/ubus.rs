//! netifd's answer by the `ubus` program. Only where there is a ubus socket.

use super::signals::{Waited, wait};
use nix::poll::PollFlags;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where ubusd listens: OpenWrt since 21.02, and before.
const SOCKETS: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];

const DEADLINE: Duration = Duration::from_secs(3);
const LONGEST: usize = 1 << 20;

/// `ubus call network.interface dump`; `None` on machines without ubus.
pub fn interface_dump() -> Option<Result<Vec<u8>, String>> {
    SOCKETS.iter().any(|path| Path::new(path).exists()).then(dump)
}

fn dump() -> Result<Vec<u8>, String> {
    let mut child = Command::new("ubus")
        .args(["-t", "2", "call", "network.interface", "dump"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("could not ask netifd: ubus: {error}"))?;
    let until = Instant::now() + DEADLINE;
    let mut answer = Vec::new();
    let mut whole = false;
    if let Some(mut out) = child.stdout.take() {
        let mut part = [0; 4096];
        while !whole
            && answer.len() < LONGEST
            && wait(out.as_fd(), PollFlags::POLLIN, until) == Waited::Ready
        {
            match out.read(&mut part) {
                Ok(0) => whole = true,
                Ok(len) => answer.extend_from_slice(&part[..len]),
                Err(_) => break,
            }
        }
    }
    if !whole {
        let _ = child.kill();
    }
    match child.wait() {
        Ok(status) if whole && status.success() => Ok(answer),
        Ok(_) if !whole => Err("netifd did not answer in time".into()),
        _ => Err("netifd did not answer: is the ubus access for this user missing?".into()),
    }
}
