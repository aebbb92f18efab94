//! A line taken apart into words.

/// The words of a line: blanks separate, `'…'` and `"…"` hold together and are taken off. There are no escapes, as in zkCli.
///
/// # Errors
/// When a quote is not closed.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if let Some(q) = quote {
        return Err(format!("a {q} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn quotes_hold_together() {
        assert_eq!(split("set /a 'x y' \"it's\" ''").expect("words"), ["set", "/a", "x y", "it's", ""]);
        assert_eq!(split("  a\tb ").expect("words"), ["a", "b"]);
        assert_eq!(split("pre'fix ed'").expect("words"), ["prefix ed"]);
        assert!(split("a 'b").is_err());
    }
}
