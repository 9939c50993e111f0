//! Builds a network of its own out of namespaces: a client, a router and a server, each a real stack of the kernel
//! joined by veth pairs, and puts faults on the path. Needs root. The host's own network is not touched, and every
//! lab has the same addresses.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Once};

use runready::api::Cause;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::hostile::STAGE;
use super::process::{run, start_nursery};
use super::scratch::owner_gone;

/// The client's address.
pub const CLIENT: &str = "10.77.1.2";
/// The server's address.
pub const SERVER: &str = "10.77.2.2";
const PREFIX: &str = "runready-";

/// A network: client 10.77.1.2 - router - server 10.77.2.2. Taken down when dropped.
pub struct Lab {
    client: String,
    router: String,
    server: String,
}

/// What is wrong with the path from the client to the server.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The router drops packets to the server, silently.
    Drop,
    /// The router drops packets in both directions.
    Silence,
    /// The router answers "host unreachable".
    HostUnreachable,
    /// The router answers "network unreachable".
    NetworkUnreachable,
    /// The router answers "port unreachable".
    PortUnreachable,
    /// The router answers "administratively prohibited".
    Prohibited,
    /// The router answers connections with a reset.
    Reset,
    /// The client has no route to the server.
    NoRoute,
    /// The router drops packets to that port of the server, and to no other.
    DropPort(u16),
    /// The router lets connections to that port of the server open, and drops what the client sends on them.
    DropData(u16),
    /// The router loses every so many-th packet, in either direction.
    Lossy(u8),
}

/// The faults by which no connection comes about: what a table of failures calls each, and the cause that it has.
pub const UNREACHABLE: [(&str, Fault, Cause); 7] = [
    ("packets dropped by a router", Fault::Drop, Cause::ConnectTimeout),
    ("rejected: host unreachable", Fault::HostUnreachable, Cause::HostUnreachable),
    ("rejected: network unreachable", Fault::NetworkUnreachable, Cause::NetworkUnreachable),
    ("rejected: port unreachable", Fault::PortUnreachable, Cause::ConnectionRefused),
    ("rejected: prohibited", Fault::Prohibited, Cause::HostUnreachable),
    ("rejected: TCP reset", Fault::Reset, Cause::ConnectionRefused),
    ("no route", Fault::NoRoute, Cause::NetworkUnreachable),
];

impl Fault {
    fn rule(self) -> Option<String> {
        let rule = match self {
            Fault::Drop => "ip daddr 10.77.2.2 drop".to_owned(),
            Fault::Silence => "drop".to_owned(),
            Fault::HostUnreachable => "ip daddr 10.77.2.2 reject with icmp type host-unreachable".to_owned(),
            Fault::NetworkUnreachable => "ip daddr 10.77.2.2 reject with icmp type net-unreachable".to_owned(),
            Fault::PortUnreachable => "ip daddr 10.77.2.2 reject with icmp type port-unreachable".to_owned(),
            Fault::Prohibited => "ip daddr 10.77.2.2 reject with icmp type admin-prohibited".to_owned(),
            Fault::Reset => "ip daddr 10.77.2.2 meta l4proto tcp reject with tcp reset".to_owned(),
            Fault::NoRoute => return None,
            Fault::DropPort(port) => format!("ip daddr 10.77.2.2 tcp dport {port} drop"),
            Fault::DropData(port) => format!("ip daddr 10.77.2.2 tcp dport {port} tcp flags psh drop"),
            Fault::Lossy(nth) => format!("numgen inc mod {nth} 0 counter drop"),
        };
        Some(rule)
    }
}

impl Lab {
    /// A new network without faults. The `Err` says why this machine can't have one.
    pub fn build() -> Result<Lab, String> {
        static SWEPT: Once = Once::new();
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        SWEPT.call_once(sweep);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = Lab { client: format!("{name}-c"), router: format!("{name}-r"), server: format!("{name}-s") };
        lab.wire().map_err(|e| format!("network namespaces can't be made here (root is needed): {e}"))?;
        Ok(lab)
    }

    fn wire(&self) -> Result<(), String> {
        let (client, router, server) = (&self.client, &self.router, &self.server);
        for namespace in [client, router, server] {
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
        }
        for (host, port, subnet) in [(client, "toclient", "10.77.1"), (server, "toserver", "10.77.2")] {
            ip(&format!("link add eth0 netns {host} type veth peer name {port} netns {router}"))?;
            ip(&format!("-n {host} address add {subnet}.2/24 dev eth0"))?;
            ip(&format!("-n {router} address add {subnet}.1/24 dev {port}"))?;
            ip(&format!("-n {host} link set eth0 up"))?;
            ip(&format!("-n {router} link set {port} up"))?;
            ip(&format!("-n {host} route add default via {subnet}.1"))?;
        }
        // A router forwards, and answers every rejected packet rather than one a second.
        run_in(
            router,
            &["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/icmp_ratelimit"],
        )?;
        run_in(router, &["nft", "add table ip faults"])?;
        run_in(router, &["nft", "add chain ip faults path { type filter hook forward priority 0; }"])?;
        run_in(router, &["nft", "add chain ip faults reports { type filter hook output priority 0; }"])?;
        run_in(client, &["nft", "add table ip faults"])?;
        run_in(client, &["nft", "add chain ip faults own { type filter hook input priority 0; }"]).map(drop)
    }

