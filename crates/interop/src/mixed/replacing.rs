//! Servers that are replaced on their directories while the clients go on.

use super::Options;
use super::stage::Stage;
use crate::ensemble::{Program, Role};
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(1);

/// Three of Apache's servers become ours one by one, and Apache's again.
pub(super) fn one_by_one(options: &Options, apache: &Program) -> Result<String, String> {
    let mut stage = Stage::new(options, &[Role::Participant; 3])?;
    stage.start_led_by(2, &[apache; 3])?;
    stage.load()?;
    for program in [options.ours(), apache.clone()] {
        // The leader last, then first: so each side leads a mixed ensemble and follows in one.
        for server in order(&stage, program.is_ours())? {
            stage.go_on(PAUSE)?;
            stage.end_server(server, options.kill)?;
            stage.start(server, &program)?;
            stage.ensemble.wait_settled()?;
        }
    }
    stage.go_on(PAUSE)?;
    stage.judge()?;
    stage.end()
}

fn order(stage: &Stage<'_>, leader_last: bool) -> Result<Vec<usize>, String> {
    let leader = stage.ensemble.leader().ok_or("nobody leads")?;
    let mut order: Vec<usize> = (0..stage.ensemble.size()).filter(|server| *server != leader).collect();
    if leader_last {
        order.push(leader)
    } else {
        order.insert(0, leader)
    }
    Ok(order)
}

/// All directories of one kind are carried over to the other at once, and back. The sessions outlive it.
pub(super) fn all_at_once(options: &Options, from: &Program, to: &Program) -> Result<String, String> {
    let mut stage = Stage::new(options, &[Role::Participant; 3])?;
    stage.start_led_by(2, &[from; 3])?;
    for program in [to, from] {
        stage.load()?;
        stage.go_on(3 * PAUSE)?;
        stage.note("when all were ended".to_owned(), true);
        for server in 0..3 {
            if options.kill {
                stage.ensemble.kill(server)?
            } else {
                stage.ensemble.stop(server)?
            };
        }
        for server in 0..3 {
            stage.start(server, program)?;
        }
        stage.ensemble.wait_settled()?;
        stage.go_on(PAUSE)?;
        stage.judge()?;
    }
    stage.end()
}
