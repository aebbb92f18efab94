//! `seeds DIRECTORY`: writes the seeds of every target into a directory of its name, for the fuzzer.
//! `seeds --list`: prints the name and the longest input of every target.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let wanted = env::args().nth(1).ok_or_else(|| io::Error::other("a directory is wanted, or --list"))?;
    for target in hostile::TARGETS {
        if wanted == "--list" {
            println!("{} {}", target.name, target.len_max);
            continue;
        }
        let directory = Path::new(&wanted).join(target.name);
        fs::create_dir_all(&directory)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
