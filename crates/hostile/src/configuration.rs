//! What an operator writes: zoo.cfg, dynamic files, JVM flags, and the four-letter words anybody may send.

use server::config::properties::{decode, entries};
use server::config::{Config, jvm_properties, jvm_property};
use server::flw::{Desk, Whitelist, Word};

/// A configuration file; a line of dashes, and what follows is the dynamic file.
pub fn zoo_cfg(input: &[u8]) {
    let (text, _) = decode(input);
    let (main, dynamic) = text.split_once("---\n").unwrap_or((&text, "server.1=localhost:2888:3888;2181"));
    let _ = entries(main);
    let mut notices = Vec::new();
    match Config::parse("zoo.cfg", main, &[]) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok((config, _)) => {
            let _ = (config.node_config(), config.store_config(), config.tree_config(0));
            let _ = config.clone().with_my_id(dynamic.lines().next(), &mut notices);
            let _ = config.with_dynamic("zoo.cfg.dynamic", dynamic, &mut notices);
        }
    }
}

/// `SERVER_JVMFLAGS`, and what its properties make of a plain configuration.
pub fn jvm_flags(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = jvm_property(&text);
    let arguments = [text.clone().into_owned()];
    let (flags, _) = jvm_properties(Some(&text), Some(&text), &arguments);
    let plain = "dataDir=data\nclientPort=2181\n";
    if let Err(error) = Config::parse("zoo.cfg", plain, &flags) {
        assert!(!error.to_string().is_empty());
    }
    let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let _ = Config::from_arguments(&arguments, &flags);
}

/// The first four bytes are a word, the rest is the whitelist.
pub fn words(input: &[u8]) {
    let Some((word, list)) = input.split_first_chunk::<4>() else { return };
    let list = String::from_utf8_lossy(list);
    let whitelist = Whitelist::new(Some(&list), word[0] & 1 != 0);
    if let Some(known) = Word::recognise(*word) {
        let _ = (whitelist.allows(known), known.not_serving(), known.name());
        assert!(Whitelist::refusal(known).starts_with(known.name()));
    }
    let mut world = crate::world::World::new();
    let client = world.open();
    world.send_bytes(&client, word);
    world.run();
    let desk = Desk::new(&Config::default_local());
    for (_, word) in std::mem::take(&mut world.words) {
        let answer = desk.answer(world.node(), word);
        assert!(answer.text.len() < 1 << 20);
    }
}
