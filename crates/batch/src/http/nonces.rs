//! Nonces of requests: a signed request that is sent again, by whoever has seen it, is known by its nonce.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use batchyard_objects::sign::MAX_SKEW_SECONDS;

/// How long a nonce is remembered, in seconds: a request dated as late as can be may come again until it is as old as can be.
const REMEMBERED: i64 = 2 * MAX_SKEW_SECONDS;
/// Most nonces that are remembered, some 30 MB of them; then the oldest go. Only those who have a key can fill it.
const MAX_NONCES: usize = 1_000_000;

/// Nonces of the last half hour.
#[derive(Default)]
pub struct Nonces {
    seen: Mutex<Seen>,
    /// Nobody outside can choose nonces that look alike.
    hash: RandomState,
}

#[derive(Default)]
struct Seen {
    known: HashSet<u64>,
    /// When each came, the oldest first.
    order: VecDeque<(i64, u64)>,
}

impl Nonces {
    /// Whether this key uses the nonce for the first time; it is remembered from now on. `now` is in epoch seconds.
    pub fn is_new(&self, key: &str, nonce: &str, now: i64) -> bool {
        self.is_new_among(key, nonce, now, MAX_NONCES)
    }

    fn is_new_among(&self, key: &str, nonce: &str, now: i64, most: usize) -> bool {
        let mark = self.hash.hash_one((key, nonce));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { known, order } = &mut *seen;
        while let Some((_, old)) = order.front().copied().filter(|(came, _)| came + REMEMBERED < now || order.len() >= most) {
            known.remove(&old);
            order.pop_front();
        }
        let is_new = known.insert(mark);
        if is_new {
            order.push_back((now, mark));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_once() {
        let nonces = Nonces::default();
        assert!(nonces.is_new("key", "a", 1000));
        assert!(!nonces.is_new("key", "a", 1000 + REMEMBERED));
        assert!(nonces.is_new("other", "a", 1000), "keys have nonces of their own");
        // Its request is too old by then.
        assert!(nonces.is_new("key", "a", 1001 + REMEMBERED));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let nonces = Nonces::default();
        for nonce in 0..100 {
            assert!(nonces.is_new_among("key", &nonce.to_string(), 1, 10));
        }
        assert!(!nonces.is_new_among("key", "99", 1, 11));
        assert!(nonces.is_new_among("key", "0", 1, 11), "the oldest went");
        let seen = nonces.seen.lock().unwrap();
        assert!(seen.known.len() == seen.order.len() && seen.order.len() <= 11);
    }
}
