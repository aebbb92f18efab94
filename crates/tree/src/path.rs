//! Paths: taking them apart, and which ones a write accepts (reference: client-protocol §4.1).

/// Splits at the last slash: the parent's path (empty for the root) and the name. `None` without a slash.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/')
}

/// [`split`] for a path of a node that is there: `//a` is no second name of `/a`.
pub(crate) fn split_kept(path: &str) -> Option<(&str, &str)> {
    split(path).filter(|(parent, _)| *parent != "/")
}

/// The parent's path as watches name it: `/` for the root.
pub(crate) fn watch_path(parent: &str) -> &str {
    if parent.is_empty() { "/" } else { parent }
}

/// The root's path in the tree and in digests is empty; requests call it `/`.
pub(crate) fn canonical(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

/// The strict rule: that of create's final path, setData, setACL and check.
pub(crate) fn is_strictly_valid(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    if rest.is_empty() {
        return true;
    }
    rest.split('/').all(|name| !matches!(name, "" | "." | "..")) && rest.chars().all(is_allowed)
}

/// No control characters, no private use, nothing outside the basic plane (Java sees surrogates there), no specials.
fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// The loose rule: that of delete and deleteContainer.
pub(crate) fn is_deletable(path: &str) -> bool {
    path.contains('/')
        && !path.contains('\0')
        && !matches!(path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strict_rule() {
        for good in [
            "/",
            "/a",
            "/a/b",
            "/...",
            "/a..b",
            "/.a",
            "/ünicöde-日本",
            "/\u{d7ff}",
            "/\u{f900}",
            "/\u{ffef}",
            "/ ",
        ] {
            assert!(is_strictly_valid(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a/b",
            "/a/",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/..",
            "/\0",
            "/\u{1f}",
            "/\u{7f}",
            "/\u{9f}",
            "/\u{e000}",
            "/\u{f8ff}",
            "/\u{fff0}",
            "/\u{fffd}",
            "/😀",
        ] {
            assert!(!is_strictly_valid(bad), "{bad}");
        }
    }

    #[test]
    fn the_loose_rule() {
        for good in ["/a", "/a/", "x/y", "/zookeeper/quota/a", "//"] {
            assert!(is_deletable(good), "{good}");
        }
        for bad in ["", "a", "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/a\0"] {
            assert!(!is_deletable(bad), "{bad}");
        }
    }

    #[test]
    fn splitting() {
        assert_eq!(split("/a/b"), Some(("/a", "b")));
        assert_eq!(split("/a"), Some(("", "a")));
        assert_eq!(split("/"), Some(("", "")));
        assert_eq!(split("a"), None);
        assert_eq!(split("//a"), Some(("/", "a")));
        assert_eq!((split_kept("/a"), split_kept("//a")), (Some(("", "a")), None));
    }
}
