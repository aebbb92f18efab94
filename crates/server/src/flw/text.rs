//! Java's ways to print numbers, dates and addresses, which monitors have learned to parse.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// `/10.1.2.3:51514` or `/[0:0:0:0:0:0:0:1]:51514`.
pub fn java_address(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => format!("/{ip}:{}", address.port()),
        IpAddr::V6(ip) => {
            let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:x}")).collect();
            format!("/[{}]:{}", groups.join(":"), address.port())
        }
    }
}

/// Four places after the point, as averages have.
pub fn round4(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// `Double.toString`: at least one digit on each side of the point, an exponent below 10⁻³ and from 10⁷ up.
pub fn java_double(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".into()
        } else {
            format!("{}Infinity", if value < 0.0 { "-" } else { "" })
        };
    }
    let magnitude = value.abs();
    let mut text = if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        format!("{value}")
    } else {
        format!("{value:e}").replace('e', "E")
    };
    if !text.contains('.') {
        let at = text.find('E').unwrap_or(text.len());
        text.insert_str(at, ".0");
    }
    text
}

/// Appends `key=value` and a line end.
pub fn assign(text: &mut String, key: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{key}={value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_slash_and_long_groups() {
        assert_eq!(java_address("10.1.2.3:51514".parse().unwrap()), "/10.1.2.3:51514");
        assert_eq!(java_address("[::1]:37940".parse().unwrap()), "/[0:0:0:0:0:0:0:1]:37940");
        assert_eq!(java_address("[fe80::a:b]:1".parse().unwrap()), "/[fe80:0:0:0:0:0:a:b]:1");
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.6214, "0.6214"),
            (12.5, "12.5"),
            (-3.0, "-3.0"),
            (0.001, "0.001"),
            (0.0009, "9.0E-4"),
            (0.00012, "1.2E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(java_double(value), text);
        }
        assert_eq!(round4(1.038_34), 1.0383);
        assert_eq!(round4(2.0 / 3.0), 0.6667);
    }
}
