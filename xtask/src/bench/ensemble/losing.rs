//! What it costs when a server goes.

use super::pulse::{DEPTH, Pulse, SLICE};
use super::{Amount, Scene, TICK, Value};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Before anything happens, so that the clients are at work.
const BEFORE: Duration = Duration::from_secs(1);
/// Longer than any election or timeout of the defaults.
const PATIENCE: Duration = Duration::from_secs(60);

/// From kill -9 of the leader to the next answer to a client of a follower.
pub(super) fn leader_killed(scene: &mut Scene) -> Result<Vec<Value>, String> {
    lose(scene, |scene| scene.ensemble.kill(scene.leader))
}

/// The same with SIGTERM.
pub(super) fn leader_stopped(scene: &mut Scene) -> Result<Vec<Value>, String> {
    lose(scene, |scene| scene.ensemble.stop(scene.leader))
}

fn lose(scene: &mut Scene, end: impl FnOnce(&mut Scene) -> Result<(), String>) -> Result<Vec<Value>, String> {
    let others: Vec<_> = scene.followers().iter().map(|server| scene.ensemble.address(*server)).collect();
    let pulse = Pulse::start(&others, 1)?;
    sleep(BEFORE);
    let lost = scene.leader;
    let since = Instant::now();
    end(scene)?;
    // An answer that was on its way is none: only what comes behind the longest silence counts.
    pulse.next_after(since + Duration::from_millis(20), PATIENCE)?;
    sleep(BEFORE);
    let gap = pulse.longest_gap(since - Duration::from_millis(50));
    pulse.end()?;
    scene.bring_back(lost)?;
    Ok(vec![("no write", Amount::Time(gap))])
}

/// The leader stands still with all its connections open.
pub(super) fn leader_frozen(scene: &mut Scene) -> Result<Vec<Value>, String> {
    let others: Vec<_> = scene.followers().iter().map(|server| scene.ensemble.address(*server)).collect();
    let pulse = Pulse::start(&others, 1)?;
    sleep(BEFORE);
    let (frozen, since) = (scene.leader, Instant::now());
    scene.ensemble.freeze(frozen, true)?;
    let answer = pulse.next_after(since + Duration::from_millis(200), PATIENCE);
    sleep(BEFORE);
    let gap = pulse.longest_gap(since - Duration::from_millis(50));
    scene.ensemble.freeze(frozen, false)?;
    answer?;
    pulse.end()?;
    scene.leader = scene.ensemble.wait_settled()?;
    Ok(vec![("no write", Amount::Time(gap))])
}

/// A follower is killed while clients of the leader keep it busy: the longest time without a write, the longest time in which
/// there were much fewer of them than before, and how many there were.
pub(super) fn follower_killed(scene: &mut Scene) -> Result<Vec<Value>, String> {
    let leader = [scene.ensemble.address(scene.leader)];
    let pulse = Pulse::start(&leader, DEPTH)?;
    sleep(BEFORE + TICK);
    let (lost, since) = (scene.followers()[0], Instant::now());
    scene.ensemble.kill(lost)?;
    sleep(2 * TICK);
    let before = pulse.slices(since - TICK, since);
    let after = pulse.slices(since, since + 2 * TICK);
    let (first, second) = after.split_at(after.len() / 2);
    let gap_before = pulse.longest_gap_between(since - BEFORE, since);
    let gap_after = pulse.longest_gap(since);
    pulse.end()?;
    scene.bring_back(lost)?;
    Ok(vec![
        ("no write, second before", Amount::Time(gap_before)),
        ("no write, two ticks after", Amount::Time(gap_after)),
        ("rate below 80 %, tick before", Amount::Time(longest_slump(&before, &before))),
        ("rate below 80 %, two ticks after", Amount::Time(longest_slump(&after, &before))),
        ("writes, tick before", per_second(&before)),
        ("writes, first tick after", per_second(first)),
        ("writes, second tick after", per_second(second)),
    ])
}

fn per_second(slices: &[usize]) -> Amount {
    let time = SLICE * slices.len() as u32;
    Amount::Rate(slices.iter().sum::<usize>() as f64 / time.as_secs_f64())
}

/// How long the rate stayed below four fifths of the median of the usual one.
fn longest_slump(slices: &[usize], usual: &[usize]) -> Duration {
    let mut usual = usual.to_vec();
    usual.sort_unstable();
    let median = usual[usual.len() / 2];
    let slumps = slices.split(|count| count * 5 >= median * 4);
    SLICE * slumps.map(<[usize]>::len).max().unwrap_or(0) as u32
}

/// Every server is stopped and started, the leader last, while a client writes that knows all of them.
pub(super) fn rolling_restart(scene: &mut Scene) -> Result<Vec<Value>, String> {
    let pulse = Pulse::start(&scene.ensemble.addresses(), 1)?;
    sleep(BEFORE);
    let since = Instant::now();
    let mut order = scene.followers();
    order.push(scene.leader);
    for server in order {
        scene.ensemble.stop(server)?;
        scene.bring_back(server)?;
        sleep(BEFORE);
    }
    let gap = pulse.longest_gap(since);
    pulse.end()?;
    Ok(vec![("no write", Amount::Time(gap))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slump_is_the_longest_run_of_slices_below_four_fifths() {
        let usual = [100, 90, 110, 100, 20];
        assert_eq!(longest_slump(&usual, &usual), SLICE);
        assert_eq!(longest_slump(&[80, 100, 120], &usual), Duration::ZERO);
        assert_eq!(longest_slump(&[79, 100, 0, 79, 20, 100, 50], &usual), 3 * SLICE);
        assert_eq!(per_second(&usual), Amount::Rate(840.0));
    }
}
