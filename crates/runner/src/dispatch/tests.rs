//! A scheduler of two lines: jobs are processes of their own, known by their process id.

use std::{
    fs,
    path::Path,
    sync::mpsc::{self, Receiver},
    thread,
};

use super::*;
use crate::{EndedBy, Trace, script::Elsewhere};

const WAIT: Duration = Duration::from_secs(60);
const SUBMIT: &str = "echo tried >>tries; setsid bash script >/dev/null 2>&1 & echo \"job <$!> is in\"";
/// One that has ended and whose new parent has not looked yet is gone, too.
const CHECK: &str = "case $(ps -o stat= -p JOB_ID) in Z* | '') exit 1 ;; esac";
const KILL: &str = "kill -KILL -- -JOB_ID";

fn dispatcher() -> Dispatcher {
    Dispatcher::new(|work| thread::Builder::new().spawn(work).map(drop))
}

fn order(dir: &Path, command: &str, submit: &str) -> Order {
    let parts = Elsewhere {
        command,
        execution_dir: dir,
        shell: "/bin/bash",
        temporary_directory: "\"$PWD\"",
        env: &[],
        path_prefix: &[],
        root: None,
        container: false,
        afterwards: &[],
    };
    Order {
        provider: "toy".into(),
        execution_dir: dir.into(),
        script: parts.render(),
        submit: submit.into(),
        job_id: JobIdPattern::new(r"job <(\d+)>").unwrap(),
        scripts: ScriptsOfJob::new(|id| {
            Ok(JobScripts { check: Some(CHECK.replace("JOB_ID", id)), kill: Some(KILL.replace("JOB_ID", id)) })
        }),
        alive_period: Some(Duration::ZERO),
        time_limit: None,
        grace: Duration::from_secs(5),
        may_have_started: false,
    }
}

type Ended = Result<Outcome, RunError>;

fn start(dispatcher: &Dispatcher, order: Order, control: &Arc<Control>) -> Receiver<Ended> {
    let (tell, told) = mpsc::channel();
    dispatcher.dispatch(order, control, Box::new(move |ended| tell.send(ended).unwrap()));
    told
}

fn run(order: Order) -> (Ended, Arc<Control>) {
    let (dispatcher, control) = (dispatcher(), Control::new("toy"));
    let ended = start(&dispatcher, order, &control).recv_timeout(WAIT).unwrap();
    (ended, control)
}

fn wait_for(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long");
        thread::sleep(Duration::from_millis(5));
    }
}

fn tries(dir: &Path) -> usize {
    fs::read_to_string(dir.join("tries")).unwrap_or_default().lines().count()
}

#[test]
fn a_job_runs_and_its_id_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, control) = run(order(dir.path(), "echo out; exit 5", SUBMIT));
    let outcome = ended.unwrap();
    assert_eq!((outcome.exit, outcome.ended_by, outcome.adopted, outcome.lost), (Exit::Code(5), None, false, false));
    let id = control.job_id().unwrap();
    assert_eq!(kept_job_id(dir.path()), Some(id.clone()));
    assert_eq!(fs::read_to_string(dir.path().join("stdout")).unwrap(), "out\n");
    assert!(fs::read_to_string(dir.path().join("script.kill")).unwrap().contains(&id));
    assert_eq!(trace(dir.path(), &JobIdPattern::new("(x)").unwrap()), Trace::Ended);
}

#[test]
fn many_jobs_need_few_threads() {
    let dir = tempfile::tempdir().unwrap();
    let dispatcher = dispatcher();
    let told: Vec<_> = (0..40)
        .map(|n| {
            let dir = dir.path().join(n.to_string());
            fs::create_dir(&dir).unwrap();
            start(&dispatcher, order(&dir, &format!("while [ ! -e ../go ]; do sleep 0.05; done; exit {n}"), SUBMIT), &Control::new("toy"))
        })
        .collect();
    wait_for(|| (0..40).all(|n| dir.path().join(n.to_string()).join(JOB_ID).exists()));
    let threads = || fs::read_dir("/proc/self/task").unwrap().filter_map(|t| fs::read_to_string(t.ok()?.path().join("comm")).ok());
    assert!(threads().filter(|name| name.trim() == "poller").count() >= 1);
    fs::write(dir.path().join("go"), "").unwrap();
    for (n, told) in told.iter().enumerate() {
        assert_eq!(told.recv_timeout(WAIT).unwrap().unwrap().exit, Exit::Code(n as i32));
    }
}

