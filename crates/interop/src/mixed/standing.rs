//! Ensembles that stay as they are, but for a leader that is killed and comes back.

use super::Options;
use super::stage::Stage;
use crate::ensemble::{Program, Role};
use std::time::Duration;

const WHILE: Duration = Duration::from_secs(3);

/// Three servers, one or two of them ours.
pub(super) fn three(
    options: &Options,
    apache: &Program,
    ours: usize,
    ours_leads: bool,
) -> Result<String, String> {
    let own = options.ours();
    let (leader, other) = if ours_leads { (&own, apache) } else { (apache, &own) };
    // With the leader this makes the number that was asked for.
    let beside = if (ours == 2) == ours_leads { leader } else { other };
    let mut stage = Stage::new(options, &[Role::Participant; 3])?;
    stage.start_led_by(2, &[other, beside, leader])?;
    stage.load()?;
    stage.go_on(WHILE)?;
    lose_leader(&mut stage, 2)?;
    stage.judge()?;
    stage.end()
}

/// Three voters and two observers, of both kinds each.
pub(super) fn observers(options: &Options, apache: &Program, ours_leads: bool) -> Result<String, String> {
    use Role::{Observer, Participant};
    let own = options.ours();
    let (leader, other) = if ours_leads { (&own, apache) } else { (apache, &own) };
    let mut stage = Stage::new(options, &[Participant, Participant, Participant, Observer, Observer])?;
    stage.start_led_by(2, &[other, leader, leader, &own, apache])?;
    for server in [3, 4] {
        let mode = stage.ensemble.mode(server);
        if mode.as_deref() != Some("observer") {
            return Err(format!("server {} is {mode:?}, not an observer", server + 1));
        }
    }
    stage.load()?;
    stage.go_on(WHILE)?;
    lose_leader(&mut stage, 2)?;
    for server in [3, 4] {
        stage.end_server(server, true)?;
        stage.restart(server)?;
        stage.ensemble.wait_settled()?;
        stage.go_on(WHILE / 3)?;
    }
    stage.judge()?;
    stage.end()
}

fn lose_leader(stage: &mut Stage<'_>, leader: usize) -> Result<(), String> {
    stage.end_server(leader, true)?;
    stage.ensemble.wait_settled()?;
    stage.go_on(WHILE / 3)?;
    stage.restart(leader)?;
    stage.ensemble.wait_settled()?;
    stage.go_on(WHILE / 3)
}
