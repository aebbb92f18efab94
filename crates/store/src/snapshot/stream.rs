//! A snapshot on its way from one server to another: parts 2 to 5 and nothing else (reference: quorum-protocol §5.5).

use super::END_MARK;
use super::plan::write_tables;
use super::reader::NodeLayout;
use super::{SnapshotError, SnapshotErrorKind};
use tree::{SnapshotHead, Tree, TreeConfig, TreeLoader};
use wire::{Acl, Decode, DecodeError, Limits, Reader, SessionId, Writer, Zxid};

/// What follows the last node.
pub const STREAM_END: &[u8] = &END_MARK;

/// What comes before the first node.
pub fn stream_head(head: &SnapshotHead) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + head.sessions.len() * 12 + head.acls.len() * 64);
    let acls = head.acls.iter().map(|(id, acl)| (*id, acl.as_slice()));
    write_tables(&mut Writer::new(&mut bytes), head.sessions.iter().copied(), acls);
    bytes
}

/// Makes a tree of a stream that arrives in pieces; memory is bounded by the tree and the longest record.
pub struct SnapshotStream {
    limits: Limits,
    loader: TreeLoader,
    /// Arrived, and not taken: less than a record after each push.
    rest: Vec<u8>,
    /// Where in the stream `rest` begins, in bytes.
    offset: u64,
    part: Part,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    SessionCount,
    Session {
        left: i32,
    },
    AclCount,
    Acl {
        left: i32,
    },
    Node,
    /// The end mark has been seen.
    Complete,
}

impl SnapshotStream {
    /// A stream of which nothing has arrived.
    pub fn new(config: TreeConfig, limits: Limits) -> SnapshotStream {
        SnapshotStream {
            limits,
            loader: TreeLoader::new(config),
            rest: Vec::new(),
            offset: 0,
            part: Part::SessionCount,
        }
    }

    /// Takes further bytes.
    ///
    /// # Errors
    /// When they make no tree; the stream is then of no use any more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut at = 0;
        while self.part != Part::Complete {
            match self.take(&all[at..]) {
                Ok(Some(len)) => {
                    at += len;
                    self.offset += len as u64;
                }
                Ok(None) => break,
                Err(kind) => return Err(SnapshotError { offset: self.offset, kind }),
            }
        }
        all.drain(..at);
        self.rest = all;
        Ok(())
    }

    /// The tree as of `zxid`.
    ///
    /// # Errors
    /// When the stream is not complete, goes on behind its end, or has no root.
    pub fn finish(self, zxid: Zxid) -> Result<Tree, SnapshotError> {
        let error = |kind| SnapshotError { offset: self.offset, kind };
        if self.part != Part::Complete {
            return Err(error(SnapshotErrorKind::EndsEarly));
        }
        if !self.rest.is_empty() {
            return Err(error(SnapshotErrorKind::UnknownTail(self.rest.len())));
        }
        self.loader.finish(zxid).map_err(|what| error(SnapshotErrorKind::Tree(what.to_string())))
    }

    /// Takes one piece off the front and says how long it was; `None` when it is not whole yet.
    fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, SnapshotErrorKind> {
        let mut reader = Reader::with_limits(bytes, self.limits);
        let taken = match self.part {
            Part::SessionCount => reader.int().map(|left| self.part = Part::Session { left }),
            Part::Session { left } if left <= 0 => {
                self.part = Part::AclCount;
                Ok(())
            }
            Part::Session { left } => {
                (|| Ok((SessionId(reader.long()?), reader.int()?)))().map(|(id, timeout_ms)| {
                    self.loader.session(id, timeout_ms);
                    self.part = Part::Session { left: left - 1 };
                })
            }
            Part::AclCount => reader.int().map(|left| self.part = Part::Acl { left }),
            Part::Acl { left } if left <= 0 => {
                self.part = Part::Node;
                Ok(())
            }
            Part::Acl { left } => {
                (|| Ok((reader.long()?, reader.vector(Acl::decode)?)))().map(|(id, acl)| {
                    self.loader.acl(id, acl.into_iter().flatten().map(Acl::into_owned).collect());
                    self.part = Part::Acl { left: left - 1 };
                })
            }
            Part::Node => return self.take_node(bytes),
            Part::Complete => return Ok(None),
        };
        match taken {
            Ok(()) => Ok(Some(reader.position())),
            Err(DecodeError::Eof { .. }) => Ok(None),
            Err(error) => Err(SnapshotErrorKind::Decode(error)),
        }
    }

    fn take_node(&mut self, bytes: &[u8]) -> Result<Option<usize>, SnapshotErrorKind> {
        let layout = NodeLayout::of(bytes, self.limits).map_err(SnapshotErrorKind::Decode)?;
        let Some(layout) = layout else { return Ok(None) };
        if layout.is_end {
            self.part = Part::Complete;
        } else {
            let node = layout.node(&bytes[..layout.len], self.limits);
            let added = self.loader.node(&node.path, node.data, node.acl_id, &node.stat);
            added.map_err(|error| SnapshotErrorKind::Tree(error.to_string()))?;
        }
        Ok(Some(layout.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> (Tree, Vec<u8>) {
        let mut tree = Tree::new(TreeConfig::default());
        let (id, head) = tree.begin_snapshot();
        let mut bytes = stream_head(&head);
        while tree.snapshot_chunk(id, &mut bytes, 10) {}
        bytes.extend_from_slice(STREAM_END);
        (tree, bytes)
    }

    fn load(bytes: &[u8], piece: usize) -> Result<Tree, SnapshotError> {
        let mut stream = SnapshotStream::new(TreeConfig::default(), Limits::default());
        bytes.chunks(piece).try_for_each(|bytes| stream.push(bytes))?;
        stream.finish(Zxid(7))
    }

    #[test]
    fn it_may_arrive_in_any_pieces() {
        let (tree, bytes) = stream();
        for piece in [1, 2, 3, 7, 64, bytes.len()] {
            let loaded = load(&bytes, piece).expect("a tree");
            assert_eq!((loaded.digest(), loaded.node_count()), (tree.digest(), tree.node_count()));
            assert_eq!(loaded.last_zxid(), Zxid(7));
        }
    }

    #[test]
    fn a_piece_of_it_or_more_than_it_is_no_tree() {
        let (_, mut bytes) = stream();
        for len in 0..bytes.len() {
            assert_eq!(load(&bytes[..len], 16).map(|_| ()).unwrap_err().kind, SnapshotErrorKind::EndsEarly);
        }
        bytes.push(0);
        assert_eq!(load(&bytes, 16).map(|_| ()).unwrap_err().kind, SnapshotErrorKind::UnknownTail(1));
    }

    #[test]
    fn what_no_length_can_be_is_refused_at_once() {
        let (mut tree, mut bytes) = stream();
        let root = stream_head(&tree.begin_snapshot().1).len();
        bytes[root..root + 4].copy_from_slice(&(-7_i32).to_be_bytes());
        let error = load(&bytes, 16).map(|_| ()).unwrap_err();
        assert_eq!(error.offset, root as u64);
        assert!(matches!(error.kind, SnapshotErrorKind::Decode(_)), "{error:?}");
    }
}