#[test]
fn a_failed_submission_names_its_stderr() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, _) = run(order(dir.path(), "true", "echo 'no such queue' >&2; exit 1"));
    let error = ended.unwrap_err();
    let path = dir.path().join("stderr.submit");
    assert_eq!(error.to_string(), format!("Unable to start job. Check the stderr file for possible errors: {}", path.display()));
    assert!(matches!(error, RunError::Submit { words, .. } if words == "no such queue"));
    let (ended, _) = run(order(dir.path(), "true", "echo nothing to see"));
    assert!(matches!(ended.unwrap_err(), RunError::Submit { words, .. } if words.contains("nothing to see")));
}

#[test]
fn a_refusal_for_the_moment_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    let submit = format!("[ -e refused ] || {{ touch refused; echo 'error: unable to contact the scheduler' >&2; exit 1; }}\n{SUBMIT}");
    let (ended, _) = run(order(dir.path(), "exit 0", &submit));
    assert_eq!(ended.unwrap().exit, Exit::Code(0));
    assert_eq!(tries(dir.path()), 1);
}

#[test]
fn a_job_that_vanishes_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, _) = run(order(dir.path(), "kill -9 0; sleep 300", SUBMIT));
    let outcome = ended.unwrap();
    assert_eq!((outcome.exit, outcome.lost), (Exit::Code(79), true));
    assert_eq!(fs::read_to_string(dir.path().join("rc")).unwrap(), "79\n");
}

#[test]
fn a_scheduler_that_does_not_answer_has_lost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut order = order(dir.path(), "sleep 3; exit 4", SUBMIT);
    order.scripts = ScriptsOfJob::new(|_| Ok(JobScripts { check: Some("echo 'Connection refused' >&2; exit 1".into()), kill: None }));
    assert_eq!(run(order).0.unwrap().exit, Exit::Code(4));
}

#[test]
fn an_end_reaches_queued_and_running_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let (dispatcher, control) = (dispatcher(), Control::new("toy"));
    let told = start(&dispatcher, order(dir.path(), "sleep 300", SUBMIT), &control);
    wait_for(|| dir.path().join("started").exists());
    control.end(EndedBy::Abort, Duration::from_secs(20));
    let outcome = told.recv_timeout(WAIT).unwrap().unwrap();
    assert_eq!((outcome.exit, outcome.ended_by), (Exit::Code(143), Some(EndedBy::Abort)));
    assert_eq!(fs::read_to_string(dir.path().join("rc")).unwrap(), "143\n");
    assert_eq!(helper_status(dir.path()), 1, "the job is gone");

    let early = Control::new("early");
    early.end(EndedBy::Abort, Duration::ZERO);
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    let outcome = start(&dispatcher, order(&other, "true", SUBMIT), &early).recv_timeout(WAIT).unwrap().unwrap();
    assert_eq!((outcome.ended_by, tries(&other)), (Some(EndedBy::Abort), 0));
}

/// Status of the `check` that was written for a job.
fn helper_status(dir: &Path) -> i32 {
    std::process::Command::new("bash").arg(dir.join("script.check")).current_dir(dir).output().unwrap().status.code().unwrap()
}

