//! What of a frame must be equal on both sides: the bytes themselves, with times and ids made alike.
//!
//! Works on the bytes and not on decoded values, so that an encoding of its own would show.

use std::collections::HashMap;
use wire::{OpCode, Response};

/// Sessions of one server, by the number both servers' sessions share.
pub type Labels = HashMap<i64, i64>;

/// Makes the body behind a reply header (err 0) of operation `op` comparable: times become 0 or 1, session ids their labels,
/// and lists without a promised order are sorted. What does not parse stays as it is.
pub fn body(op: OpCode, body: &mut Vec<u8>, labels: &Labels) {
    let mut cursor = Cursor { bytes: body, at: 0, labels };
    let _ = cursor.body(op);
}

struct Cursor<'b> {
    bytes: &'b mut Vec<u8>,
    at: usize,
    labels: &'b Labels,
}

impl Cursor<'_> {
    fn body(&mut self, op: OpCode) -> Option<()> {
        match op {
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                self.run()?;
                self.stat()
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => self.stat(),
            OpCode::GetData | OpCode::Reconfig => {
                self.run()?;
                self.stat()
            }
            OpCode::GetAcl => {
                for _ in 0..self.int()? {
                    self.int()?;
                    self.run()?;
                    self.run()?;
                }
                self.stat()
            }
            OpCode::GetChildren | OpCode::GetEphemerals => self.sorted(1),
            OpCode::WhoAmI => self.sorted(2),
            OpCode::GetChildren2 => {
                self.sorted(1)?;
                self.stat()
            }
            OpCode::Multi | OpCode::MultiRead => self.multi(),
            _ => Some(()),
        }
    }

    fn multi(&mut self) -> Option<()> {
        loop {
            let op = self.int()?;
            let done = self.take(1)?[0] != 0;
            self.int()?;
            if done {
                return Some(());
            }
            match op {
                -1 => drop(self.int()?),
                1 => drop(self.run()?),
                15 | 4 => {
                    self.run()?;
                    self.stat()?;
                }
                5 => self.stat()?,
                8 => self.sorted(1)?,
                _ => {}
            }
        }
    }

    fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        let out = self.bytes.get(self.at..self.at.checked_add(n)?)?.to_vec();
        self.at += n;
        Some(out)
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A string or buffer, with its length.
    fn run(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        let length = self.int()?;
        self.take(usize::try_from(length).unwrap_or(0))?;
        Some(self.bytes[start..self.at].to_vec())
    }

    /// A vector whose elements are `runs` strings each, put in order.
    fn sorted(&mut self, runs: usize) -> Option<()> {
        let count = self.int()?;
        let start = self.at;
        let mut elements = Vec::new();
        for _ in 0..count.max(0) {
            let mut element = Vec::new();
            for _ in 0..runs {
                element.extend(self.run()?);
            }
            elements.push(element);
        }
        elements.sort();
        self.bytes[start..self.at].copy_from_slice(&elements.concat());
        Some(())
    }

    fn stat(&mut self) -> Option<()> {
        let start = self.at;
        self.take(68)?;
        let stat = &mut self.bytes[start..start + 68];
        for time in [16, 24] {
            let set = stat[time..time + 8] != [0; 8];
            stat[time..time + 8].copy_from_slice(&i64::from(set).to_be_bytes());
        }
        let mut owner = [0; 8];
        owner.copy_from_slice(&stat[44..52]);
        if let Some(label) = self.labels.get(&i64::from_be_bytes(owner)) {
            stat[44..52].copy_from_slice(&label.to_be_bytes());
        }
        Some(())
    }
}

/// The body for people.
pub fn describe(op: Option<OpCode>, body: &[u8]) -> String {
    let Some(op) = op else { return crate::item::hex(body) };
    let mut r = wire::Reader::new(body);
    match Response::decode(op, &mut r) {
        Ok(response) if r.is_empty() => {
            let text = format!("{response:?}");
            if text.len() > 3000 {
                format!("{}...", text.chars().take(3000).collect::<String>())
            } else {
                text
            }
        }
        Ok(response) => format!("{response:?} and surplus {}", crate::item::hex(r.rest())),
        Err(e) => format!("{} ({e})", crate::item::hex(body)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Encode, Stat};

    #[test]
    fn times_and_owners_are_made_alike_and_names_sorted() {
        let stat = Stat { czxid: 5, ctime: 7, mtime: 0, ephemeral_owner: 77, ..Stat::default() };
        let names = |a: &'static str, b: &'static str| Some(vec![Some(a.into()), Some(b.into())]);
        let mut bytes = Response::Children2(names("b", "a"), stat).to_bytes();
        body(OpCode::GetChildren2, &mut bytes, &Labels::from([(77, 3)]));
        let expected = Stat { czxid: 5, ctime: 1, mtime: 0, ephemeral_owner: 3, ..Stat::default() };
        assert_eq!(bytes, Response::Children2(names("a", "b"), expected).to_bytes());
    }

    #[test]
    fn what_does_not_parse_stays() {
        let mut bytes = vec![0, 0, 0, 9, 1];
        body(OpCode::GetChildren, &mut bytes, &Labels::new());
        assert_eq!(bytes, [0, 0, 0, 9, 1]);
    }
}
