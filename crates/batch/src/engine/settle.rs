//! What follows from the end of an attempt.

use batchyard_core::Event;
use batchyard_crash as crash;
use batchyard_model::{
    JobId, JobState,
    state::job::{InstanceEvent, JobEvent, next_of_job},
};
use batchyard_runner::EndedBy;
use batchyard_store::{BatchWrite, JobMove};

use super::{Engine, Message, now_ms};
use crate::{events::Happening, instance::End, result::ResultDoc};

impl Engine {
    /// An attempt has ended.
    pub(super) fn ended(&mut self, number: u64, end: End) {
        // The worker that let it go may not have said so yet.
        if end.exit_code.is_some() || !end.is_success() {
            self.begun(number);
        }
        let Some(under_way) = self.attempts.remove(&number) else { return };
        self.give_back(&under_way.node);
        // A job that was ended has its states already; one that goes on since has other attempts.
        if !under_way.ending {
            self.settle(&under_way.job, under_way.task, under_way.number, end);
        }
        // Only now: a failure that ends the job has taken the waiting ones out of the line.
        let actions = self.gate.step(Event::Ended(number));
        self.act(actions);
    }

    fn settle(&mut self, id: &JobId, task: usize, number: u32, end: End) {
        crash::place("end known");
        let now = now_ms();
        // A job that was stopped, or deleted, has its states already.
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.state == JobState::Running) else { return };
        let tolerant = !job.plan.fail_fast;
        let Some(of_task) = job.tasks.get_mut(task) else { return };
        let planned = of_task.planned.clone();
        let retries = of_task.instance(number).retries;
        let event = match &end {
            end if end.lost || end.stopped => InstanceEvent::Lose,
            end if end.is_success() => InstanceEvent::Finish,
            _ if i64::from(retries) < planned.description.max_retry_count => InstanceEvent::Retry,
            _ => InstanceEvent::Fail,
        };
        of_task.instance(number).result = ResultDoc::of(&end, &planned).to_text();
        let before = of_task.record.state;
        let Some(record) = of_task.happen(number, event, now, tolerant) else { return };
        let state = record.state;
        if state == JobState::Waiting {
            of_task.pending.push_front(number);
        }
        let after = of_task.record.state;
        let mut writes = vec![BatchWrite::PutInstance(record), BatchWrite::PutTask(of_task.record.clone())];
        writes.extend(self.parts.herald.of_job(job, Happening::Instance(&planned.name, number, state)));
        if before != after {
            writes.extend(self.parts.herald.of_job(job, Happening::Task(&planned.name, after)));
        }
        match event {
            InstanceEvent::Fail if !tolerant => {
                let message = format!("instance {number} of task `{}` failed: {}", planned.name, end.message);
                self.end_job(id, JobEvent::Fail, message, writes);
            }
            _ if after == JobState::Finished && job.is_done() => self.end_job(id, JobEvent::Finish, String::new(), writes),
            _ => {
                self.record_then(writes, || crash::place("end recorded"));
                if after == JobState::Finished || state == JobState::Waiting {
                    self.line_up(id);
                }
            }
        }
    }

    /// A job ends: what runs is ended, what waits is stopped, and all of it is recorded together with `writes`.
    pub(super) fn end_job(&mut self, id: &JobId, event: JobEvent, message: String, writes: Vec<BatchWrite>) {
        let Some(mut writes) = self.closing(id, event, message, writes) else { return };
        if self.jobs.get(id).is_some_and(|job| job.plan.auto_release && job.state == JobState::Finished) {
            // In one step: nobody would release it later.
            writes.push(BatchWrite::DeleteJob { id: id.clone(), from: vec![JobState::Finished] });
        }
        let (outbox, ended) = (self.outbox.clone(), id.clone());
        self.record_then(writes, move || {
            crash::place("job ended");
            // Without an engine nobody can end anything.
            let _ = outbox.send(Message::EndAttempts(ended));
        });
        self.jobs.remove(id);
        if event == JobEvent::Finish {
            self.clear_away(id);
        }
    }

    /// The changes that end a job. Nothing more of it starts; what runs is to be ended once they are recorded, so that no
    /// server finds the job running and its processes ended.
    pub(super) fn closing(&mut self, id: &JobId, event: JobEvent, message: String, mut writes: Vec<BatchWrite>) -> Option<Vec<BatchWrite>> {
        let now = now_ms();
        self.withdraw(id);
        let job = self.jobs.get_mut(id)?;
        let state = next_of_job(job.state, event).ok()?;
        writes.push(BatchWrite::MoveJob(JobMove { id: id.clone(), from: vec![job.state], to: state, at_ms: now, message }));
        job.state = state;
        let tolerant = !job.plan.fail_fast;
        let mut ended = Vec::new();
        for (n, task) in job.tasks.iter_mut().enumerate() {
            self.line.remove(&(std::cmp::Reverse(job.priority), job.arrival, n));
            // A task that has failed may have instances that wait.
            if task.record.counts.waiting + task.record.counts.running == 0 {
                continue;
            }
            let running: Vec<u32> =
                task.begun.iter().filter(|(_, instance)| !instance.state.is_terminal()).map(|(number, _)| *number).collect();
            for number in running {
                if let Some(record) = task.happen(number, InstanceEvent::Stop, now, tolerant) {
                    writes.push(BatchWrite::PutInstance(record));
                }
            }
            task.stop_pending(now, tolerant);
            writes.push(BatchWrite::PutTask(task.record.clone()));
            ended.push((task.record.name.clone(), task.record.state));
        }
        for (name, state) in ended {
            writes.extend(self.parts.herald.of_job(job, Happening::Task(&name, state)));
        }
        writes.extend(self.parts.herald.of_job(job, Happening::Job(state)));
        Some(writes)
    }

    /// Takes the attempts of a job out of the line.
    fn withdraw(&mut self, id: &JobId) {
        let of_job: Vec<u64> = self.attempts.iter().filter(|(_, under_way)| under_way.job == *id).map(|(number, _)| *number).collect();
        for number in of_job {
            let actions = self.gate.step(Event::Withdraw(number));
            self.act(actions);
            if let Some(under_way) = self.attempts.get_mut(&number) {
                under_way.ending = true;
            }
        }
    }

    /// Ends the attempts of a job that run, unless the job goes on already.
    pub(super) fn end_attempts(&mut self, id: &JobId) {
        for under_way in self.attempts.values().filter(|under_way| under_way.job == *id && under_way.ending) {
            under_way.control.end(EndedBy::Abort, self.parts.surroundings.grace);
        }
    }
}
