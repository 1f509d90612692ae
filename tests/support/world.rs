//! Worlds for tests: the real [`World`], with its own names.

use super::dns::DnsServer;
use super::{Dir, NAME};
use reachd::sys::World;
use reachd::sys::resolve::Resolver;

/// A world whose hosts file knows [`NAME`], without nameservers.
pub fn world(dir: &Dir) -> World {
    let mut world = World::new();
    world.names = Resolver {
        resolv_conf: dir.write("resolv.conf", ""),
        hosts: dir.write("hosts", format!("127.0.0.1 x {NAME} # the test's\n")),
    };
    world
}

/// As [`world`], with these nameservers and an empty hosts file.
pub fn world_with(dir: &Dir, servers: &[&DnsServer]) -> World {
    let mut text = String::from("# made by a test\nsearch lan\n");
    for server in servers {
        text += &format!("nameserver {}\n", server.address);
    }
    let mut world = World::new();
    world.names = Resolver {
        resolv_conf: dir.write("resolv.conf", text),
        hosts: dir.write("hosts", "127.0.0.1 localhost\n"),
    };
    world
}
