//! Which addresses a webhook may reach: those of the open internet, so that a channel is no way into a private network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is allowed beyond the open internet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Private networks and loopback.
    pub(crate) private: bool,
    /// Loopback, in development mode.
    pub(crate) loopback: bool,
}

impl Policy {
    /// Whether `address` may be reached.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match embedded(address) {
            IpAddr::V4(address) if address.is_loopback() => self.private || self.loopback,
            IpAddr::V6(address) if address.is_loopback() => self.private || self.loopback,
            IpAddr::V4(address) => !never_v4(address) && (self.private || !private_v4(address)),
            IpAddr::V6(address) => !never_v6(address) && (self.private || !address.is_unique_local()),
        }
    }

    /// The addresses of a host that may be reached.
    ///
    /// # Errors
    /// When it has none, for people.
    pub(crate) async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => match tokio::net::lookup_host((bare, port)).await {
                Ok(found) => found.collect(),
                Err(error) => return Err(format!("`{host}` cannot be resolved: {error}")),
            },
        };
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.allows(address.ip())).collect();
        if allowed.is_empty() {
            return Err(format!(
                "`{host}` has no public address; set allow_private to reach a private network"
            ));
        }
        Ok(allowed)
    }
}

impl Resolve for Policy {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = *self;
        Box::pin(async move {
            let found = Self::resolve(policy, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// IPv4 addresses that are written as IPv6 ones (mapped, NAT64, 6to4) are judged as what they are.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b) {
        (0x64, 0xff9b) => v4(g, h),
        (0x2002, _) => v4(b, c),
        _ if [a, b, c, d, e] == [0; 5] && f == 0xffff => v4(g, h),
        _ => address,
    }
}

/// Private, and other ranges that no public endpoint has (RFC 6890).
fn private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 198 && b & 0xfe == 18)
        || [a, b, c] == [192, 0, 0]
}

/// Link-local (the metadata of clouds lives there), multicast, broadcast, reserved: never, whatever is set.
fn never_v4(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    address.is_link_local() || first == 0 || first >= 224
}

fn never_v6(address: Ipv6Addr) -> bool {
    address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_open_internet_is_reached_unless_more_is_allowed() {
        let of = |private, loopback| Policy { private, loopback };
        let allows = |policy: Policy, text: &str| policy.allows(text.parse().unwrap());
        for open in ["1.1.1.1", "223.5.5.5", "2400:3200::1", "::ffff:1.1.1.1"] {
            assert!(allows(of(false, false), open), "{open}");
        }
        let private = [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ];
        for address in private.into_iter().chain(["2002:0a00:0001::", "64:ff9b::c0a8:1", "192.0.0.8"]) {
            assert!(!allows(of(false, true), address), "{address}");
            assert!(allows(of(true, false), address), "{address}");
        }
        for loopback in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(!allows(of(false, false), loopback) && allows(of(false, true), loopback), "{loopback}");
        }
        for never in
            ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::"]
        {
            assert!(!allows(of(true, true), never), "{never}");
        }
    }
}
