//! Which addresses a channel may reach: those of the open internet, so that it is no way into a private network.
//!
//! A name is judged by what it resolves to at the moment of connecting, and the connection goes to the addresses that
//! were judged: a name that answers something else the next time gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks a name up: host and port.
type LookUp = fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// What is allowed beyond the open internet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Private networks and this machine.
    private: bool,
    /// Where names lead; tests have names that lead elsewhere the next time.
    look_up: LookUp,
}

/// What this machine knows of names.
fn by_system(host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
}

/// Why a host has no address to connect to, for people.
#[derive(Debug)]
pub(crate) enum NoWay {
    /// It has none at all, for now.
    Unresolved(String),
    /// It has none that may be reached.
    Forbidden(String),
}

impl From<NoWay> for String {
    fn from(no_way: NoWay) -> Self {
        match no_way {
            NoWay::Unresolved(text) | NoWay::Forbidden(text) => text,
        }
    }
}

impl Policy {
    /// With private networks and this machine, or without.
    pub(crate) fn new(private: bool) -> Self {
        Self { private, look_up: by_system }
    }

    /// The same with private addresses only where both say so.
    pub(super) fn narrowed(self, private: bool) -> Self {
        Self { private: self.private && private, ..self }
    }

    #[cfg(test)]
    pub(super) fn looking_up(self, look_up: LookUp) -> Self {
        Self { look_up, ..self }
    }

    /// Whether `address` may be reached.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match embedded(address) {
            IpAddr::V4(address) => !never_v4(address) && (self.private || !private_v4(address)),
            IpAddr::V6(address) => !never_v6(address) && (self.private || !private_v6(address)),
        }
    }

    /// The addresses of a host that may be reached.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NoWay> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => match (self.look_up)(bare.to_owned(), port).await {
                Ok(found) => found,
                Err(error) => return Err(NoWay::Unresolved(format!("`{host}` cannot be resolved: {error}"))),
            },
        };
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.allows(address.ip())).collect();
        if allowed.is_empty() {
            return Err(NoWay::Forbidden(Self::refusal(host)));
        }
        Ok(allowed)
    }

    /// What people are told who named a host that may not be reached.
    pub(crate) fn refusal(host: &str) -> String {
        format!(
            "`{host}` has no public address; only an operator can allow others, by messaging.outbound.allow_private"
        )
    }
}

impl Resolve for Policy {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = *self;
        Box::pin(async move {
            let found = Self::resolve(policy, name.as_str(), 0).await.map_err(String::from)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// IPv4 addresses that are written as IPv6 ones (mapped, translated, compatible, NAT64, 6to4, Teredo) are judged as what
/// they are.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => v4(g, h),
        (0x2002, _) => v4(b, c),
        (0x2001, 0) => v4(!g, !h),
        _ if [a, b, c, d, e, f] == [0, 0, 0, 0, 0, 0xffff] => v4(g, h),
        _ if [a, b, c, d, e, f] == [0, 0, 0, 0, 0xffff, 0] => v4(g, h),
        _ if [a, b, c, d, e, f] == [0; 6] && !v6.is_loopback() && !v6.is_unspecified() => v4(g, h),
        _ => address,
    }
}

/// Private, and other ranges that no public endpoint has (RFC 6890).
fn private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
        || [a, b, c] == [192, 0, 0]
}

/// The same, with the site-local addresses of old (RFC 3879) and those of documents (RFC 3849).
fn private_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    address.is_loopback() || address.is_unique_local() || a & 0xffc0 == 0xfec0 || (a, b) == (0x2001, 0xdb8)
}

/// Where clouds that do not use a link-local address keep what a machine may know of itself, keys included: Alibaba Cloud
/// and Azure, which uses a public one …
const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
/// … and AWS.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Link-local (the metadata of most clouds lives there), multicast, broadcast, reserved: never, whatever is set.
fn never_v4(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    address.is_link_local() || first == 0 || first >= 224 || METADATA.contains(&address)
}

/// Of the addresses that translate to IPv4 those as well whose form only the network's operator knows (`64:ff9b:1::/48`,
/// RFC 8215): what they lead to cannot be judged.
fn never_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    address.is_unspecified()
        || (a, b) == (0x64, 0xff9b)
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address == METADATA_V6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_open_internet_is_reached_unless_more_is_allowed() {
        let allows = |private, text: &str| Policy::new(private).allows(text.parse().unwrap());
        for open in ["1.1.1.1", "223.5.5.5", "2400:3200::1", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(allows(false, open), "{open}");
        }
        let private = [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "fd00::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:0:10.0.0.1",
            "::10.0.0.1",
            "2002:0a00:0001::",
            "64:ff9b::c0a8:1",
            "2001:0:1:2:3:4:f5ff:fffe",
        ];
        for address in private {
            assert!(!allows(false, address) && allows(true, address), "{address}");
        }
        let never = [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "ff02::1",
            "::",
            "168.63.129.16",
            "64:ff9b::a83f:8110",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1::101:101",
            "64:ff9b:2::1",
        ];
        for address in never {
            assert!(!allows(true, address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_host_is_what_it_resolves_to() {
        // Spellings that are no address to us and are one to the system's resolver.
        for host in ["localhost", "127.1", "0x7f.0.0.1", "2130706433", "[::1]", "::ffff:127.0.0.1"] {
            let found = Policy::new(false).resolve(host, 25).await;
            assert!(matches!(found, Err(NoWay::Forbidden(_))), "{host}: {found:?}");
        }
        let found = Policy::new(true).resolve("localhost", 25).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 25), "{found:?}");
    }
}
