//! What no honest network does to a server's words: the checks must notice.

use sim::Rng;

/// A kind of lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// An event is left out.
    NoEvent,
    /// An event comes twice.
    TwoEvents,
    /// An event comes behind the next frame.
    LateEvent,
    /// An answer is left out.
    NoAnswer,
    /// An answer comes behind the next one.
    LateAnswer,
    /// An answer says that it is a transaction older than it is.
    OldAnswer,
    /// An answer says that there is no such node.
    NoNode,
}

/// One lie in fifty chances.
pub fn lied(lie: Lie, rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (frame, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = behind;
    }
    let xid = |frame: &[u8]| frame.first_chunk::<4>().map_or(0, |xid| i32::from_be_bytes(*xid));
    let wants_event = matches!(lie, Lie::NoEvent | Lie::TwoEvents | Lie::LateEvent);
    for at in 0..frames.len() {
        let fits = if wants_event { xid(&frames[at]) == -1 } else { xid(&frames[at]) > 0 };
        if !fits || !rng.chance(2) {
            continue;
        }
        let behind = (at + 1).min(frames.len() - 1);
        match lie {
            Lie::NoEvent | Lie::NoAnswer => frames[at].clear(),
            Lie::TwoEvents => {
                let again = frames[at].clone();
                frames.insert(at, again);
            }
            Lie::LateEvent | Lie::LateAnswer => frames.swap(at, behind),
            Lie::OldAnswer => {
                let zxid = i64::from_be_bytes(frames[at][4..12].try_into().expect("eight bytes")) - 1;
                frames[at][4..12].copy_from_slice(&zxid.to_be_bytes());
            }
            Lie::NoNode => {
                frames[at].truncate(12);
                frames[at].extend((-101_i32).to_be_bytes());
            }
        }
        break;
    }
    let whole = frames.iter().filter(|frame| !frame.is_empty());
    whole.flat_map(|frame| [&(frame.len() as u32).to_be_bytes(), frame.as_slice()].concat()).collect()
}
