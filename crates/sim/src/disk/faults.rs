//! What a crash leaves, and what else can go wrong with a disk.

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survival {
    /// Only the process died: everything.
    Everything,
    /// Power was lost: nothing.
    Nothing,
    /// Of each file and directory some of the oldest changes.
    Prefix,
    /// Of each file and directory some of the changes, sector by sector.
    Subset,
    /// Of each file some of the oldest changes, the last of them cut inside a sector.
    Torn,
    /// All names, nothing of the bytes.
    NamesOnly,
    /// All bytes, no names.
    BytesOnly,
}

impl Survival {
    /// All of them.
    pub const ALL: [Survival; 7] = [
        Survival::Everything,
        Survival::Nothing,
        Survival::Prefix,
        Survival::Subset,
        Survival::Torn,
        Survival::NamesOnly,
        Survival::BytesOnly,
    ];
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The machine stops before the operation; a write may have begun.
    Stop,
    /// It fails; a failed sync leaves the pages clean but not durable (ext4, XFS).
    Error,
    /// No space left: a write is cut short.
    NoSpace,
}

/// A disk that does not keep its promises. No server can be right on it: it is there to show that a sweep notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// A file's sync does nothing.
    FileSync,
    /// A directory's sync does nothing.
    DirSync,
}
