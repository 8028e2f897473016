//! The browser's processes, as Linux tells of them in `/proc` (proc(5)). All of it blocks.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use rustix::process::{Pid, Signal, kill_process_group};

/// The processes of a group.
pub(super) fn members(group: Pid) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| group_of(*pid) == Some(group.as_raw_nonzero().get()))
        .collect()
}

/// The fifth field; the second is a name in parentheses, which may hold anything.
fn group_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(2)?.parse().ok()
}

/// Memory of a group in bytes, where pages that processes share count once.
pub(super) fn memory(group: Pid) -> u64 {
    members(group)
        .into_iter()
        .map(|pid| proportional(pid).unwrap_or_else(|| resident(pid)))
        .sum()
}

fn proportional(pid: i32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What is readable of another account's process, too.
fn resident(pid: i32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Ends every process of a group at once. One that is gone is fine.
pub(super) fn kill(group: Pid) {
    let _ = kill_process_group(group, Signal::KILL);
}

/// Whether the other end of a connection on this machine belongs to a process of the group.
pub(super) fn holds(group: Pid, here: SocketAddr, peer: SocketAddr) -> bool {
    let (SocketAddr::V4(here), SocketAddr::V4(peer)) = (here, peer) else {
        return false;
    };
    let Ok(table) = fs::read_to_string("/proc/net/tcp") else {
        return false;
    };
    let Some(socket) = socket_of(&table, peer, here) else {
        return false;
    };
    members(group).into_iter().any(|pid| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        let mut targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.any(|target| target.as_os_str() == socket.as_str())
    })
}

/// The name of the socket from `local` to `remote`, as a link in `/proc/*/fd` has it.
fn socket_of(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<String> {
    let (local, remote) = (written(local), written(remote));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it =
            fields.get(1) == Some(&local.as_str()) && fields.get(2) == Some(&remote.as_str());
        is_it.then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
    })
}

/// As `/proc/net/tcp` has an address: the bytes as a number of this machine, in hex.
fn written(address: SocketAddrV4) -> String {
    let ip: Ipv4Addr = *address.ip();
    format!(
        "{:08X}:{:04X}",
        u32::from_ne_bytes(ip.octets()),
        address.port()
    )
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::process::{getpgid, getpid};

    use super::*;

    #[test]
    fn a_connection_is_known_by_whose_socket_it_is() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
        let here = listener.local_addr().expect("it is bound");
        let ours = TcpStream::connect(here).expect("it listens");
        let (_accepted, peer) = listener.accept().expect("it was connected to");
        let group = getpgid(None).expect("a process has a group");
        assert!(holds(group, here, peer));
        let none = Pid::from_raw(i32::MAX).expect("a number");
        assert!(!holds(none, here, peer));
        drop(ours);
    }

    #[test]
    fn a_group_has_members_and_memory() {
        let group = getpgid(None).expect("a process has a group");
        assert!(members(group).contains(&getpid().as_raw_nonzero().get()));
        assert!(memory(group) > 1 << 20);
        assert_eq!(members(Pid::from_raw(i32::MAX).expect("a number")), [0; 0]);
    }
}
