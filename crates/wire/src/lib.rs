//! Jute codec, client protocol records and transaction records: total functions on bytes.
