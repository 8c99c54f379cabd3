use super::*;

fn job(dir: &Path, command: &str) -> Job {
    let execution_dir = dir.join("execution");
    fs::create_dir_all(&execution_dir).unwrap();
    Job {
        call_dir: dir.into(),
        execution_dir,
        command: command.into(),
        env: vec![],
        clean_env: false,
        path_prefix: vec![],
        volumes: Vec::new(),
        root: None,
        shell: Shell::Bash,
        container: None,
        launch: Launch::Own,
        cores: 1.0,
        memory_mib: 0,
        time_limit: None,
        grace: Duration::from_millis(200),
        user: None,
        may_have_started: false,
    }
}

#[test]
fn runs_and_leaves_four_files() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = LocalRunner.run(&job(dir.path(), "echo out; echo err >&2; exit 3"), &Control::new("t1")).unwrap();
    assert_eq!(outcome.exit, Exit::Code(3));
    let mut names: Vec<_> =
        fs::read_dir(dir.path().join("execution")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["rc", "script", "stderr", "stdout"]);
    assert_eq!(fs::read_to_string(dir.path().join("execution/stdout")).unwrap(), "out\n");
    assert!(outcome.usage.unwrap().peak_kib > 0);
}

#[test]
fn a_signal_is_reported_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = LocalRunner.run(&job(dir.path(), "kill -SEGV $$"), &Control::new("t2")).unwrap();
    assert_eq!(outcome.exit, Exit::Signal(11));
    assert_eq!(script::read_rc(&dir.path().join("execution/rc")), Some(139));
}

#[test]
fn a_time_limit_ends_the_whole_tree() {
    let dir = tempfile::tempdir().unwrap();
    let marker = format!("limit-{}", std::process::id());
    let mut job = job(dir.path(), "trap '' TERM; setsid sleep 300 & (trap '' TERM; sleep 300) & sleep 300; sleep 300");
    job.time_limit = Some(Duration::from_millis(100));
    let outcome = LocalRunner.run(&job, &Control::new(marker.clone())).unwrap();
    assert_eq!(outcome.ended_by, Some(EndedBy::TimeLimit));
    assert_eq!(crate::tree::find(&marker), []);
}

#[test]
fn an_abort_before_the_start_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let control = Control::new(format!("early-{}", std::process::id()));
    control.end(EndedBy::Abort, Duration::from_millis(50));
    let outcome = LocalRunner.run(&job(dir.path(), "sleep 300"), &control).unwrap();
    assert_eq!(outcome.ended_by, Some(EndedBy::Abort));
}

#[test]
fn a_finished_attempt_is_taken_and_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = job(dir.path(), "echo x >>count; exit 5");
    LocalRunner.run(&job, &Control::new("t3")).unwrap();
    job.may_have_started = true;
    let outcome = LocalRunner.run(&job, &Control::new("t3")).unwrap();
    assert!(outcome.adopted);
    assert_eq!(outcome.exit, Exit::Code(5));
    assert_eq!(fs::read_to_string(dir.path().join("execution/count")).unwrap(), "x\n");
}

#[test]
fn a_running_attempt_is_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let job_one = job(dir.path(), "echo x >>count; sleep 0.5; exit 6");
    let mut job_two = job_one.clone();
    job_two.may_have_started = true;
    let first = thread::spawn(move || LocalRunner.run(&job_one, &Control::new("t4")).unwrap());
    let count = dir.path().join("execution/count");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !count.exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    let outcome = LocalRunner.run(&job_two, &Control::new("t4")).unwrap();
    assert!(outcome.adopted);
    assert_eq!(outcome.exit, Exit::Code(6));
    assert_eq!(first.join().unwrap().exit, Exit::Code(6));
    assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
}

fn given(dir: &Path, submit: &str) -> Job {
    let mut job = job(dir, "");
    let scripts = ScriptsOfJob::new(|id| Ok(dispatch::JobScripts { check: None, kill: Some(format!("echo \"killed {id}\" >>kills")) }));
    job.launch = Launch::Given { script: "echo ran; echo 4 >rc\n".into(), submit: submit.into(), scripts };
    job
}

#[test]
fn a_given_command_runs_the_script_in_its_way() {
    let dir = tempfile::tempdir().unwrap();
    let control = Control::new("t5");
    let outcome = LocalRunner.run(&given(dir.path(), "bash script"), &control).unwrap();
    assert_eq!(outcome.exit, Exit::Code(4));
    assert_eq!(fs::read_to_string(dir.path().join("execution/stdout.background")).unwrap(), "ran\n");
    assert_eq!(dispatch::kept_job_id(&dir.path().join("execution")), control.job_id());
    assert_eq!(trace_given(&dir.path().join("execution")), Trace::Ended);
}

#[test]
fn a_given_command_that_fails_itself_is_told_from_its_task() {
    let status = |submit: &str| {
        let dir = tempfile::tempdir().unwrap();
        let outcome = LocalRunner.run(&given(dir.path(), submit), &Control::new("t6")).unwrap();
        (outcome.exit.number(), script::read_rc(&dir.path().join("execution/rc")))
    };
    assert_eq!(status("echo 'no such image' >&2; exit 125"), (-1, Some(-1)));
    assert_eq!(status("true"), (-1, Some(-1)));
    assert_eq!(status("exit 137"), (137, Some(137)));
    assert_eq!(status("kill -KILL $$"), (137, Some(137)));
}

#[test]
fn what_a_given_command_leaves_running_is_ended_by_its_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = given(dir.path(), "sleep 300");
    job.time_limit = Some(Duration::from_millis(100));
    let control = Control::new(format!("given-{}", std::process::id()));
    let outcome = LocalRunner.run(&job, &control).unwrap();
    assert_eq!(outcome.ended_by, Some(EndedBy::TimeLimit));
    let killed = fs::read_to_string(dir.path().join("execution/kills")).unwrap();
    assert_eq!(killed, format!("killed {}\n", control.job_id().unwrap()));
}

#[test]
fn the_time_limit_of_an_adopted_attempt_counts_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let marker = format!("adopted-limit-{}", std::process::id());
    let job_one = job(dir.path(), "sleep 300");
    let mut job_two = job_one.clone();
    (job_two.may_have_started, job_two.time_limit) = (true, Some(Duration::from_secs(1)));
    let first = Control::new(marker.clone());
    let running = {
        let first = Arc::clone(&first);
        thread::spawn(move || LocalRunner.run(&job_one, &first).unwrap())
    };
    let script = dir.path().join("execution/script");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !dir.path().join("execution/stderr").exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    // As if it had run for an hour already.
    let past = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&script).unwrap().set_modified(past).unwrap();
    let began = Instant::now();
    let outcome = LocalRunner.run(&job_two, &Control::new(marker)).unwrap();
    assert_eq!((outcome.ended_by, outcome.adopted), (Some(EndedBy::TimeLimit), true));
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    running.join().unwrap();
}
