//! The kinds of rubbish.

use crate::rng::Rng;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;
use wire::{ConnectRequest, Encode, OpCode};

/// Its name, and what it does with a fresh connection.
pub(super) type Kind = (&'static str, fn(&mut TcpStream, &mut Rng) -> io::Result<()>);

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    ("random bytes", random_bytes),
    ("half a handshake, then silence", half_handshake),
    ("a huge length", huge_length),
    ("a negative length", negative_length),
    ("a byte at a time", slow_drip),
    ("nothing at all", nothing),
    ("a handshake and a hundred pings, closed with the answers unread", reset),
    ("almost a four-letter word", look_alike),
    ("a handshake, then random frames", random_frames),
    ("a handshake with changed bytes", changed_handshake),
    ("other protocols", other_protocols),
    ("a frame of megabytes that never ends", endless_frame),
];

/// How many connections a sender leaves open behind itself before it closes the oldest.
const HELD_MAX: usize = 20;
/// How long a sender waits for the server's opinion.
const PATIENCE: Duration = Duration::from_millis(30);

/// Opens connections and misuses them.
pub(super) struct Sender {
    address: SocketAddr,
    rng: Rng,
    held: Vec<TcpStream>,
}

impl Sender {
    pub(super) fn new(address: SocketAddr, rng: Rng) -> Sender {
        Sender { address, rng, held: Vec::new() }
    }

    /// One connection with rubbish of some kind, which it returns. That the server hangs up is no error; that it cannot be
    /// reached is one.
    pub(super) fn send_one(&mut self) -> Result<usize, String> {
        let kind = self.rng.below(KINDS.len());
        let connected = TcpStream::connect_timeout(&self.address, crate::patience::PATIENCE);
        let mut stream = connected.map_err(|e| format!("cannot connect: {e}"))?;
        let configured =
            stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        configured.map_err(|e| format!("cannot set a timeout: {e}"))?;
        let _ = stream.set_nodelay(true);
        let _ = (KINDS[kind].1)(&mut stream, &mut self.rng);
        if self.rng.percent(20) {
            self.held.push(stream);
            if self.held.len() > HELD_MAX {
                self.held.remove(0);
            }
        }
        Ok(kind)
    }
}

fn random_bytes(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let length = 1 + rng.below(2000);
    stream.write_all(&rng.bytes(length))?;
    listen(stream)
}

fn half_handshake(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let bytes = framed(&handshake());
    stream.write_all(&bytes[..1 + rng.below(bytes.len() - 1)])?;
    listen(stream)
}

fn huge_length(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let length = *rng.pick(&[i32::MAX, 0x10_0000, 0x7fff_0000, 0x0100_0000]);
    stream.write_all(&length.to_be_bytes())?;
    let length = rng.below(5000);
    stream.write_all(&rng.bytes(length))?;
    listen(stream)
}

fn negative_length(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    if rng.percent(50) {
        shake_hands(stream)?;
    }
    stream.write_all(&rng.pick(&[-1, -2, i32::MIN, -65536]).to_be_bytes())?;
    listen(stream)
}

fn slow_drip(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let bytes = framed(&handshake());
    for byte in &bytes[..1 + rng.below(bytes.len())] {
        stream.write_all(&[*byte])?;
        thread::sleep(Duration::from_millis(1));
    }
    listen(stream)
}

fn nothing(_: &mut TcpStream, _: &mut Rng) -> io::Result<()> {
    Ok(())
}

/// A socket that is closed with bytes unread tells the peer so with a reset.
fn reset(stream: &mut TcpStream, _: &mut Rng) -> io::Result<()> {
    let ping = framed(&[(-2i32).to_be_bytes(), OpCode::Ping.code().to_be_bytes()].concat());
    stream.write_all(&framed(&handshake()))?;
    stream.write_all(&ping.repeat(100))?;
    thread::sleep(Duration::from_millis(2));
    Ok(())
}

fn look_alike(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let words: [&[u8]; 10] = [
        b"ru",
        b"RUOK",
        b"ruok\r\n",
        b"mntrmntr",
        b"stat ",
        b"\0uok",
        b"conf\0",
        b"srv",
        b"wchcwchp",
        b"kill",
    ];
    stream.write_all(rng.pick::<&[u8]>(&words))?;
    listen(stream)
}

fn random_frames(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    shake_hands(stream)?;
    for _ in 0..1 + rng.below(20) {
        let op = match rng.percent(80) {
            true => rng.pick(OpCode::ALL).code(),
            false => rng.bits() as i32,
        };
        let length = rng.below(200);
        let body = rng.bytes(length);
        let xid = rng.bits() as i32;
        stream.write_all(&framed(&[&xid.to_be_bytes(), &op.to_be_bytes(), body.as_slice()].concat()))?;
    }
    listen(stream)
}

fn changed_handshake(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let mut bytes = handshake();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len());
        bytes[at] = rng.bits() as u8;
    }
    stream.write_all(&framed(&bytes))?;
    listen(stream)
}

fn other_protocols(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    let texts: [&[u8]; 4] = [
        b"GET /commands/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"*1\r\n$4\r\nPING\r\n",
    ];
    stream.write_all(rng.pick::<&[u8]>(&texts))?;
    listen(stream)
}

fn endless_frame(stream: &mut TcpStream, rng: &mut Rng) -> io::Result<()> {
    shake_hands(stream)?;
    stream.write_all(&0xf_ff00_i32.to_be_bytes())?;
    let piece = vec![0x61; 16 << 10];
    for _ in 0..rng.below(60) {
        stream.write_all(&piece)?;
    }
    Ok(())
}

/// Whatever comes, until the server hangs up or has nothing more to say.
fn listen(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// A session with the shortest life.
fn handshake() -> Vec<u8> {
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 1,
        session_id: 0,
        password: Some(vec![0; 16].into()),
        read_only: Some(false),
    }
    .to_bytes()
}

fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&framed(&handshake()))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let response = stream.read_exact(&mut [0; 41]);
    stream.set_read_timeout(Some(PATIENCE))?;
    response
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as i32).to_be_bytes(), body].concat()
}
