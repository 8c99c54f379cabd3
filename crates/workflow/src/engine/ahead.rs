//! Which calls are prepared before they can start, and what they wait for aside until they are.

use std::sync::Arc;

use super::{Engine, Stop};
use crate::prepare::{Preparation, Told};

/// Calls of an engine that are prepared before they can start; others wait as they are, for a prepared call holds all that
/// its attempt needs.
const PREPARED_AHEAD: usize = 1000;
/// Calls that wait for what is brought without counting among these: they come back prepared, however many those are by then.
const BROUGHT_AHEAD: usize = 1000;

/// What a call waits for aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// An answer about its image.
    Image,
    /// What is brought for it.
    Brought {
        /// Whether it has given its place among those that are prepared ahead to another one.
        gave_place: bool,
    },
}

impl Engine<'_> {
    pub(super) fn prepare_call(&mut self, number: u64, look_up: bool) {
        if self.ahead >= PREPARED_AHEAD {
            // A further attempt is of an earlier call than all that wait for their first.
            match look_up {
                true => self.unprepared.push_back((number, look_up)),
                false => self.unprepared.push_front((number, look_up)),
            }
            return;
        }
        let root = self.calls.get(&number).and_then(|call| self.root_id(call.root));
        let run = self.calls.get(&number).and_then(|call| self.runs.get(self.frames.run(call.frame)));
        let lineage = run.and_then(|run| Some(Arc::clone(&run.parent.as_ref()?.lineage)));
        let (Some(call), Some(root)) = (self.calls.get_mut(&number), root) else { return };
        call.waits = None;
        if !std::mem::replace(&mut call.ahead, true) {
            self.ahead += 1;
        }
        self.machine.preparer.prepare(Preparation {
            context: Arc::clone(&self.shared),
            number,
            id: call.id.clone(),
            root,
            lineage,
            module: Arc::clone(&call.module),
            task: Arc::clone(&call.task),
            inputs: Arc::clone(&call.inputs),
            overrides: call.overrides.clone(),
            call_dir: call.call_dir.clone(),
            look_up,
            left: call.left.clone(),
            may_have_started: call.may_have_started,
            told: call.told.take(),
            may_wait: false,
        });
    }

    /// A call waits until it is known what its image is. It holds nothing meanwhile, and keeps no other from being prepared.
    pub(super) fn aside(&mut self, number: u64) {
        self.waits_no_more(number);
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.waits = Some(Wait::Image);
        let was_ahead = std::mem::take(&mut call.ahead);
        self.leave_ahead(was_ahead);
        self.withdraw_in_vain(number);
    }

    /// A call waits until something was brought for it. Many of them keep no other from being prepared.
    pub(super) fn brings(&mut self, number: u64) {
        self.waits_no_more(number);
        let Some(call) = self.calls.get_mut(&number) else { return };
        let gave_place = call.ahead && self.bringing < BROUGHT_AHEAD;
        call.waits = Some(Wait::Brought { gave_place });
        if gave_place {
            call.ahead = false;
            self.bringing += 1;
            self.leave_ahead(true);
        }
        self.withdraw_in_vain(number);
    }

    /// A call is back from where it has waited.
    pub(super) fn waits_no_more(&mut self, number: u64) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        if call.waits.take() == Some(Wait::Brought { gave_place: true }) {
            self.bringing -= 1;
            self.ahead += usize::from(!std::mem::replace(&mut call.ahead, true));
        }
    }

    /// Ends a call that waits although its run is ending: who works for it may take a long time to notice.
    pub(super) fn withdraw_in_vain(&mut self, number: u64) {
        let Some(call) = self.calls.get(&number) else { return };
        let is_ending = self.roots.get(call.root).is_none_or(|root| root.stop != Stop::No);
        if is_ending && call.waits.is_some() && !call.may_have_started {
            self.withdrawn(number);
        }
    }

    /// It is known what the image of a call is, or that nobody knows it.
    pub(super) fn image_told(&mut self, number: u64, look_up: bool, told: Told) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.told = Some(told);
        self.prepare_call(number, look_up);
    }

    /// A call is no longer among those that are prepared ahead: the next ones take its place.
    pub(super) fn leave_ahead(&mut self, was_ahead: bool) {
        self.ahead -= usize::from(was_ahead);
        while was_ahead && self.ahead < PREPARED_AHEAD {
            let Some((next, look_up)) = self.unprepared.pop_front() else { return };
            self.prepare_call(next, look_up);
        }
    }
}
