//! Commands that look.

use super::command::{Config, Get, GetAcl, Ls, Stat};
use super::failure::Failure;
use super::output::{Output, hex_dump, put_data, stat_json, stat_text};
use super::target::{Target, unexpected};
use super::{acl as acl_text, output};
use crate::base64;
use serde_json::{Value, json};
use wire::{Request, Response, Ustring};

const CONFIG_PATH: &str = "/zookeeper/config";

/// `ls`
pub fn ls(target: &Target, args: &Ls) -> Result<Output, Failure> {
    if args.recursive {
        return ls_recursive(target, args);
    }
    let path = target.absolute(&args.path)?;
    let reply =
        target.call(&args.path, &Request::GetChildren2 { path: Some(path.into()), watch: args.watch })?;
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::Children2(children, stat) => {
            let names = sorted(children);
            let mut text = format!("[{}]\n", names.join(", "));
            let mut json = json!({ "path": args.path, "children": names });
            if args.stat {
                text.push_str(&stat_text(&stat));
                json["stat"] = stat_json(&stat);
            }
            Ok(Output::text(text, json))
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

fn ls_recursive(target: &Target, args: &Ls) -> Result<Output, Failure> {
    let paths: Vec<String> = target.subtree(&args.path)?.iter().map(|path| target.shown(path)).collect();
    let order = depth_first(&paths);
    let text: String = order.iter().map(|path| format!("{path}\n")).collect();
    Ok(Output::text(text, json!({ "path": args.path, "paths": order })))
}

/// zkCli's order, from breadth first: a node, all its children, then what is below each child.
fn depth_first(breadth_first: &[String]) -> Vec<&str> {
    let mut children = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    let Some((root, rest)) = breadth_first.split_first() else { return Vec::new() };
    for path in rest {
        let parent =
            path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
        children.entry(parent).or_default().push(path);
    }
    let mut out = vec![root.as_str()];
    let mut todo = vec![root.as_str()];
    while let Some(path) = todo.pop() {
        if let Some(below) = children.get(path) {
            out.extend(below);
            todo.extend(below.iter().rev());
        }
    }
    out
}

/// `get`
pub fn get(target: &Target, args: &Get) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let reply = target.call(&args.path, &Request::GetData { path: Some(path.into()), watch: args.watch })?;
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::Data(data, stat) => {
            let mut json = json!({ "path": args.path });
            if args.base64 {
                json["data_base64"] = data.as_deref().map_or(Value::Null, |data| json!(base64::encode(data)));
            } else {
                put_data(&mut json, data.as_deref());
            }
            let mut text = match data.as_deref() {
                None => b"null\n".to_vec(),
                Some(data) if args.base64 => (base64::encode(data) + "\n").into_bytes(),
                Some(data) if args.hex => hex_dump(data).into_bytes(),
                Some(data) => [data, b"\n"].concat(),
            };
            if args.stat {
                text.extend_from_slice(stat_text(&stat).as_bytes());
                json["stat"] = stat_json(&stat);
            }
            Ok(Output { text, json })
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

/// `stat`
pub fn stat(target: &Target, args: &Stat) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let request = Request::Exists { path: Some(path.into()), watch: args.watch };
    let reply = match target.call(&args.path, &request) {
        Err(failure) if args.watch && failure.code() == Some(wire::ErrorCode::NoNode) => {
            let json = json!({ "path": args.path, "stat": null });
            return Ok(Output::text(
                format!("{} does not exist; its creation is being watched\n", args.path),
                json,
            ));
        }
        reply => reply?,
    };
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::Stat(stat) => {
            Ok(Output::text(stat_text(&stat), json!({ "path": args.path, "stat": stat_json(&stat) })))
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

/// `getAcl`: a line per entry, as `setAcl` takes it.
pub fn acl(target: &Target, args: &GetAcl) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let reply = target.call(&args.path, &Request::GetAcl { path: Some(path.into()) })?;
    match reply.response().map_err(|e| Failure::of(e, &args.path))? {
        Response::Acl(list, stat) => {
            let list = list.unwrap_or_default();
            let mut text: String = list.iter().map(|acl| acl_text::format(acl) + "\n").collect();
            let entries: Vec<Value> = list
                .iter()
                .map(|acl| {
                    json!({
                        "scheme": acl.id.scheme.as_deref(),
                        "id": acl.id.id.as_deref(),
                        "perms": acl_text::letters(acl.perms),
                    })
                })
                .collect();
            let mut json = json!({ "path": args.path, "acl": entries });
            if args.stat {
                text.push_str(&stat_text(&stat));
                json["stat"] = stat_json(&stat);
            }
            Ok(Output::text(text, json))
        }
        other => Err(unexpected(&args.path, &other)),
    }
}

/// `whoami`
pub fn whoami(target: &Target) -> Result<Output, Failure> {
    let reply = target.call("", &Request::WhoAmI)?;
    match reply.response().map_err(|e| Failure::of(e, ""))? {
        Response::WhoAmI(list) => {
            let mut text = String::from("Auth scheme: User\n");
            let mut json = Vec::new();
            for info in list.unwrap_or_default() {
                let (scheme, user) = (info.scheme.unwrap_or_default(), info.user.unwrap_or_default());
                text.push_str(&format!("{scheme}: {user}\n"));
                json.push(json!({ "scheme": scheme, "user": user }));
            }
            let session = output::hex(target.session().id().0);
            Ok(Output::text(text, json!({ "session": session, "credentials": json })))
        }
        other => Err(unexpected("", &other)),
    }
}

/// `getEphemerals`
pub fn ephemerals(target: &Target, prefix: &str) -> Result<Output, Failure> {
    let on_server = target.below_chroot(prefix);
    let reply = target.call(prefix, &Request::GetEphemerals { prefix: Some(on_server.into()) })?;
    match reply.response().map_err(|e| Failure::of(e, prefix))? {
        Response::Children(paths) => {
            let paths: Vec<String> = sorted(paths).iter().map(|path| target.shown(path)).collect();
            Ok(Output::text(format!("[{}]\n", paths.join(", ")), json!({ "ephemerals": paths })))
        }
        other => Err(unexpected(prefix, &other)),
    }
}

/// `getAllChildrenNumber`
pub fn all_children_number(target: &Target, path: &str) -> Result<Output, Failure> {
    let on_server = target.absolute(path)?;
    let reply = target.call(path, &Request::GetAllChildrenNumber { path: Some(on_server.into()) })?;
    match reply.response().map_err(|e| Failure::of(e, path))? {
        Response::Int(count) => {
            Ok(Output::text(format!("{count}\n"), json!({ "path": path, "count": count })))
        }
        other => Err(unexpected(path, &other)),
    }
}

/// `sync`
pub fn sync(target: &Target, path: &str) -> Result<Output, Failure> {
    let on_server = target.absolute(path)?;
    target.call(path, &Request::Sync { path: Some(on_server.into()) })?;
    Ok(Output::text("Sync is OK\n", json!({ "path": path, "synced": true })))
}

/// `config`
pub fn config(target: &Target, args: &Config) -> Result<Output, Failure> {
    let request = Request::GetData { path: Some(CONFIG_PATH.into()), watch: args.watch };
    let reply = target.call(CONFIG_PATH, &request)?;
    match reply.response().map_err(|e| Failure::of(e, CONFIG_PATH))? {
        Response::Data(data, stat) => {
            let config = String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
            let shown = if args.client { client_config(&config) } else { config.clone() };
            let mut text = format!("{shown}\n");
            let mut json = json!({ "config": shown });
            if args.stat {
                text.push_str(&stat_text(&stat));
                json["stat"] = stat_json(&stat);
            }
            Ok(Output::text(text, json))
        }
        other => Err(unexpected(CONFIG_PATH, &other)),
    }
}

/// `version host:port,host:port` out of the lines `server.N=…;host:port` and `version=…`.
fn client_config(config: &str) -> String {
    let version = config.lines().find_map(|line| line.strip_prefix("version=")).unwrap_or("0");
    let addresses: Vec<&str> = config
        .lines()
        .filter(|line| line.starts_with("server."))
        .filter_map(|line| line.rsplit_once(';').map(|(_, address)| address))
        .collect();
    format!("{version} {}", addresses.join(","))
}

fn sorted(names: Option<Vec<Ustring<'_>>>) -> Vec<String> {
    let mut names: Vec<String> =
        names.unwrap_or_default().into_iter().flatten().map(|name| name.into_owned()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursive_lists_have_zkcli_order() {
        let paths = ["/", "/a", "/b", "/a/x", "/b/z", "/a/x/y"].map(str::to_owned);
        assert_eq!(depth_first(&paths), ["/", "/a", "/b", "/a/x", "/a/x/y", "/b/z"]);
        let below = ["/a", "/a/x", "/a/x/y"].map(str::to_owned);
        assert_eq!(depth_first(&below), ["/a", "/a/x", "/a/x/y"]);
    }

    #[test]
    fn client_addresses_of_a_configuration() {
        let config = "server.1=h1:2888:3888:participant;0.0.0.0:2181\nserver.2=h2:2888:3888;h2:2182\nversion=100000000";
        assert_eq!(client_config(config), "100000000 0.0.0.0:2181,h2:2182");
    }
}
