//! `-Dname=value` from `SERVER_JVMFLAGS`, `JVMFLAGS` and the command line (reference: operations §1.0).
//!
//! Apache's scripts hand these variables to a shell, unquoted: blanks separate. So they do here; besides, quotes group
//! (an operator who quotes a value with blanks means it), and a backslash protects a quote, a blank or itself only before
//! a quote or blank, so that Windows paths and passwords stay as they are.

use super::error::Notice;

/// The properties of the flags in order, and what else was there: later ones win.
///
/// `server_jvmflags` comes before `jvmflags`, then the program's own arguments, as Apache's start script orders them.
pub fn properties(
    server_jvmflags: Option<&str>,
    jvmflags: Option<&str>,
    args: &[String],
) -> (Vec<(String, String)>, Vec<Notice>) {
    let mut found = Vec::new();
    let mut notices = Vec::new();
    for (variable, text) in [("SERVER_JVMFLAGS", server_jvmflags), ("JVMFLAGS", jvmflags)] {
        let mut others = Vec::new();
        for token in split(text.unwrap_or_default()) {
            match property(&token) {
                Some(pair) => found.push(pair),
                None => others.push(token),
            }
        }
        if !others.is_empty() {
            let text = format!("{variable}: there is no JVM here, ignored: {}", others.join(" "));
            notices.push(Notice::info(text));
        }
    }
    found.extend(args.iter().filter_map(|arg| property(arg)));
    (found, notices)
}

/// `-Dname=value` or `-Dname`; anything else is not a property.
pub fn property(token: &str) -> Option<(String, String)> {
    let body = token.strip_prefix("-D")?;
    let (name, value) = body.split_once('=').unwrap_or((body, ""));
    if name.is_empty() { None } else { Some((name.to_owned(), value.to_owned())) }
}

/// Words separated by blanks; `'…'` and `"…"` group, even in the middle of a word. A quote that never ends reaches to the end.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_ascii_whitespace() => words.extend(word.take()),
            _ => {
                let protects = |next: &char| next.is_ascii_whitespace() || matches!(next, '\'' | '"');
                let escaped = if c == '\\' && quote != Some('\'') { chars.next_if(protects) } else { None };
                word.get_or_insert_default().push(escaped.unwrap_or(c));
            }
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_separate_and_quotes_group() {
        assert_eq!(split("  -Da=b\t-Xmx1g\n-Dc=d "), ["-Da=b", "-Xmx1g", "-Dc=d"]);
        assert_eq!(split(r#"-Da="b c" '-Dd=e f' -Dg='"'"#), ["-Da=b c", "-Dd=e f", "-Dg=\""]);
        assert_eq!(split(r#"-Da="" ''"#), ["-Da=", ""]);
        assert!(split("   ").is_empty());
    }

    #[test]
    fn a_backslash_is_itself_unless_a_quote_or_blank_follows() {
        assert_eq!(split(r"-Da=C:\zk\data -Db=x\ y -Dc=\'q\'"), [r"-Da=C:\zk\data", "-Db=x y", "-Dc='q'"]);
        assert_eq!(split(r"-Da='b\' -Dc"), [r"-Da=b\", "-Dc"]);
        assert_eq!(split(r"-Da=b\"), [r"-Da=b\"]);
    }

    #[test]
    fn a_quote_that_never_ends_reaches_to_the_end() {
        assert_eq!(split("-Da='b c"), ["-Da=b c"]);
    }

    #[test]
    fn only_d_flags_are_properties() {
        assert_eq!(property("-Dzookeeper.snapCount=5"), Some(("zookeeper.snapCount".into(), "5".into())));
        assert_eq!(property("-Da=b=c"), Some(("a".into(), "b=c".into())));
        assert_eq!(property("-Da"), Some(("a".into(), String::new())));
        assert_eq!((property("-D=x"), property("-Xmx1g"), property("D")), (None, None, None));
    }

    #[test]
    fn the_order_is_server_flags_then_common_flags_then_arguments() {
        let args = ["-Da=3".to_owned(), "zoo.cfg".to_owned()];
        let (found, notices) = properties(Some("-Xmx1g -Da=1 -ea"), Some("-Da=2"), &args);
        let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["1", "2", "3"]);
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].text, "SERVER_JVMFLAGS: there is no JVM here, ignored: -Xmx1g -ea");
    }
}
