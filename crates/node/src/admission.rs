//! Who may connect and how much may be under way (reference: client-protocol §12).

use crate::config::ConnectionThrottle;

/// A small generator with a frozen algorithm (xorshift64*): the node's only source of chance, seeded from outside.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(crate::slab::mix(seed) | 1)
    }

    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number in 0..1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What asks for a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SessionWish {
    /// A new session.
    Global,
    /// A new session that no other server will know.
    Local,
    /// One that exists.
    Renewal,
}

/// A token bucket for sessions, with a drop probability that follows how empty the bucket is (the "BLUE" scheme).
#[derive(Debug)]
pub(crate) struct TokenBucket {
    config: ConnectionThrottle,
    tokens: i64,
    filled_ms: u64,
    frozen_ms: u64,
    drop: f64,
}

impl TokenBucket {
    pub(crate) fn new(config: ConnectionThrottle, now_ms: u64) -> TokenBucket {
        TokenBucket {
            tokens: i64::from(config.tokens.max(0)),
            config,
            filled_ms: now_ms,
            frozen_ms: now_ms,
            drop: 0.0,
        }
    }

    /// The chance that the next one is refused whatever the bucket holds.
    pub(crate) fn drop_probability(&self) -> f64 {
        self.drop
    }

    /// How many tokens are out.
    pub(crate) fn deficit(&self) -> u64 {
        (i64::from(self.config.tokens.max(0)) - self.tokens).max(0) as u64
    }

    /// Takes tokens for one more session; false refuses it.
    pub(crate) fn admit(&mut self, wish: SessionWish, now_ms: u64, rng: &mut Rng) -> bool {
        if self.config.tokens <= 0 {
            return true;
        }
        self.refill(now_ms);
        if self.config.freeze_time_ms >= 0 {
            self.adapt(now_ms);
            if rng.fraction() < self.drop {
                return false;
            }
        }
        let weight = i64::from(self.weight(wish));
        if self.tokens < weight {
            return false;
        }
        self.tokens -= weight;
        true
    }

    fn weight(&self, wish: SessionWish) -> i32 {
        match wish {
            _ if !self.config.weight_enabled => 1,
            SessionWish::Global => self.config.global_session_weight,
            SessionWish::Local => self.config.local_session_weight,
            SessionWish::Renewal => self.config.renew_session_weight,
        }
    }

    fn refill(&mut self, now_ms: u64) {
        let fill_time = self.config.fill_time_ms.max(1) as u64;
        let elapsed = now_ms.saturating_sub(self.filled_ms);
        if elapsed >= fill_time {
            let fill = (elapsed / fill_time).min(1 << 32) as i64 * i64::from(self.config.fill_count.max(0));
            self.tokens = (self.tokens + fill).min(i64::from(self.config.tokens));
            self.filled_ms = now_ms;
        }
    }

    fn adapt(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.frozen_ms) < self.config.freeze_time_ms as u64 {
            return;
        }
        self.frozen_ms = now_ms;
        let (used, size) = (i64::from(self.config.tokens) - self.tokens, i64::from(self.config.tokens));
        if used >= size {
            self.drop = (self.drop + self.config.drop_increase).min(1.0);
        } else if used as f64 <= size as f64 * self.config.decrease_ratio {
            self.drop = (self.drop - self.config.drop_decrease).max(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_refuses_until_it_is_filled() {
        let config = ConnectionThrottle { tokens: 2, fill_time_ms: 100, ..ConnectionThrottle::default() };
        let (mut bucket, mut rng) = (TokenBucket::new(config, 0), Rng::new(1));
        let mut admit = |now| bucket.admit(SessionWish::Global, now, &mut rng);
        assert_eq!(
            [admit(0), admit(0), admit(0), admit(99), admit(100), admit(100)],
            [true, true, false, false, true, false]
        );
    }

    #[test]
    fn weights_count_when_they_are_enabled() {
        let config = ConnectionThrottle {
            tokens: 5,
            fill_time_ms: 1000,
            weight_enabled: true,
            ..ConnectionThrottle::default()
        };
        let (mut bucket, mut rng) = (TokenBucket::new(config, 0), Rng::new(1));
        assert!(bucket.admit(SessionWish::Global, 0, &mut rng));
        assert!(!bucket.admit(SessionWish::Global, 0, &mut rng));
        assert!(bucket.admit(SessionWish::Renewal, 0, &mut rng));
    }

    #[test]
    fn a_bucket_that_stays_empty_drops_more_and_more() {
        let config = ConnectionThrottle {
            tokens: 1,
            fill_time_ms: 1_000_000,
            freeze_time_ms: 1,
            drop_increase: 0.5,
            ..ConnectionThrottle::default()
        };
        let (mut bucket, mut rng) = (TokenBucket::new(config, 0), Rng::new(1));
        for now in 1..10 {
            bucket.admit(SessionWish::Global, now, &mut rng);
        }
        assert_eq!(bucket.drop_probability(), 1.0);
    }
}
