//! What clients see of the roles of an ensemble's servers: local sessions, their upgrade, and read-only mode. The same acts are
//! played to three servers of Apache's and to three of ours, and every byte that comes back is written down, with ids and
//! epochs made alike; the two transcripts must be equal.

mod ensemble;
mod local;
mod reading;
mod teller;

use crate::process::Program;
use crate::profile::Profile;
use ensemble::Ensemble;
use std::io;
use std::path::PathBuf;
use teller::Teller;

/// What to compare, where.
#[derive(Debug)]
pub struct Plan {
    /// Apache's server.
    pub judge: Program,
    /// What is compared with three of them.
    pub subject: [Program; 3],
    /// The first of eighteen ports.
    pub port: u16,
    /// For data, settings and output.
    pub directory: PathBuf,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Lines of the transcripts that are alike.
    pub alike: usize,
    /// The others, Apache's with `-`, ours with `+`.
    pub differences: Vec<String>,
    /// How often a difference on purpose was met.
    pub tolerated: usize,
}

/// A play: the settings of three servers, and what is done with them.
struct Play {
    name: &'static str,
    profile: Profile,
    acts: &'static [Act],
}

type Act = fn(&mut Ensemble, &mut Teller) -> io::Result<()>;

const PLAYS: &[Play] = &[
    Play {
        name: "upgrading",
        profile: profile(&[("localSessionsEnabled", "true"), ("localSessionsUpgradingEnabled", "true")]),
        acts: &[local::sessions, local::upgrades, reading::with_local_sessions],
    },
    Play { name: "local", profile: profile(&[("localSessionsEnabled", "true")]), acts: &[local::refusals] },
    Play { name: "global", profile: profile(&[]), acts: &[reading::with_global_sessions] },
];

const fn profile(settings: &'static [(&'static str, &'static str)]) -> Profile {
    Profile { properties: &[("readonlymode.enabled", "true")], ..Profile::plain("roles", settings) }
}

/// Plays everything to both, at the same time.
///
/// # Errors
/// When servers do not start, or do not find a leader.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let mut report = Report::default();
    for play in PLAYS {
        let side = |programs: [Program; 3], name: &str, port| {
            let directory = plan.directory.join(play.name).join(name);
            let mut ensemble = Ensemble::start(programs, &play.profile, port, &directory)?;
            let mut teller = Teller::new(&ensemble)?;
            let played = play.acts.iter().try_for_each(|act| act(&mut ensemble, &mut teller));
            let transcript = teller.transcript();
            std::fs::write(directory.join("transcript"), transcript.join("\n"))?;
            played.map(|()| transcript)
        };
        let (judge, subject) = std::thread::scope(|scope| {
            let apache = std::array::from_fn(|_| plan.judge.clone());
            let judge = scope.spawn(|| side(apache, "judge", plan.port));
            let subject = side(plan.subject.clone(), "subject", plan.port + 9);
            (judge.join(), subject)
        });
        let judge = judge.map_err(|_| io::Error::other("the judge's side has panicked"))??;
        report.compare(play.name, &judge, &subject?);
    }
    Ok(report)
}

impl Report {
    fn compare(&mut self, play: &str, judge: &[String], subject: &[String]) {
        let same = |n: usize, m: usize| judge[n] == subject[m] || is_tolerated(&judge[n], &subject[m]);
        // The length of the longest common part from each pair of lines on.
        let mut common = vec![vec![0; subject.len() + 1]; judge.len() + 1];
        for n in (0..judge.len()).rev() {
            for m in (0..subject.len()).rev() {
                common[n][m] = match same(n, m) {
                    true => common[n + 1][m + 1] + 1,
                    false => common[n + 1][m].max(common[n][m + 1]),
                };
            }
        }
        let (mut n, mut m) = (0, 0);
        while n < judge.len() || m < subject.len() {
            if n < judge.len() && m < subject.len() && same(n, m) {
                let alike = judge[n] == subject[m];
                *if alike { &mut self.alike } else { &mut self.tolerated } += 1;
                (n, m) = (n + 1, m + 1);
            } else if m == subject.len() || (n < judge.len() && common[n + 1][m] >= common[n][m + 1]) {
                self.differences.push(format!("{play} - {}", judge[n]));
                n += 1;
            } else {
                self.differences.push(format!("{play} + {}", subject[m]));
                m += 1;
            }
        }
    }
}

fn is_tolerated(theirs: &str, ours: &str) -> bool {
    TOLERATED.iter().any(|(theirs_has, ours_has, _)| {
        theirs.contains(theirs_has) && theirs.replace(theirs_has, ours_has) == ours
    })
}

const LEFT_OVER: &str = "what read-only mode has refused is not under way any more";

/// What differs on purpose: Apache's part of a line, ours in its place, and why.
const TOLERATED: &[(&str, &str, &str)] = &[
    (
        // The codes of a multi's results: OK, then SESSIONEXPIRED or EPHEMERALONLOCALSESSION.
        "ffffffff00ffffff90ffffff90",
        "ffffffff00ffffff88ffffff88",
        "a learner's client hears the truth about a local session in a multi, too",
    ),
    ("Outstanding: 10", "Outstanding: 0", LEFT_OVER),
    ("Outstanding: 11", "Outstanding: 0", LEFT_OVER),
    ("Outstanding: 1", "Outstanding: 0", LEFT_OVER),
];
