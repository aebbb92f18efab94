//! Java's properties format, exactly (reference: operations §2.1), with the line numbers Java forgets.

use super::error::Notice;

/// The longest configuration text that is looked at, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The most settings that are looked at: a text can hold many times that, and every one may cost a line of the log.
pub const ENTRIES_MAX: usize = 4096;

/// One `key=value` of the file, escapes resolved, both sides trimmed as ZooKeeper trims them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub name: String,
    /// The value; empty when nothing follows the key.
    pub value: String,
    /// Where it starts, counted from 1.
    pub line: usize,
}

/// What is wrong with the text as a properties file: the line and what to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// Java's words where it has some.
    pub message: String,
}

/// The entries in file order, duplicates included.
///
/// # Errors
/// A `\u` that is not followed by four hex digits, or more than [`TEXT_BYTES_MAX`] bytes or [`ENTRIES_MAX`] entries.
pub fn entries(text: &str) -> Result<Vec<Entry>, Malformed> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Malformed { line: 1, message: format!("the file has more than {TEXT_BYTES_MAX} bytes") });
    }
    let mut found = Vec::new();
    for (line, logical) in logical_lines(text) {
        if found.len() == ENTRIES_MAX {
            return Err(Malformed {
                line,
                message: format!("the file has more than {ENTRIES_MAX} settings"),
            });
        }
        let (key, value) = split(&logical);
        let resolve = |raw: &[char]| unescape(raw).map_err(|message| Malformed { line, message });
        found.push(Entry { name: trim(&resolve(key)?), value: trim(&resolve(value)?), line });
    }
    Ok(found)
}

/// The text of a configuration file: UTF-8, or ISO-8859-1 when it is not (which is how Java reads it).
pub fn decode(bytes: &[u8]) -> (String, Option<Notice>) {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let marked = body.len() != bytes.len();
    match std::str::from_utf8(body) {
        Ok(text) if marked => {
            (text.to_owned(), Some(Notice::warn("the file starts with a byte order mark, which is skipped")))
        }
        Ok(text) => (text.to_owned(), None),
        Err(_) => {
            let text = body.iter().map(|&byte| char::from(byte)).collect();
            (text, Some(Notice::warn("the file is not UTF-8; it is read as ISO-8859-1")))
        }
    }
}

/// Java's `String.trim`: everything up to and including the space goes.
fn trim(text: &str) -> String {
    text.trim_matches(|c| c <= ' ').to_owned()
}

/// Comments and blank lines dropped, continued lines joined.
fn logical_lines(text: &str) -> Vec<(usize, Vec<char>)> {
    let mut lines = Vec::new();
    let mut natural = natural_lines(text).into_iter().enumerate();
    while let Some((index, first)) = natural.next() {
        let start = skip_blanks(&first);
        if start.is_empty() || matches!(start[0], '#' | '!') {
            continue;
        }
        let mut logical = start.to_vec();
        while ends_continued(&logical) {
            logical.pop();
            match natural.next() {
                Some((_, next)) => logical.extend_from_slice(skip_blanks(&next)),
                None => break,
            }
        }
        lines.push((index + 1, logical));
    }
    lines
}

/// Lines end at `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> Vec<Vec<char>> {
    let mut lines = vec![Vec::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' || c == '\n' {
            if c == '\r' && chars.peek() == Some(&'\n') {
                chars.next();
            }
            lines.push(Vec::new());
        } else if let Some(line) = lines.last_mut() {
            line.push(c);
        }
    }
    lines
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn skip_blanks(line: &[char]) -> &[char] {
    let start = line.iter().position(|&c| !is_blank(c)).unwrap_or(line.len());
    &line[start..]
}

/// An odd number of backslashes at the end joins the next line.
fn ends_continued(line: &[char]) -> bool {
    line.iter().rev().take_while(|&&c| c == '\\').count() % 2 == 1
}

/// Cuts at the first unescaped `=`, `:` or blank; blanks around one separator are skipped.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut end = 0;
    while end < line.len() && !is_blank(line[end]) && !matches!(line[end], '=' | ':') {
        end += if line[end] == '\\' { 2 } else { 1 };
    }
    let end = end.min(line.len());
    let mut value = skip_blanks(&line[end..]);
    if matches!(value.first(), Some('=' | ':')) {
        value = skip_blanks(&value[1..]);
    }
    (&line[..end], value)
}

