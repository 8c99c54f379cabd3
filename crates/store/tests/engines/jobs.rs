//! Jobs, tasks, instances and resources, on every engine alike.

use batchyard_model::{Counts, JobId, JobState};
use batchyard_store::{
    AuditFilter, AuditRecord, BatchWrite, InstanceRecord, JobFilter, JobMove, JobRecord, JobSummary, ResourceKind, ResourceRecord, Store,
    StoreError, TaskRecord, Write,
};

use crate::{Fresh, rows::open};

fn put(store: &Store, writes: Vec<BatchWrite>) -> Result<(), StoreError> {
    store.write(writes.into_iter().map(Write::Batch).collect()).wait()
}

fn summary(owner: &str, name: &str) -> JobSummary {
    JobSummary {
        id: JobId::random(),
        owner: owner.into(),
        name: name.into(),
        state: JobState::Waiting,
        priority: 7,
        project: None,
        message: String::new(),
        created_ms: 1,
        started_ms: None,
        ended_ms: None,
    }
}

fn task(job: &JobId, name: &str, position: u32, cluster: &str) -> TaskRecord {
    let counts = Counts { waiting: 3, ..Counts::default() };
    let (name, cluster) = (name.into(), cluster.into());
    TaskRecord { job: job.clone(), name, position, cluster, state: JobState::Waiting, started_ms: None, ended_ms: None, counts }
}

fn stored(store: &Store, owner: &str, cluster: &str) -> JobSummary {
    let summary = summary(owner, "名 job");
    let record = JobRecord { summary: summary.clone(), spec: "{}".into(), plan: "[]".into() };
    let tasks = vec![task(&summary.id, "a", 1, cluster), task(&summary.id, "b", 0, "")];
    put(store, vec![BatchWrite::InsertJob(Box::new(record), tasks)]).unwrap();
    // Ids made in the same millisecond are in no order.
    std::thread::sleep(std::time::Duration::from_millis(2));
    summary
}

pub fn jobs_move(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let job = stored(&store, "one", "cls-1");
    let found = store.load_job(&job.id).unwrap().unwrap();
    assert_eq!((found.summary, found.spec.as_str(), found.plan.as_str()), (job.clone(), "{}", "[]"));
    let tasks = store.list_tasks(std::slice::from_ref(&job.id)).unwrap();
    let names: Vec<&str> = tasks[&job.id].iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);

    let change = |from: JobState, to, at_ms| JobMove { id: job.id.clone(), from: vec![from], to, at_ms, message: String::new() };
    let to = |from, to, at_ms| put(&store, vec![BatchWrite::MoveJob(change(from, to, at_ms))]);
    to(JobState::Waiting, JobState::Running, 5).unwrap();
    assert!(matches!(to(JobState::Waiting, JobState::Stopped, 6), Err(StoreError::Stale { .. })));
    to(JobState::Running, JobState::Stopped, 9).unwrap();
    let now = store.load_job_summary(&job.id).unwrap().unwrap();
    assert_eq!((now.state, now.started_ms, now.ended_ms), (JobState::Stopped, Some(5), Some(9)));
    let priority = |from| put(&store, vec![BatchWrite::SetPriority { id: job.id.clone(), priority: 9, from: vec![from] }]);
    assert!(matches!(priority(JobState::Running), Err(StoreError::Stale { .. })));
    priority(JobState::Stopped).unwrap();
    assert_eq!(store.load_job_summary(&job.id).unwrap().unwrap().priority, 9);

    let delete = |from| put(&store, vec![BatchWrite::DeleteJob { id: job.id.clone(), from: vec![from] }]);
    assert!(matches!(delete(JobState::Running), Err(StoreError::Stale { .. })));
    delete(JobState::Stopped).unwrap();
    assert!(matches!(delete(JobState::Stopped), Err(StoreError::Absent { .. })));
    assert!(store.load_job(&job.id).unwrap().is_none() && store.list_tasks(std::slice::from_ref(&job.id)).unwrap().is_empty());
}

pub fn jobs_are_listed(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let (a, b, c) = (stored(&store, "one", "cls-1"), stored(&store, "one", ""), stored(&store, "two", "cls-1"));
    put(
        &store,
        vec![BatchWrite::MoveJob(JobMove {
            id: b.id.clone(),
            from: vec![JobState::Waiting],
            to: JobState::Failed,
            at_ms: 3,
            message: "why".into(),
        })],
    )
    .unwrap();
    let list = |filter: JobFilter| -> Vec<JobId> {
        store.list_jobs(&JobFilter { limit: 9, ..filter }).unwrap().into_iter().map(|job| job.id).collect()
    };
    let of_one = || JobFilter { owner: Some("one".into()), ..JobFilter::default() };
    assert_eq!(list(of_one()), [b.id.clone(), a.id.clone()]);
    assert_eq!(list(JobFilter { oldest_first: true, after: Some(a.id.clone()), ..of_one() }), std::slice::from_ref(&b.id));
    assert_eq!(list(JobFilter { states: vec![JobState::Failed], ..of_one() }), std::slice::from_ref(&b.id));
    assert_eq!(list(JobFilter { cluster: Some("cls-1".into()), ..JobFilter::default() }), [c.id.clone(), a.id.clone()]);
    assert_eq!(list(JobFilter { project: Some("p".into()), ..of_one() }), []);
    assert_eq!(store.count_jobs("one", &[JobState::Failed, JobState::Waiting]).unwrap(), 2);
}