    /// The namespace that servers are started in.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace that clients are started in.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Runs a command at the client.
    pub fn run_at_client(&self, command: &[&str]) -> Result<String, String> {
        run_in(&self.client, command)
    }

    /// Calls `work` on a thread whose network is the client's; runtimes built there have it too.
    pub fn at_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.client, work)
    }

    /// Calls `work` on a thread whose network is the server's. A socket stays where it was made.
    pub fn at_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.server, work)
    }

    /// Breaks the path, connections that are open included. It is healed first: one fault at a time.
    pub fn fault(&self, fault: Fault) {
        self.heal();
        let outcome = match fault.rule() {
            Some(rule) => run_in(&self.router, &["nft", &format!("add rule ip faults path {rule}")]),
            None => ip(&format!("-n {} route del default", self.client)),
        };
        outcome.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
    }

    /// Lets packets of at most this size through to the client, although both ends can send larger ones. `silently`: the router's
    /// reports of what it could not pass on are dropped, as a firewall does that lets no ICMP through.
    pub fn narrow(&self, mtu: u32, silently: bool) {
        self.heal();
        // Before the link is narrowed: what is still on its way would have the router say so, and the ends remember that.
        if silently {
            let rule = "add rule ip faults reports icmp type destination-unreachable drop";
            run_in(&self.router, &["nft", rule]).expect("our own chain");
        }
        ip(&format!("-n {} link set toclient mtu {mtu}", self.router)).expect("our own link");
    }

    /// Has the router tell both ends of a new connection to send no larger packets than fit (MSS clamping).
    pub fn clamp(&self, mss: u32) {
        let rule = format!("add rule ip faults path tcp flags syn tcp option maxseg size set {mss}");
        run_in(&self.router, &["nft", &rule]).expect("our own chain");
    }

    /// How many packets a lossy router has lost.
    pub fn lost(&self) -> u64 {
        let rules = run_in(&self.router, &["nft", "list chain ip faults path"]).expect("our own chain");
        let count = rules.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no counter in {rules}"))
    }

    /// Cuts the client off from what listens on that port of its own loopback, in the words of nft: `drop`, or `reject with` what.
    /// It comes beside a fault of the path, and lasts until [`Lab::open`].
    pub fn shut(&self, port: u16, verdict: &str) {
        self.open();
        let rule = format!("add rule ip faults own tcp dport {port} {verdict}");
        run_in(&self.client, &["nft", &rule]).expect("our own chain");
    }

    /// Ends [`Lab::shut`].
    pub fn open(&self) {
        run_in(&self.client, &["nft", "flush chain ip faults own"]).expect("our own chain");
    }

    /// Takes the faults and the throttle away.
    pub fn heal(&self) {
        run_in(&self.router, &["nft", "flush chain ip faults path"]).expect("our own chain");
        run_in(&self.router, &["nft", "flush chain ip faults reports"]).expect("our own chain");
        ip(&format!("-n {} link set toclient mtu 1500", self.router)).expect("our own link");
        // What the server has learnt of the path's MTU.
        ip(&format!("-n {} route flush cache", self.server)).expect("our own routes");
        ip(&format!("-n {} route replace default via 10.77.1.1", self.client)).expect("our own route");
        // It fails where there is no throttle, which is as well.
        let _ = run_in(&self.router, &["tc", "qdisc", "del", "dev", "toclient", "root"]);
    }

    /// Lets the server's answers through at this rate only (kbit/s).
    pub fn throttle(&self, kbit: u32) {
        let rate = format!("{kbit}kbit");
        let bucket = [
            "tc", "qdisc", "replace", "dev", "toclient", "root", "tbf", "rate", &rate, "burst", "4kb", "latency", "2s",
        ];
        run_in(&self.router, &bucket).expect("a token bucket");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.client, &self.router, &self.server] {
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}

fn ip(words: &str) -> Result<String, String> {
    run(&["ip"].into_iter().chain(words.split(' ')).collect::<Vec<_>>())
}

fn run_in(namespace: &str, command: &[&str]) -> Result<String, String> {
    run(&[&["ip", "netns", "exec", namespace], command].concat())
}

fn within<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    // A thread is born into the namespace of the one that starts it: those that all tests share must not be born in this one.
    LazyLock::force(&STAGE);
    start_nursery();
    let handle = File::open(format!("/run/netns/{namespace}")).expect("our own namespace");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may move");
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Takes down what killed test processes left behind.
fn sweep() {
    for line in ip("netns list").unwrap_or_default().lines() {
        let name = line.split(' ').next().unwrap_or_default();
        if owner_gone(name, PREFIX) {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}
