//! How Java reads the values: three strict readers for the typed keys of the file, the lenient ones for properties
//! (reference: operations §1.0).

/// Java's `Long.parseLong`: decimal digits with an optional sign, nothing else.
pub fn parse_decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Java's `Long.decode`, which `Integer.getInteger` and `Long.getLong` use: also `0x…`, `#…` and, with a leading zero, octal.
pub fn decode(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'#', ..] => (16, &unsigned[1..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Java's `Double.parseDouble` for the finite decimal forms anybody writes.
pub fn parse_fraction(text: &str) -> Option<f64> {
    let plain = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let decimal = plain.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    plain.parse().ok().filter(|value: &f64| decimal && value.is_finite())
}

/// `true` or `false` in any case.
pub fn parse_switch(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_take_a_sign_and_nothing_else() {
        for (text, value) in
            [("0", 0), ("007", 7), ("+5", 5), ("-12", -12), ("9223372036854775807", i64::MAX)]
        {
            assert_eq!(parse_decimal(text), Some(value), "{text}");
        }
        for text in
            ["", "+", "-", " 1", "1 ", "1k", "0x10", "1_000", "1.0", "--1", "9223372036854775808", "abc", "٣"]
        {
            assert_eq!(parse_decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn properties_may_be_hexadecimal_or_octal() {
        for (text, value) in [
            ("10", 10),
            ("0x10", 16),
            ("0Xff", 255),
            ("#f", 15),
            ("010", 8),
            ("-0x10", -16),
            ("0", 0),
            ("+7", 7),
        ] {
            assert_eq!(decode(text), Some(value), "{text}");
        }
        assert_eq!(decode("-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "0x", "#", "08", "1k", "0x1g", "9223372036854775808", "0x-1", "1 ", "é"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn fractions_are_finite_decimals() {
        assert_eq!(parse_fraction("0.33"), Some(0.33));
        assert_eq!(parse_fraction("-1"), Some(-1.0));
        assert_eq!(parse_fraction("1e-3d"), Some(0.001));
        for text in ["", "x", "NaN", "inf", "infinity", "1e999", "."] {
            assert_eq!(parse_fraction(text), None, "{text:?}");
        }
    }

    #[test]
    fn switches_are_true_or_false_in_any_case() {
        assert_eq!((parse_switch("TRUE"), parse_switch("False")), (Some(true), Some(false)));
        assert_eq!((parse_switch("yes"), parse_switch("1"), parse_switch("")), (None, None, None));
    }
}
