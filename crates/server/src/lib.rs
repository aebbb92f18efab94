//! The shell around the node: sockets, files, threads, clock, configuration, four-letter words.

pub mod config;
