//! The ip scheme: a connection is its peer's address, an ACL entry an address or a network.

use std::net::IpAddr;
use wire::Id;

/// The credential every connection starts with. IPv4 dotted, also when it arrived on an IPv6 socket; IPv6 as eight
/// lower-case groups without leading zeros and without `::`, as Java prints it.
pub fn ip_id(address: IpAddr) -> Id<'static> {
    let text = match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:x}")).join(":"),
    };
    Id::new("ip", text)
}

/// May an ACL entry carry it: an address, or an address, a slash and a number of bits?
pub(super) fn is_valid(expression: &str) -> bool {
    network(expression).is_some()
}

/// Is the address in the network? Families never match each other.
pub(super) fn matches(credential: &str, expression: &str) -> bool {
    let (Some((network, bits)), Some(address)) = (network(expression), address(credential)) else {
        return false;
    };
    match (network, address) {
        (Address::V4(a), Address::V4(b)) => bits == 0 || (a ^ b) >> (32 - bits) == 0,
        (Address::V6(a), Address::V6(b)) => bits == 0 || (a ^ b) >> (128 - bits) == 0,
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Address {
    V4(u32),
    V6(u128),
}

fn network(expression: &str) -> Option<(Address, u32)> {
    let (text, bits) = match expression.split_once('/') {
        Some((text, bits)) => (text, Some(decimal(bits, 128)?)),
        None => (expression, None),
    };
    let address = address(text)?;
    let width = match address {
        Address::V4(_) => 32,
        Address::V6(_) => 128,
    };
    let bits = bits.unwrap_or(width);
    (bits <= width).then_some((address, bits))
}

fn address(text: &str) -> Option<Address> {
    if text.contains(':') { v6(text).map(Address::V6) } else { v4(text).map(Address::V4) }
}

fn v4(text: &str) -> Option<u32> {
    let mut parts = text.split('.');
    let mut sum = 0;
    for _ in 0..4 {
        sum = (sum << 8) | decimal(parts.next()?, 255)?;
    }
    parts.next().is_none().then_some(sum)
}

fn v6(text: &str) -> Option<u128> {
    match text.split_once("::") {
        None => {
            let (value, groups) = v6_groups(text)?;
            (groups == 8).then_some(value)
        }
        Some((head, tail)) => {
            let (head, head_groups) = v6_groups(head)?;
            let (tail, tail_groups) = v6_groups(tail)?;
            if head_groups + tail_groups > 7 {
                return None;
            }
            let head = if head_groups == 0 { 0 } else { head << (16 * (8 - head_groups)) };
            Some(head | tail)
        }
    }
}

/// Groups between single colons: their value and number; none in an empty text.
fn v6_groups(text: &str) -> Option<(u128, u32)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let (mut value, mut groups) = (0u128, 0);
    for group in text.split(':') {
        let plain = (1..=4).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
        if !plain || groups == 8 {
            return None;
        }
        value = (value << 16) | u128::from(u16::from_str_radix(group, 16).ok()?);
        groups += 1;
    }
    Some((value, groups))
}

/// A decimal number of ASCII digits, at most `max`. Leading zeros are fine, signs are not.
fn decimal(text: &str, max: u32) -> Option<u32> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| *n <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_addresses_and_networks() {
        for good in [
            "10.0.0.1",
            "10.0.0.0/0",
            "10.0.0.0/32",
            "::1",
            "2001:db8::/32",
            "1:2:3:4:5:6:7:8/128",
            "::",
            "1::",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/-1",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0",
            "10.0.0.0.0",
            "256.0.0.1",
            "10.0.0.0/",
            "localhost",
            "10.0.0.+1",
            "::1/129",
            "1::2::3",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4::5:6:7:8",
            "::ffff:1.2.3.4",
            "fe80::1%eth0",
            "12345::",
            ":1",
            "1:",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_compared_and_host_bits_are_ignored() {
        assert!(matches("127.0.0.1", "127.0.0.0/8"));
        assert!(matches("127.9.9.9", "127.1.2.3/8"));
        assert!(!matches("128.0.0.1", "127.0.0.0/8"));
        assert!(matches("1.2.3.4", "9.9.9.9/0"));
        assert!(matches("1.2.3.4", "1.2.3.4"));
        assert!(!matches("1.2.3.5", "1.2.3.4"));
        assert!(matches("2001:db8:0:0:0:0:0:1", "2001:db8::/32"));
        assert!(!matches("2001:db9:0:0:0:0:0:1", "2001:db8::/32"));
        assert!(matches("0:0:0:0:0:0:0:1", "::1"));
    }

    #[test]
    fn families_never_match() {
        assert!(!matches("1.2.3.4", "::/0"));
        assert!(!matches("0:0:0:0:0:0:0:1", "0.0.0.0/0"));
    }

    #[test]
    fn addresses_print_as_in_java() {
        let text =
            |address: &str| ip_id(address.parse().expect("an address")).id.expect("an id").into_owned();
        assert_eq!(text("127.0.0.1"), "127.0.0.1");
        assert_eq!(text("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(text("::1"), "0:0:0:0:0:0:0:1");
        assert_eq!(text("2001:DB8::1"), "2001:db8:0:0:0:0:0:1");
    }
}
