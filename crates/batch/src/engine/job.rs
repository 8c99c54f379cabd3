//! What the engine knows of a job that is under way. Nothing here does I/O; times are arguments.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use batchyard_model::{
    Counts, JobId, JobState,
    state::job::{InstanceEvent, next_of_instance},
};
use batchyard_store::{InstanceRecord, JobSummary, TaskRecord};

use crate::plan::{Plan, PlannedTask};

/// Place in the line of what may start: the higher priority first, then the older job, then the order of its tasks.
pub type Turn = (Reverse<u32>, u64, usize);

/// A job under way.
#[derive(Debug)]
pub struct Active {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// The account that it belongs to.
    pub owner: String,
    /// 0 to 1000.
    pub priority: u32,
    /// When it was accepted, epoch milliseconds.
    pub created_ms: i64,
    /// When its first instance was started, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// Where in its life it is.
    pub state: JobState,
    /// Its number among all jobs of this process.
    pub arrival: u64,
    /// What is carried out.
    pub plan: Arc<Plan>,
    /// Its tasks, in the order of the plan.
    pub tasks: Vec<Task>,
}

/// A task under way.
#[derive(Debug)]
pub struct Task {
    /// What is carried out.
    pub planned: Arc<PlannedTask>,
    /// Its row.
    pub record: TaskRecord,
    /// Instances to start, in this order.
    pub pending: VecDeque<u32>,
    /// Instances that were started and have not succeeded.
    pub begun: HashMap<u32, InstanceRecord>,
}

impl Active {
    /// Whether all tasks that a task waits for have finished.
    pub fn is_open(&self, task: usize) -> bool {
        let Some(task) = self.tasks.get(task) else { return false };
        task.planned.needs.iter().all(|need| self.tasks.get(*need).is_some_and(|task| task.record.state == JobState::Finished))
    }

    /// The place of a task in the line.
    pub fn turn(&self, task: usize) -> Turn {
        (Reverse(self.priority), self.arrival, task)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.tasks.iter().all(|task| task.record.state == JobState::Finished)
    }
}

impl Task {
    /// A task of which nothing was started yet.
    pub fn new(job: &JobId, position: usize, planned: PlannedTask) -> Task {
        let instances = planned.instances();
        let record = TaskRecord {
            job: job.clone(),
            name: planned.name.clone(),
            position: u32::try_from(position).unwrap_or(u32::MAX),
            cluster: if planned.own_cluster { String::new() } else { planned.cluster.clone() },
            state: JobState::Waiting,
            started_ms: None,
            ended_ms: None,
            counts: Counts { waiting: u64::from(instances), ..Counts::default() },
        };
        Task { planned: Arc::new(planned), record, pending: (0..instances).collect(), begun: HashMap::new() }
    }

    /// The row of an instance, as it was before it ever began where there is none.
    pub fn instance(&mut self, number: u32) -> &mut InstanceRecord {
        let (job, task) = (&self.record.job, &self.record.name);
        self.begun.entry(number).or_insert_with(|| InstanceRecord {
            job: job.clone(),
            task: task.clone(),
            number,
            state: JobState::Waiting,
            started_ms: None,
            ended_ms: None,
            retries: 0,
            attempts: 0,
            node: String::new(),
            result: String::new(),
        })
    }

    /// Something happens to an instance: its row afterwards, or nothing when its state does not allow it.
    pub fn happen(&mut self, number: u32, event: InstanceEvent, now_ms: i64, tolerant: bool) -> Option<InstanceRecord> {
        let instance = self.instance(number);
        let before = instance.state;
        let after = next_of_instance(before, event).ok()?;
        instance.state = after;
        match event {
            InstanceEvent::Begin => {
                instance.started_ms = Some(now_ms);
                instance.ended_ms = None;
                instance.result.clear();
            }
            InstanceEvent::Finish | InstanceEvent::Fail | InstanceEvent::Stop => instance.ended_ms = Some(now_ms),
            InstanceEvent::Retry => instance.retries += 1,
            InstanceEvent::Lose => {}
            InstanceEvent::Restart => instance.retries = 0,
        }
        let record = instance.clone();
        // Those that are done need no place in memory.
        if after.is_terminal() {
            self.begun.remove(&number);
        }
        self.record.counts.moved(before, after);
        self.settle(now_ms, tolerant);
        Some(record)
    }

    /// All instances that wait are stopped.
    pub fn stop_pending(&mut self, now_ms: i64, tolerant: bool) {
        self.pending.clear();
        let counts = &mut self.record.counts;
        counts.stopped += counts.waiting;
        counts.waiting = 0;
        self.settle(now_ms, tolerant);
    }

    /// The state of the task follows from its instances.
    pub fn settle(&mut self, now_ms: i64, tolerant: bool) {
        let state = self.record.counts.state_of_task(tolerant);
        if state == JobState::Running && self.record.started_ms.is_none() {
            self.record.started_ms = Some(now_ms);
        }
        if state.is_terminal() {
            self.record.ended_ms.get_or_insert(now_ms);
        } else {
            self.record.ended_ms = None;
        }
        self.record.state = state;
    }
}

/// A job that was just accepted.
pub fn new_job(summary: &JobSummary, plan: Arc<Plan>) -> Active {
    let tasks = plan.tasks.iter().enumerate().map(|(n, task)| Task::new(&summary.id, n, task.clone())).collect();
    Active {
        id: summary.id.clone(),
        name: summary.name.clone(),
        owner: summary.owner.clone(),
        priority: summary.priority,
        created_ms: summary.created_ms,
        started_ms: summary.started_ms,
        state: summary.state,
        arrival: 0,
        plan,
        tasks,
    }
}
