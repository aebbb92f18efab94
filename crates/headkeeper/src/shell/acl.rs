//! ACLs as text: `scheme:id:perms,scheme:id:perms`.

use wire::{Acl, perms};

const LETTERS: [(char, i32); 5] = [
    ('c', perms::CREATE),
    ('d', perms::DELETE),
    ('r', perms::READ),
    ('w', perms::WRITE),
    ('a', perms::ADMIN),
];

/// Reads a list. The id may hold colons (a digest does), so the scheme ends at the first and the permissions begin at the last.
pub fn parse(text: &str) -> Result<Vec<Acl<'static>>, String> {
    text.split(',').map(|entry| parse_entry(entry.trim())).collect()
}

fn parse_entry(entry: &str) -> Result<Acl<'static>, String> {
    let wrong = || format!("{entry:?} does not have the form scheme:id:perms, such as world:anyone:cdrwa");
    let (scheme, rest) = entry.split_once(':').ok_or_else(wrong)?;
    let (id, letters) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let mut bits = 0;
    for letter in letters.chars() {
        let known = LETTERS.iter().find(|(l, _)| *l == letter);
        bits |= known
            .ok_or_else(|| format!("{letter:?} in {entry:?} is no permission: allowed are c(reate) d(elete) r(ead) w(rite) a(dmin)"))?
            .1;
    }
    Ok(Acl::new(bits, scheme.to_owned(), id.to_owned()))
}

/// The permissions as letters; bits nobody named as a number behind them.
pub fn letters(bits: i32) -> String {
    let mut out: String =
        LETTERS.iter().filter(|(_, bit)| bits & bit != 0).map(|(letter, _)| *letter).collect();
    if bits & !perms::ALL != 0 {
        out.push_str(&format!("+{:#x}", bits & !perms::ALL));
    }
    out
}

/// An entry as [`parse`] reads it.
pub fn format(acl: &Acl<'_>) -> String {
    let part = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or("").to_owned();
    format!("{}:{}:{}", part(&acl.id.scheme), part(&acl.id.id), letters(acl.perms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_and_print_alike() {
        let text = "world:anyone:r,digest:bob:xx+/=:cdrwa,auth::rw,ip:::1/64:";
        let list = parse(text).expect("a list");
        assert_eq!(list[3], Acl::new(0, "ip", "::1/64"));
        assert_eq!(list.iter().map(format).collect::<Vec<_>>().join(","), text);
        assert_eq!(letters(33), "r+0x20");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("world:anyone").is_err_and(|e| e.contains("scheme:id:perms")));
        assert!(parse("world:anyone:rx").is_err_and(|e| e.contains("'x'")));
        assert!(parse("").is_err());
    }
}