pub fn instances_are_replaced(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let job = stored(&store, "one", "");
    let instance = |number, state| InstanceRecord {
        job: job.id.clone(),
        task: "a".into(),
        number,
        state,
        started_ms: Some(4),
        ended_ms: None,
        retries: 1,
        attempts: 2,
        node: "ins-1".into(),
        result: "{}".into(),
    };
    let writes = (0..70).map(|n| BatchWrite::PutInstance(instance(n, JobState::Running))).collect();
    put(&store, writes).unwrap();
    let counts = Counts { running: 69, finished: 1, ..Counts::default() };
    let moved = TaskRecord { state: JobState::Running, started_ms: Some(4), counts, ..task(&job.id, "a", 1, "") };
    put(&store, vec![BatchWrite::PutInstance(instance(3, JobState::Finished)), BatchWrite::PutTask(moved.clone())]).unwrap();
    let numbers: Vec<u32> = store.list_instances(&job.id, "a", 68, 10).unwrap().iter().map(|i| i.number).collect();
    assert_eq!(numbers, [68, 69]);
    assert_eq!((store.count_instances(&job.id, "a", 60, 68).unwrap(), store.count_instances(&job.id, "a", 68, 1000).unwrap()), (8, 2));
    assert_eq!(store.list_instances_in(&job.id, "a", JobState::Finished, 0, 10).unwrap(), [instance(3, JobState::Finished)]);
    assert_eq!(store.list_tasks(std::slice::from_ref(&job.id)).unwrap()[&job.id][1].counts, counts);
}

pub fn resources_are_versioned(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let resource = |id: &str, owner: &str, version| ResourceRecord {
        kind: ResourceKind::Cluster,
        id: id.into(),
        owner: owner.into(),
        name: "n".into(),
        state: "Active".into(),
        version,
        created_ms: 1,
        doc: format!("{version}"),
    };
    put(&store, vec![BatchWrite::InsertResource(resource("cls-1", "one", 1)), BatchWrite::InsertResource(resource("cls-2", "two", 1))])
        .unwrap();
    assert!(matches!(put(&store, vec![BatchWrite::InsertResource(resource("cls-1", "one", 1))]), Err(StoreError::Taken { .. })));
    put(&store, vec![BatchWrite::UpdateResource(resource("cls-1", "one", 2))]).unwrap();
    assert!(matches!(put(&store, vec![BatchWrite::UpdateResource(resource("cls-1", "one", 2))]), Err(StoreError::Stale { .. })));
    assert!(matches!(put(&store, vec![BatchWrite::UpdateResource(resource("cls-9", "one", 2))]), Err(StoreError::Absent { .. })));
    assert_eq!(store.load_resource(ResourceKind::Cluster, "cls-1").unwrap(), Some(resource("cls-1", "one", 2)));
    assert_eq!(store.list_resources(ResourceKind::Cluster, Some("one"), "", 9).unwrap().len(), 1);
    assert_eq!(store.list_resources(ResourceKind::Cluster, None, "cls-1", 9).unwrap().len(), 1);
    assert!(store.list_resources(ResourceKind::Image, None, "", 9).unwrap().is_empty());
    put(&store, vec![BatchWrite::DeleteResource(ResourceKind::Cluster, "cls-2".into())]).unwrap();
    assert!(store.load_resource(ResourceKind::Cluster, "cls-2").unwrap().is_none());
    let audit = |id: &str| AuditRecord {
        id: id.into(),
        at_ms: 1,
        account: "one".into(),
        action: "CreateJob".into(),
        resource: "job-1".into(),
        detail: String::new(),
    };
    put(&store, vec![BatchWrite::InsertAudit(audit("1")), BatchWrite::InsertAudit(audit("2"))]).unwrap();
    let other = AuditRecord { at_ms: 5, account: "two".into(), action: "StopJob".into(), ..audit("3") };
    put(&store, vec![BatchWrite::InsertAudit(other.clone())]).unwrap();
    let listed = |filter: AuditFilter| store.list_audit(&AuditFilter { limit: 2, ..filter }).unwrap();
    assert_eq!(listed(AuditFilter::default()), [other.clone(), audit("2")]);
    assert_eq!(listed(AuditFilter { account: Some("one".into()), ..AuditFilter::default() }), [audit("2"), audit("1")]);
    assert_eq!(listed(AuditFilter { action: Some("StopJob".into()), ..AuditFilter::default() }), std::slice::from_ref(&other));
    assert_eq!(listed(AuditFilter { since_ms: Some(2), ..AuditFilter::default() }), std::slice::from_ref(&other));
    put(&store, vec![BatchWrite::ForgetAudit(5)]).unwrap();
    assert_eq!(listed(AuditFilter::default()), [other]);
    put(&store, vec![BatchWrite::ExpireResources(ResourceKind::Image, 9), BatchWrite::ExpireResources(ResourceKind::Cluster, 1)]).unwrap();
    assert!(store.load_resource(ResourceKind::Cluster, "cls-1").unwrap().is_some(), "neither of another kind nor as young");
    put(&store, vec![BatchWrite::ExpireResources(ResourceKind::Cluster, 2)]).unwrap();
    assert!(store.load_resource(ResourceKind::Cluster, "cls-1").unwrap().is_none());
}