/// Resolves `\t \n \r \f \uXXXX`; any other escaped character stands for itself.
fn unescape(raw: &[char]) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [c, tail @ ..] = rest {
        rest = tail;
        let mut plain = *c;
        if plain == '\\' {
            let [escaped, tail @ ..] = rest else { break };
            rest = tail;
            if *escaped == 'u' {
                let (unit, tail) = hex_unit(rest).ok_or("Malformed \\uxxxx encoding.")?;
                units.push(unit);
                rest = tail;
                continue;
            }
            plain = match escaped {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'f' => '\u{c}',
                other => *other,
            };
        }
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

fn hex_unit(digits: &[char]) -> Option<(u16, &[char])> {
    let (four, rest) = digits.split_at_checked(4)?;
    let mut unit = 0u16;
    for digit in four {
        unit = unit << 4 | u16::try_from(digit.to_digit(16)?).ok()?;
    }
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        entries(text).unwrap().into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn equals_colon_and_blanks_separate() {
        for text in ["a=b", "a:b", "a b", "a\tb", "a\u{c}b", "  a  =  b", "a : b", "a   b", "a = b  "] {
            assert_eq!(one(text), pair("a", "b"), "{text:?}");
        }
    }

    #[test]
    fn only_the_first_separator_counts() {
        assert_eq!(one("a==b"), pair("a", "=b"));
        assert_eq!(one("a=:b"), pair("a", ":b"));
        assert_eq!(one("a b=c"), pair("a", "b=c"));
        assert_eq!(one("server.1=h:1:2;3"), pair("server.1", "h:1:2;3"));
        assert_eq!(one(r"a\=b=c"), pair("a=b", "c"));
        assert_eq!(one(r"a\ b=c"), pair("a b", "c"));
        assert_eq!(one(r"a\:b c"), pair("a:b", "c"));
    }

    #[test]
    fn a_key_alone_has_an_empty_value() {
        assert_eq!(one("a"), pair("a", ""));
        assert_eq!(one("a="), pair("a", ""));
        assert_eq!(one("=b"), pair("", "b"));
    }

    #[test]
    fn comments_start_a_line_and_only_a_line() {
        assert_eq!(pairs("# a=b\n  ! c=d\n\n \t\n"), []);
        assert_eq!(one("a=2000 # x"), pair("a", "2000 # x"));
        assert_eq!(pairs("# a \\\nb=c"), [pair("b", "c")], "a comment is never continued");
    }

    #[test]
    fn a_backslash_at_the_end_joins_the_next_line() {
        assert_eq!(one("a=b\\\n   c"), pair("a", "bc"));
        assert_eq!(one("a=b\\\r\n   c"), pair("a", "bc"));
        assert_eq!(one("a\\\n=b"), pair("a", "b"));
        assert_eq!(one("a=b\\\n#c"), pair("a", "b#c"), "a continuation is not a comment");
        assert_eq!(pairs("a=b\\\\\nc=d"), [pair("a", "b\\"), pair("c", "d")], "an even number does not join");
        assert_eq!(pairs("a=b\\\n\nc=d"), [pair("a", "b"), pair("c", "d")], "an empty line ends it");
        assert_eq!(one("a=b\\"), pair("a", "b"), "nothing to join");
    }

    #[test]
    fn escapes_are_resolved_and_unknown_ones_lose_the_backslash() {
        assert_eq!(one(r"a=x\ty\nz\rw\fv"), pair("a", "x\ty\nz\rw\u{c}v"));
        assert_eq!(one(r"dataDir=C:\zk\data"), pair("dataDir", "C:zkdata"));
        assert_eq!(one(r"a=\\\#\!\=\:"), pair("a", r"\#!=:"));
        assert_eq!(one(r"a=\u00e9\u20AC\ud83d\ude00"), pair("a", "é€😀"));
        assert_eq!(one(r"a=\ud83dx"), pair("a", "\u{fffd}x"), "half a surrogate pair");
    }

    #[test]
    fn a_malformed_unicode_escape_names_its_line() {
        for text in [r"a=\u12", r"a=\u12g4", r"\u=1", "x=1\ny=2\na=\\uzzzz"] {
            let error = entries(text).unwrap_err();
            assert_eq!(error.message, "Malformed \\uxxxx encoding.");
            assert_eq!(error.line, text.lines().count());
        }
    }

    #[test]
    fn keys_and_values_are_trimmed_as_java_trims() {
        assert_eq!(one("tickTime=2000 \t "), pair("tickTime", "2000"));
        assert_eq!(one("a=b\u{1}"), pair("a", "b"));
        assert_eq!(one("a=\u{a0}b"), pair("a", "\u{a0}b"), "a no-break space stays");
    }

    #[test]
    fn lines_are_counted_through_continuations_and_all_line_ends() {
        let lines: Vec<usize> =
            entries("a=1\rb=2\r\n\nc=3\\\n4\n# x\nd=5").unwrap().iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [1, 2, 4, 7]);
    }

    #[test]
    fn duplicates_are_kept_for_the_caller_to_judge() {
        assert_eq!(pairs("a=1\na=2"), [pair("a", "1"), pair("a", "2")]);
    }

    #[test]
    fn a_huge_text_is_refused() {
        assert!(entries(&"#a\n".repeat(TEXT_BYTES_MAX / 3)).is_ok());
        assert!(entries(&"#a\n".repeat(TEXT_BYTES_MAX / 3 + 1)).is_err());
        assert_eq!(entries(&"a=b\n".repeat(ENTRIES_MAX)).unwrap().len(), ENTRIES_MAX);
        assert_eq!(entries(&"a=b\n".repeat(ENTRIES_MAX + 1)).unwrap_err().line, ENTRIES_MAX + 1);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_latin1() {
        let (text, notice) = decode(b"a=\xe9");
        assert_eq!(one(&text), pair("a", "é"));
        assert!(notice.is_some());
        assert_eq!(decode("a=é".as_bytes()), ("a=é".to_owned(), None));
        let (text, notice) = decode(b"\xef\xbb\xbfa=b");
        assert_eq!((text.as_str(), notice.is_some()), ("a=b", true));
    }

    #[test]
    fn any_text_is_survived() {
        let alphabet: Vec<char> = "\\u0=: \n\r\t#!aé\u{0}".chars().collect();
        let mut state = 1u64;
        for _ in 0..20_000 {
            let text: String = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    alphabet[(state >> 33) as usize % alphabet.len()]
                })
                .collect();
            let _ = entries(&text);
        }
    }
}
