//! What is counted for each server that learns from this one, or acknowledges its transactions (reference: operations
//! §5.5: `learner_handler_qp_size`, `learner_handler_qp_time_ms`, `ack_latency`).

use crate::views::{Histogram, Summary};
use std::collections::BTreeMap;
use zab::ServerId;

/// Servers that are counted; later ones are not.
const LEARNERS_MAX: usize = 256;

/// The figures of one server. A part that never happened is absent; after a reset it is there and empty.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LearnerFigures {
    /// Packets that wait for it, looked at twice a tick.
    pub queue_size: Option<Summary>,
    /// ms that something waited for it, looked at as often.
    pub queue_time_ms: Option<Histogram>,
    /// ms from a transaction's making to its acknowledgement, of every so many-th transaction.
    pub ack_latency: Option<Histogram>,
}

/// [`LearnerFigures`] by server.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Learners {
    servers: BTreeMap<ServerId, LearnerFigures>,
}

impl Learners {
    /// In the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (ServerId, &LearnerFigures)> {
        self.servers.iter().map(|(server, figures)| (*server, figures))
    }

    pub(crate) fn queued(&mut self, server: ServerId, packets: u64) {
        if let Some(figures) = self.of(server) {
            figures.queue_size.get_or_insert_default().add(packets);
        }
    }

    pub(crate) fn waited(&mut self, server: ServerId, ms: u64) {
        if let Some(figures) = self.of(server) {
            figures.queue_time_ms.get_or_insert_default().add(ms);
        }
    }

    pub(crate) fn acked(&mut self, server: ServerId, ms: u64) {
        if let Some(figures) = self.of(server) {
            figures.ack_latency.get_or_insert_default().add(ms);
        }
    }

    /// Forgets the numbers, not who has had some.
    pub(crate) fn reset(&mut self) {
        for figures in self.servers.values_mut() {
            figures.queue_size.iter_mut().for_each(|part| *part = Summary::default());
            let histograms = [&mut figures.queue_time_ms, &mut figures.ack_latency];
            histograms.into_iter().flatten().for_each(|part| *part = Histogram::default());
        }
    }

    fn of(&mut self, server: ServerId) -> Option<&mut LearnerFigures> {
        let full = self.servers.len() >= LEARNERS_MAX && !self.servers.contains_key(&server);
        (!full).then(|| self.servers.entry(server).or_default())
    }
}

impl FromIterator<(ServerId, LearnerFigures)> for Learners {
    fn from_iter<I: IntoIterator<Item = (ServerId, LearnerFigures)>>(figures: I) -> Learners {
        Learners { servers: figures.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_once_stays_and_strangers_do_not_fill_it() {
        let mut learners = Learners::default();
        learners.queued(ServerId(2), 7);
        learners.acked(ServerId(2), 9);
        learners.reset();
        let figures = learners.iter().next().expect("server 2").1.clone();
        assert_eq!(figures.queue_size, Some(Summary::default()));
        assert_eq!((figures.queue_time_ms, figures.ack_latency), (None, Some(Histogram::default())));
        (0..1000).for_each(|id| learners.waited(ServerId(id), 1));
        assert_eq!(learners.iter().count(), LEARNERS_MAX);
    }
}
