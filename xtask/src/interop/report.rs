//! What became of each test of a suite.

use std::time::Duration;

/// A test that is known to fail or cannot run here.
#[derive(Clone, Copy)]
pub(crate) struct Excuse {
    /// The test's name; a `*` at the end stands for any rest.
    pub(crate) test: &'static str,
    /// Why that is not our server's fault, or what is not there yet.
    pub(crate) reason: &'static str,
}

impl Excuse {
    fn covers(&self, test: &str) -> bool {
        match self.test.strip_suffix('*') {
            Some(start) => test.starts_with(start),
            None => test == self.test,
        }
    }
}

/// The tests of one suite by outcome, by name.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) passed: Vec<String>,
    /// With what went wrong, in a line or more.
    pub(crate) failed: Vec<(String, String)>,
    /// What the suite itself decided not to run, with its reason.
    pub(crate) skipped: Vec<(String, String)>,
    /// Failed or not run, with the reason why that is expected.
    pub(crate) excused: Vec<(String, String)>,
}

impl Report {
    /// A suite that could not be run at all.
    pub(crate) fn broken(why: &str) -> Report {
        Report { failed: vec![("the suite itself".to_owned(), why.to_owned())], ..Report::default() }
    }

    /// Reads what a driver printed: lines `PASS name`, `FAIL name: why` and `SKIP name: why`; other lines are passed over.
    pub(crate) fn from_lines(text: &str) -> Report {
        let mut report = Report::default();
        for line in text.lines() {
            let Some((verdict, rest)) = line.split_once(' ') else { continue };
            let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
            match verdict {
                "PASS" => report.passed.push(rest.to_owned()),
                "FAIL" => report.failed.push((name.to_owned(), why.to_owned())),
                "SKIP" => report.skipped.push((name.to_owned(), why.to_owned())),
                _ => {}
            }
        }
        report
    }

    /// Adds the tests of `other`.
    pub(crate) fn join(&mut self, other: Report) {
        self.passed.extend(other.passed);
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
        self.excused.extend(other.excused);
    }

    /// Moves what `excuses` know from the failed and the skipped to the excused.
    pub(crate) fn excuse(&mut self, excuses: &[Excuse]) {
        for list in [&mut self.failed, &mut self.skipped] {
            for (test, why) in std::mem::take(list) {
                match excuses.iter().find(|excuse| excuse.covers(&test)) {
                    Some(excuse) => self.excused.push((test, excuse.reason.to_owned())),
                    None => list.push((test, why)),
                }
            }
        }
    }

    /// Tests that pass although `excuses` know them.
    pub(crate) fn needless<'a>(&'a self, excuses: &'a [Excuse]) -> impl Iterator<Item = &'a str> {
        let known = |test: &&String| excuses.iter().any(|excuse| excuse.covers(test));
        self.passed.iter().filter(known).map(String::as_str)
    }

    /// Did tests run, and did none fail?
    pub(crate) fn is_good(&self) -> bool {
        self.failed.is_empty() && !self.passed.is_empty()
    }
}

/// Prints what was excused, skipped and failed, then a table, then the sums; tells whether all is good.
pub(crate) fn print(suites: &[(&str, Report, Duration)]) -> bool {
    for (suite, report, _) in suites {
        let lists = [("excused", &report.excused), ("skipped", &report.skipped), ("FAILED", &report.failed)];
        for (word, tests) in lists {
            for (test, why) in tests {
                println!("{word} {suite} {test}: {}", why.trim_end());
            }
        }
    }
    println!(
        "{:16} {:>7} {:>7} {:>7} {:>7} {:>8}",
        "suite", "passed", "failed", "skipped", "excused", "seconds"
    );
    let mut sums = [0; 4];
    for (suite, report, took) in suites {
        let counts = [report.passed.len(), report.failed.len(), report.skipped.len(), report.excused.len()];
        let [passed, failed, skipped, excused] = counts;
        let seconds = took.as_secs();
        println!("{suite:16} {passed:>7} {failed:>7} {skipped:>7} {excused:>7} {seconds:>8}");
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let [passed, failed, skipped, excused] = sums;
    println!("{passed} passed, {failed} failed, {skipped} skipped, {excused} excused");
    suites.iter().all(|(_, report, _)| report.is_good())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_driver_become_outcomes_and_only_known_failures_are_excused() {
        let mut report =
            Report::from_lines("noise\nPASS a::b\nFAIL tls one: no port\nFAIL c: d: e\nSKIP f: later\n");
        assert_eq!(report.passed, ["a::b"]);
        let excuses = [
            Excuse { test: "tls*", reason: "there is no TLS yet" },
            Excuse { test: "a::b", reason: "an excuse does not touch what passes" },
        ];
        report.excuse(&excuses);
        assert!(report.needless(&excuses).eq(["a::b"]));
        assert_eq!(report.excused, [("tls one".to_owned(), "there is no TLS yet".to_owned())]);
        assert_eq!(report.failed, [("c".to_owned(), "d: e".to_owned())]);
        assert_eq!(report.skipped, [("f".to_owned(), "later".to_owned())]);
        assert!(!report.is_good());
    }

    #[test]
    fn a_suite_that_ran_nothing_is_not_good() {
        assert!(!Report::default().is_good());
    }
}
