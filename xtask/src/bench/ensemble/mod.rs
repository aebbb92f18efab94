//! `cargo xtask bench ensemble`: what the loss of a server costs the clients of the others, and how fast one catches up.
//!
//! Three servers of one kind at a time with default settings, Apache's and ours in turns, each figure several times. What
//! counts is what a client sees: the time without an acknowledged write, or with much fewer of them than before.

mod catching_up;
mod losing;
mod pulse;

use super::machine::{self, Machine};
use crate::apache;
use crate::workspace::{release_binary, target};
use anyhow::{Result, anyhow};
use clap::Args;
use interop::ensemble::{Ensemble, Place, Program, Role};
use std::path::PathBuf;
use std::time::Duration;

/// What a tick is by default in the examples of both.
pub(super) const TICK: Duration = Duration::from_secs(2);

/// What to measure.
#[derive(Args)]
pub(crate) struct Figures {
    /// Which figures, by a part of their names; all when none is named.
    names: Vec<String>,
    /// How often each, but for those that take long.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Every value besides, the best one first.
    #[arg(long)]
    each: bool,
    /// Only our servers, for a quick look.
    #[arg(long)]
    alone: bool,
    /// Znodes for an empty server.
    #[arg(long, default_value_t = 1_000_000)]
    znodes: usize,
    /// The first of thirty ports.
    #[arg(long, default_value_t = 26300)]
    port: u16,
    /// Our binary; built in release mode if not given.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// One figure: a name, how often at most, and the measurement, which is given a settled ensemble and its leader.
struct Figure {
    name: &'static str,
    rounds_max: usize,
    measure: fn(&mut Scene) -> Result<Vec<Value>, String>,
}

/// What one measurement brought: several values may come of one run.
type Value = (&'static str, Amount);

/// How much.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Amount {
    /// Less is better.
    Time(Duration),
    /// So many in a second; more is better.
    Rate(f64),
}

impl Amount {
    fn number(self) -> f64 {
        match self {
            Amount::Time(time) => time.as_secs_f64() * 1000.0,
            Amount::Rate(rate) => rate,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Amount::Time(_) => "ms",
            Amount::Rate(_) => "/s",
        }
    }

    /// For sorting from the best to the worst.
    fn badness(self) -> f64 {
        match self {
            Amount::Time(_) => self.number(),
            Amount::Rate(_) => -self.number(),
        }
    }
}

const FIGURES: &[Figure] = &[
    Figure { name: "leader-killed", rounds_max: 100, measure: losing::leader_killed },
    Figure { name: "leader-stopped", rounds_max: 100, measure: losing::leader_stopped },
    Figure { name: "follower-killed", rounds_max: 20, measure: losing::follower_killed },
    Figure { name: "rolling-restart", rounds_max: 5, measure: losing::rolling_restart },
    Figure { name: "leader-frozen", rounds_max: 2, measure: losing::leader_frozen },
    Figure { name: "behind", rounds_max: 3, measure: catching_up::behind },
    Figure { name: "empty", rounds_max: 1, measure: catching_up::empty },
];

/// Three servers of one kind.
pub(super) struct Scene {
    pub(super) ensemble: Ensemble,
    pub(super) program: Program,
    pub(super) leader: usize,
    pub(super) znodes: usize,
}

impl Scene {
    fn new(program: &Program, arguments: &Figures) -> Result<Scene, String> {
        let place = Place {
            directory: target().join("bench").join(format!("ensemble-{}", arguments.port)),
            port: arguments.port,
            settings: ["tickTime=2000", "initLimit=10", "syncLimit=5"].map(str::to_owned).into(),
            java_flags: vec!["-Xmx1000m".to_owned()],
        };
        let mut ensemble = Ensemble::new(place, &[Role::Participant; 3])?;
        for server in 0..3 {
            ensemble.start(server, program)?;
        }
        let leader = ensemble.wait_settled()?;
        Ok(Scene { ensemble, program: program.clone(), leader, znodes: arguments.znodes })
    }

    /// The servers that do not lead.
    pub(super) fn followers(&self) -> Vec<usize> {
        (0..3).filter(|server| *server != self.leader).collect()
    }

    /// Starts a server again, and waits until everybody has a place.
    pub(super) fn bring_back(&mut self, server: usize) -> Result<(), String> {
        self.ensemble.start(server, &self.program)?;
        self.leader = self.ensemble.wait_settled()?;
        Ok(())
    }
}

pub(crate) fn run(arguments: &Figures) -> Result<()> {
    let ours = Program::Headkeeper { binary: release_binary(arguments.binary.clone())? };
    let mut programs = vec![ours];
    if !arguments.alone {
        let classpath = apache::classpath()?;
        programs.insert(0, Program::Apache { version: "3.9.5".to_owned(), classpath });
    }
    print!("{}", Machine::look(&target().join("bench"))?);
    println!("{:49} {:14} {:>4} {:>10} {:>10}    load", "figure", "servers", "runs", "median", "worst");
    let named = |figure: &&Figure| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| figure.name.contains(name.as_str()))
    };
    for figure in FIGURES.iter().filter(named) {
        for program in &programs {
            measure(figure, program, arguments).map_err(|error| anyhow!("{}: {error}", figure.name))?;
        }
    }
    Ok(())
}

fn measure(figure: &Figure, program: &Program, arguments: &Figures) -> Result<(), String> {
    let mut scene = Scene::new(program, arguments)?;
    let mut values: Vec<(&'static str, Vec<Amount>)> = Vec::new();
    for _ in 0..arguments.rounds.min(figure.rounds_max) {
        for (what, value) in (figure.measure)(&mut scene)? {
            match values.iter_mut().find(|(known, _)| *known == what) {
                Some((_, list)) => list.push(value),
                None => values.push((what, vec![value])),
            }
        }
    }
    for (what, mut list) in values {
        list.sort_by(|a, b| a.badness().total_cmp(&b.badness()));
        let worst = list[list.len() - 1];
        println!(
            "{:49} {:14} {:>4} {:>10.1} {:>10.1} {} {}",
            format!("{}: {what}", figure.name),
            program.name(),
            list.len(),
            list[list.len() / 2].number(),
            worst.number(),
            worst.unit(),
            machine::load_average()
        );
        if arguments.each {
            let each: Vec<String> = list.iter().map(|value| format!("{:.1}", value.number())).collect();
            println!("  {}", each.join(" "));
        }
    }
    Ok(())
}
