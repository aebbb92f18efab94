//! Paths (reference: client-protocol §4.1).

/// Where a path's parent is, `/` at the top; none without a slash.
pub(crate) fn parent(path: &str) -> Option<&str> {
    let slash = path.rfind('/')?;
    Some(if slash == 0 { "/" } else { &path[..slash] })
}

/// What create's final path, setData, setACL and check accept.
pub(crate) fn is_strict(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let units_are_allowed = path.encode_utf16().all(|unit| {
        !(unit <= 0x1f
            || (0x7f..=0x9f).contains(&unit)
            || (0xd800..=0xf8ff).contains(&unit)
            || unit >= 0xfff0)
    });
    let parts: Vec<&str> = path.split('/').collect();
    units_are_allowed
        && parts.len() >= 2
        && parts[0].is_empty()
        && parts[1..].iter().all(|part| !part.is_empty() && *part != "." && *part != "..")
}

/// What delete accepts.
pub(crate) fn is_loose(path: &str) -> bool {
    let built_in = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
    path.contains('/') && !path.contains('\0') && !built_in.contains(&path)
}