#[test]
fn a_time_limit_counts_from_the_start_of_the_script() {
    let dir = tempfile::tempdir().unwrap();
    let submit = "(sleep 1; exec setsid bash script) >/dev/null 2>&1 & echo \"job <$!> is in\"";
    let mut order = order(dir.path(), "sleep 300", submit);
    order.time_limit = Some(Duration::from_millis(700));
    let began = Instant::now();
    let outcome = run(order).0.unwrap();
    assert_eq!(outcome.ended_by, Some(EndedBy::TimeLimit));
    assert!(began.elapsed() > Duration::from_millis(1600), "{:?}", began.elapsed());
}

/// Submits with one dispatcher, forgets it, and goes on with another one.
fn taken_over(dir: &Path, command: &str, between: impl FnOnce()) -> Ended {
    let first = dispatcher();
    let _told = start(&first, order(dir, command, SUBMIT), &Control::new("toy"));
    wait_for(|| dir.join("script.kill").exists() && dir.join("started").exists());
    drop(first);
    between();
    let again = Order { may_have_started: true, ..order(dir, command, SUBMIT) };
    run(again).0
}

#[test]
fn a_living_job_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = taken_over(dir.path(), "while [ ! -e go ]; do sleep 0.05; done; exit 6", || {
        let go = dir.path().join("go");
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(700));
            fs::write(go, "").unwrap();
        });
    });
    let outcome = outcome.unwrap();
    assert_eq!((outcome.exit, outcome.adopted, tries(dir.path())), (Exit::Code(6), true, 1));
}

#[test]
fn a_job_that_ended_meanwhile_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = taken_over(dir.path(), "exit 7", || wait_for(|| dir.path().join("rc").exists())).unwrap();
    assert_eq!((outcome.exit, outcome.adopted, tries(dir.path())), (Exit::Code(7), true, 1));
}

#[test]
fn a_job_that_died_meanwhile_is_told_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let error = taken_over(dir.path(), "sleep 300", || {
        std::process::Command::new("bash").arg(dir.path().join("script.kill")).current_dir(dir.path()).status().unwrap();
    })
    .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("Unable to determine that ") && text.ends_with("/rc does not exist."), "{text}");
    assert_eq!(trace(dir.path(), &JobIdPattern::new(r"job <(\d+)>").unwrap()), Trace::Gone);
}

#[test]
fn an_id_that_nobody_could_read_any_more_is_found_in_what_was_printed() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = taken_over(dir.path(), "sleep 1; exit 8", || fs::remove_file(dir.path().join(JOB_ID)).unwrap()).unwrap();
    assert_eq!((outcome.exit, tries(dir.path())), (Exit::Code(8), 1));
}

#[test]
fn what_a_dead_engine_has_left_is_ended_by_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = dir.path().join("call-a/shard-0/execution");
    fs::create_dir_all(&attempt).unwrap();
    fs::create_dir_all(dir.path().join("call-b/execution")).unwrap();
    let first = dispatcher();
    let _told = start(&first, order(&attempt, "sleep 300", SUBMIT), &Control::new("toy"));
    wait_for(|| attempt.join("script.kill").exists() && attempt.join("started").exists());
    drop(first);
    assert_eq!(end_left_behind(dir.path()).unwrap(), 1);
    assert_eq!(fs::read_to_string(attempt.join("rc")).unwrap(), "143\n");
    wait_for(|| helper_status(&attempt) == 1);
    assert_eq!(end_left_behind(dir.path()).unwrap(), 0);
}

#[test]
fn patterns_have_one_group() {
    assert!(JobIdPattern::new("Submitted batch job \\d+").unwrap_err().contains("exactly one group"));
    assert!(JobIdPattern::new("(").is_err());
    let found = |pattern: &str, text: &str| JobIdPattern::new(pattern).unwrap().find(text);
    assert_eq!(found(r"Submitted batch job (\d+).*", "note\nSubmitted batch job 17 on cluster x\n").as_deref(), Some("17"));
    assert_eq!(found(r"(?sm).*cluster (\d+)..*", "Submitting job(s).\n1 job(s) submitted to cluster 21.\n").as_deref(), Some("21"));
    assert_eq!(found(r"Job <(\d+)>.*", "refused"), None);
}
