//! Every story there is, by name.

use super::joining::{History, join};
use super::{Options, replacing, standing};
use crate::ensemble::Program;

/// A story; its name says what is told.
#[derive(Clone, Debug)]
pub struct Story {
    /// For the command line.
    pub name: String,
    /// Is it part of the short form?
    pub quick: bool,
    apache: Program,
    plot: Plot,
}

#[derive(Clone, Copy, Debug)]
enum Plot {
    Three { ours: usize, ours_leads: bool },
    Observers { ours_leads: bool },
    Join { ours_joins: bool, history: History },
    OneByOne,
    AllAtOnce { ours_first: bool },
}

/// All of them, with these servers of Apache's.
pub fn stories(apaches: &[Program]) -> Vec<Story> {
    let mut stories = Vec::new();
    for (index, apache) in apaches.iter().enumerate() {
        for plot in plots() {
            let version = apache.name().replace("Apache ", "");
            // The newest one takes over and gives back, the others stand beside ours.
            let quick = if index == 0 { plot.is_quick() } else { plot.is_quick_beside() };
            stories.push(Story {
                name: format!("{}-{version}", plot.name()),
                quick,
                apache: apache.clone(),
                plot,
            });
        }
    }
    stories
}

fn plots() -> Vec<Plot> {
    let mut plots = vec![Plot::OneByOne];
    for either in [true, false] {
        plots.extend([1, 2].map(|ours| Plot::Three { ours, ours_leads: either }));
        plots.push(Plot::Observers { ours_leads: either });
        plots.push(Plot::AllAtOnce { ours_first: either });
        let histories = [History::Empty, History::Behind, History::Ahead, History::Diverged];
        plots.extend(histories.map(|history| Plot::Join { ours_joins: either, history }));
    }
    plots
}

impl Plot {
    fn name(self) -> String {
        let who = |ours: bool| if ours { "ours" } else { "apache" };
        match self {
            Plot::Three { ours, ours_leads } => format!("{ours}-of-3-ours-{}-leads", who(ours_leads)),
            Plot::Observers { ours_leads } => format!("observers-{}-leads", who(ours_leads)),
            Plot::Join { ours_joins, history } => format!("{}-joins-{history}", who(ours_joins)),
            Plot::OneByOne => "one-by-one".to_owned(),
            Plot::AllAtOnce { ours_first } => format!("all-at-once-{}-first", who(ours_first)),
        }
    }

    fn is_quick(self) -> bool {
        matches!(
            self,
            Plot::OneByOne
                | Plot::Observers { ours_leads: true }
                | Plot::Join { ours_joins: true, history: History::Ahead }
                | Plot::Join { ours_joins: false, history: History::Ahead | History::Empty }
        )
    }

    fn is_quick_beside(self) -> bool {
        matches!(self, Plot::Three { ours: 1, ours_leads: true } | Plot::Three { ours: 2, ours_leads: false })
    }
}

impl Story {
    /// Tells it; what was seen, in a line.
    ///
    /// # Errors
    /// The first thing that went wrong. The data stays where it is then.
    pub fn tell(&self, options: &Options) -> Result<String, String> {
        let (apache, own) = (&self.apache, options.ours());
        match self.plot {
            Plot::Three { ours, ours_leads } => standing::three(options, apache, ours, ours_leads),
            Plot::Observers { ours_leads } => standing::observers(options, apache, ours_leads),
            Plot::Join { ours_joins: true, history } => join(options, apache, &own, history),
            Plot::Join { ours_joins: false, history } => join(options, &own, apache, history),
            Plot::OneByOne => replacing::one_by_one(options, apache),
            Plot::AllAtOnce { ours_first: true } => replacing::all_at_once(options, &own, apache),
            Plot::AllAtOnce { ours_first: false } => replacing::all_at_once(options, apache, &own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_has_a_name_of_its_own() {
        let apache =
            |version: &str| Program::Apache { version: version.to_owned(), classpath: String::new() };
        let all = stories(&[apache("3.9.5"), apache("3.8.6")]);
        let names: std::collections::BTreeSet<&str> = all.iter().map(|story| story.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.contains("1-of-3-ours-ours-leads-3.8.6"), "{names:?}");
        assert!(all.iter().any(|story| story.quick) && !all.iter().all(|story| story.quick));
    }
}
