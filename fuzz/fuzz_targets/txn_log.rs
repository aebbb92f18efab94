#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hostile::run("txn_log", input));
