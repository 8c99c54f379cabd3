//! Nonces of requests: a signed request that is sent again, by whoever has seen it, is known by its nonce. The journal keeps
//! them over the end of a server.

mod journal;

use std::{
    collections::{HashSet, VecDeque},
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use batchyard_objects::sign::MAX_SKEW_SECONDS;
use sha2::{Digest, Sha256};

use self::journal::Journal;

/// How long a nonce is remembered, in seconds: a request dated as late as can be may come again until it is as old as can be.
const REMEMBERED: i64 = 2 * MAX_SKEW_SECONDS;
/// Most nonces that are remembered, some 60 MB of them; then the oldest go. Only those who have a key can fill it.
const MAX_NONCES: usize = 1_000_000;

/// What is kept of a key and its nonce: so much of a digest that nobody can choose two that look alike.
type Mark = [u8; 16];

/// Nonces of the last half hour.
pub struct Nonces {
    seen: Mutex<Seen>,
    most: usize,
}

struct Seen {
    known: HashSet<Mark>,
    /// When each came, in epoch seconds, the oldest first.
    order: VecDeque<(i64, Mark)>,
    journal: Journal,
}

impl Nonces {
    /// The nonces that earlier servers have seen, from their journal at this path. `now` is in epoch seconds.
    ///
    /// # Errors
    /// The journal cannot be read or written, or its thread not be started.
    pub fn open(path: &Path, now: i64) -> io::Result<Nonces> {
        Self::open_for(path, now, MAX_NONCES)
    }

    fn open_for(path: &Path, now: i64, most: usize) -> io::Result<Nonces> {
        let (journal, entries) = Journal::open(path, most)?;
        let (mut known, mut order) = (HashSet::new(), VecDeque::new());
        for (came, mark) in entries {
            // A clock that was ahead must not make them last longer.
            let came = came.min(now);
            if came + REMEMBERED >= now && known.insert(mark) {
                order.push_back((came, mark));
            }
        }
        Ok(Nonces { seen: Mutex::new(Seen { known, order, journal }), most })
    }

    /// Whether this key uses the nonce for the first time; it is remembered from now on, also by the next server.
    /// `now` is in epoch seconds.
    pub fn is_new(&self, key: &str, nonce: &str, now: i64) -> bool {
        let mark = mark(key, nonce);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { known, order, journal } = &mut *seen;
        while let Some((_, old)) = order.front().copied().filter(|(came, _)| came + REMEMBERED < now || order.len() >= self.most) {
            known.remove(&old);
            order.pop_front();
        }
        let is_new = known.insert(mark);
        if is_new {
            order.push_back((now, mark));
            journal.note(now, mark);
        }
        is_new
    }
}

fn mark(key: &str, nonce: &str) -> Mark {
    // No header holds a zero byte, so two pairs cannot be the same text.
    let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(nonce).finalize();
    let mut mark = Mark::default();
    mark.iter_mut().zip(digest).for_each(|(into, byte)| *into = byte);
    mark
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn empty() -> (tempfile::TempDir, Nonces) {
        let folder = tempfile::tempdir().unwrap();
        let nonces = Nonces::open(&folder.path().join("nonces"), 1000).unwrap();
        (folder, nonces)
    }

    #[test]
    fn a_nonce_is_good_for_once() {
        let (_folder, nonces) = empty();
        assert!(nonces.is_new("key", "a", 1000));
        assert!(!nonces.is_new("key", "a", 1000 + REMEMBERED));
        assert!(nonces.is_new("other", "a", 1000), "keys have nonces of their own");
        // Its request is too old by then.
        assert!(nonces.is_new("key", "a", 1001 + REMEMBERED));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nonces");
        let nonces = Nonces::open_for(&path, 1, 10).unwrap();
        for nonce in 0..100 {
            assert!(nonces.is_new("key", &nonce.to_string(), 1));
        }
        assert!(!nonces.is_new("key", "99", 1));
        assert!(nonces.is_new("key", "0", 1), "the oldest went");
        let seen = nonces.seen.lock().unwrap();
        assert!(seen.known.len() == seen.order.len() && seen.order.len() <= 11);
        // Neither does the journal grow.
        let bytes: u64 = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * 10 * 24, "{bytes}");
        drop(seen);
        drop(nonces);
        let nonces = Nonces::open_for(&path, 1, 10).unwrap();
        assert!(!nonces.is_new("key", "0", 1) && !nonces.is_new("key", "99", 1) && !nonces.is_new("key", "92", 1));
    }

    #[test]
    fn the_next_server_knows_them() {
        let (folder, nonces) = empty();
        let path = folder.path().join("nonces");
        assert!(nonces.is_new("key", "a", 1000) && nonces.is_new("key", "b", 1001));
        // What is there is what `kill -9` leaves: nothing was closed.
        let next = Nonces::open(&path, 1002).unwrap();
        assert!(!next.is_new("key", "a", 1002) && !next.is_new("key", "b", 1002));
        assert!(next.is_new("key", "c", 1002) && next.is_new("other", "a", 1002));
        let late = Nonces::open(&path, 1001 + REMEMBERED).unwrap();
        assert!(late.is_new("key", "a", 1001 + REMEMBERED) && !late.is_new("key", "b", 1001 + REMEMBERED));
        // A clock that was ahead and was put back.
        let back = Nonces::open(&path, 10).unwrap();
        assert!(!back.is_new("key", "b", 10));
        assert!(back.is_new("key", "b", 11 + REMEMBERED));
    }

    #[test]
    fn the_journal_is_begun_anew_when_all_of_it_is_old() {
        let (folder, nonces) = empty();
        let path = folder.path().join("nonces");
        for hour in 0..5 {
            assert!(nonces.is_new("key", "a", 1000 + hour * 2 * REMEMBERED));
            assert!(nonces.is_new("key", "b", 1001 + hour * 2 * REMEMBERED));
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), 48);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn half_an_entry_spoils_nothing() {
        let (folder, nonces) = empty();
        let path = folder.path().join("nonces");
        assert!(nonces.is_new("key", "a", 1000));
        drop(nonces);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend([7; 11]);
        fs::write(&path, bytes).unwrap();
        let nonces = Nonces::open(&path, 1000).unwrap();
        assert!(nonces.is_new("key", "b", 1000));
        let nonces = Nonces::open(&path, 1000).unwrap();
        assert!(!nonces.is_new("key", "a", 1000) && !nonces.is_new("key", "b", 1000) && nonces.is_new("key", "c", 1000));
    }
}
