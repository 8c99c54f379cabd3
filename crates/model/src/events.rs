//! Names of what can be told to others, as the BatchCompute service spells them.

/// What can be told about a job, its tasks and its instances.
pub const JOB_EVENTS: [&str; 16] = [
    "OnJobWaiting",
    "OnJobRunning",
    "OnJobStopped",
    "OnJobFinished",
    "OnJobFailed",
    "OnTaskWaiting",
    "OnTaskRunning",
    "OnTaskStopped",
    "OnTaskFinished",
    "OnTaskFailed",
    "OnInstanceWaiting",
    "OnInstanceRunning",
    "OnInstanceStopped",
    "OnInstanceFinished",
    "OnInstanceFailed",
    "OnPriorityChange",
];

/// What can be told about a cluster.
pub const CLUSTER_EVENTS: [&str; 3] = ["OnClusterDeleted", "OnInstanceCreated", "OnInstanceActive"];
