//! Our server beside Apache's: the same requests to both, and every byte of the answers compared.
//!
//! What it is: a driver that knows nothing of the product but its program and its port, and everything of the wire. What it is
//! not: other people's clients, which `cargo xtask interop` runs. [`crash`] kills the real server in a loop,
//! [`garbage`] sends it rubbish, [`roles`] compares ensembles of three, [`mixed`] puts ours into one ensemble with Apache's.
//!
//! The way of a comparison: [`generate`] makes a sequence of [`item::Item`]s from a seed; a [`pair::Pair`] does each item to both
//! servers in lock step and holds the frames ([`side::Seen`], made comparable by [`normal`]) against each other
//! ([`mod@compare`]); what may differ is in one table, [`tolerate`]; after each round [`walk`] compares the trees and digests;
//! [`differential`] runs rounds and shrinks a failing one.

pub mod compare;
pub mod crash;
pub mod differential;
pub mod ensemble;
pub mod exchange;
pub mod garbage;
pub mod generate;
pub mod item;
pub mod mixed;
pub mod normal;
pub mod observers;
pub mod operator;
pub mod pair;
pub mod patience;
mod picture;
pub mod process;
pub mod profile;
pub mod rng;
pub mod roles;
mod shrink;
pub mod side;
pub mod socket;
pub mod stories;
pub mod tolerate;
pub mod walk;
mod words;
