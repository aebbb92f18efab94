//! Watches: setting and removing them, and showing their events.

use super::command::{RemoveWatches, ShellCommand, Watch, WatchMode};
use super::failure::Failure;
use super::output::{Output, hex};
use super::target::{Target, shown};
use client::{Notification, SessionEvent};
use serde_json::{Value, json};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use wire::{Request, event_type};

/// A pipe for events, and its end as a session's callback.
pub fn channel() -> (Receiver<SessionEvent>, impl FnMut(SessionEvent) + Send + 'static) {
    let (sender, receiver): (Sender<SessionEvent>, _) = std::sync::mpsc::channel();
    // Nobody listening any more means nobody cares.
    (receiver, move |event| drop(sender.send(event)))
}

/// `watch`
pub fn watch(target: &Target, args: &Watch) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let mode = match args.mode {
        WatchMode::Once => None,
        WatchMode::Persistent => Some(0),
        WatchMode::Recursive => Some(1),
    };
    match mode {
        Some(mode) => drop(target.call(&args.path, &Request::AddWatch { path: Some(path.into()), mode })?),
        None => match target.call(&args.path, &Request::Exists { path: Some(path.into()), watch: true }) {
            Err(failure) if failure.code() != Some(wire::ErrorCode::NoNode) => return Err(failure),
            _ => {}
        },
    }
    Ok(Output::default())
}

/// `removewatches`
pub fn remove(target: &Target, args: &RemoveWatches) -> Result<Output, Failure> {
    let path = target.absolute(&args.path)?;
    let watch_type = match (args.children, args.data, args.persistent, args.recursive) {
        (true, ..) => 1,
        (_, true, ..) => 2,
        (_, _, true, _) => 4,
        (_, _, _, true) => 5,
        _ => 3,
    };
    target.call(&args.path, &Request::RemoveWatches { path: Some(path.into()), watch_type })?;
    Ok(Output::done(json!({ "path": args.path, "removed": true })))
}

/// After a command at the command line that set a watch: prints events until the watch, or the caller's patience, ends.
pub fn follow(
    target: &Target,
    command: &ShellCommand,
    events: &Receiver<SessionEvent>,
    json: bool,
) -> Result<(), Failure> {
    if !command.sets_watch() {
        return Ok(());
    }
    let (mut left, wait) = match command {
        ShellCommand::Watch(args) => {
            let once = (args.mode == WatchMode::Once).then_some(1);
            let wait = args.wait.map(Duration::try_from_secs_f64).transpose();
            (args.count.or(once), wait.map_err(|e| Failure::arguments(format!("--wait: {e}")))?)
        }
        _ => (Some(1), None),
    };
    while left != Some(0) {
        let event = match wait {
            Some(wait) => events.recv_timeout(wait),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(event) => {
                let is_watch = matches!(event, SessionEvent::Watch(_));
                if show(&event, target.chroot()).try_print(json).is_err() {
                    // As in `… | head -1`: who listened has heard enough.
                    return Ok(());
                }
                if is_watch {
                    left = left.map(|n| n - 1);
                }
            }
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::refused("the session has ended", ""));
            }
        }
    }
    Ok(())
}

/// An event as output.
pub fn show(event: &SessionEvent, chroot: &str) -> Output {
    match event {
        SessionEvent::Watch(n) => Output::text(watch_text(n, chroot) + "\n", watch_json(n, chroot)),
        SessionEvent::Connected { new_session: false } => state("connected again, same session", "connected"),
        SessionEvent::Connected { new_session: true } => state("connected again, new session", "new_session"),
        SessionEvent::Disconnected => state("connection lost, looking for a server", "disconnected"),
        SessionEvent::Expired => {
            state("the session has expired: its ephemerals and watches are gone", "expired")
        }
        SessionEvent::AuthFailed => state("the server refuses a credential", "auth_failed"),
    }
}

fn state(text: &str, name: &str) -> Output {
    Output::text(format!("session: {text}\n"), json!({ "session": name }))
}

fn watch_text(n: &Notification, chroot: &str) -> String {
    let path = shown(chroot, n.event.path.as_deref().unwrap_or(""));
    format!("watch: {} {path} zxid {}", event_name(n.event.event_type), hex(n.zxid))
}

fn watch_json(n: &Notification, chroot: &str) -> Value {
    let path = shown(chroot, n.event.path.as_deref().unwrap_or(""));
    json!({ "event": event_name(n.event.event_type), "path": path, "zxid": hex(n.zxid) })
}

fn event_name(event_type: i32) -> String {
    match event_type {
        event_type::NODE_CREATED => "NodeCreated".into(),
        event_type::NODE_DELETED => "NodeDeleted".into(),
        event_type::NODE_DATA_CHANGED => "NodeDataChanged".into(),
        event_type::NODE_CHILDREN_CHANGED => "NodeChildrenChanged".into(),
        other => format!("event {other}"),
    }
}
