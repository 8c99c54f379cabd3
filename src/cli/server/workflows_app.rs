//! The app `:cromwell`: a job that carries out a WDL workflow whose documents and data lie in the object store.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use batchyard_batch::{
    Accounts,
    instance::Access,
    system::{self, SystemCall, Systems},
    wire::{AppDescription, Parameter, app::Vm, mounts::is_stored},
};
use batchyard_cromwell::{
    metadata::{self, Context, Filter, Query},
    service::{Service, ServiceError},
    submission::{Parts, Submission},
};
use batchyard_model::{RunId, RunState, Shard};
use batchyard_runner::User;
use batchyard_store::{Parentage, RunFilter};
use serde_json::{Value as Json, json};

use super::{billing, job_provider::BCS, workflow_tree};
use crate::files::on_behalf_of;

/// Name of the app.
const APP: &str = "cromwell";
/// Name of the object that tells about the workflow.
const METADATA: &str = "workflow_metadata.json";
/// Options that name folders of this machine.
const FOLDER_OPTIONS: [&str; 3] = ["final_workflow_outputs_dir", "final_workflow_log_dir", "final_call_logs_dir"];
/// Longest document, in bytes.
const MAX_DOCUMENT: u64 = 64 << 20;
/// Pause between two looks at a workflow.
const PAUSE: Duration = Duration::from_millis(100);

/// Everybody's apps, carried out by the server for workflows of the same process.
#[derive(Default)]
pub struct WorkflowsApp {
    service: OnceLock<Arc<Service>>,
    accounts: OnceLock<Arc<Accounts>>,
}

impl WorkflowsApp {
    /// From now on workflows are carried out by this service.
    pub fn use_service(&self, service: &Arc<Service>) {
        // Set once, when the server starts.
        let _ = self.service.set(Arc::clone(service));
    }

    /// Says who the accounts are.
    pub fn use_accounts(&self, accounts: &Arc<Accounts>) {
        // Set once, when the server starts.
        let _ = self.accounts.set(Arc::clone(accounts));
    }

    /// The user that calls of an account run as, if it is not the server's own.
    fn user(&self, account: &str) -> Result<Option<User>, String> {
        let Some(accounts) = self.accounts.get() else { return Ok(None) };
        accounts.user(account).map_err(|error| error.to_string())
    }

    fn service(&self) -> Arc<Service> {
        loop {
            match self.service.get() {
                Some(service) => return Arc::clone(service),
                // Jobs of earlier servers are taken up before workflows are.
                None => thread::sleep(PAUSE),
            }
        }
    }
}

impl Systems for WorkflowsApp {
    fn apps(&self) -> Vec<AppDescription> {
        vec![description()]
    }

    fn run(&self, _: &str, call: &SystemCall<'_>) -> Result<(), String> {
        let service = self.service();
        let id = run_of(call);
        let mut log = Log::new(call.dir);
        let user = self.user(&call.access.account)?;
        let known = service.store().load_run(id).map_err(|e| e.to_string())?;
        if known.is_none() {
            let submission = submission(call, id, user.as_ref())?;
            service.submit(submission, false).map_err(|e| e.to_string())?;
            log.line(&format!("workflow {id} was submitted"));
        }
        let state = wait(&service, id, call, &mut log)?;
        log.line(&format!("workflow {id} is {state}"));
        keep(&service, id, call, user.as_ref(), &mut log)?;
        if state == RunState::Succeeded {
            return Ok(());
        }
        let failures = failures(&service, id);
        log.error(&failures);
        Err(format!("the workflow {id} is {state}: {}", failures.lines().next().unwrap_or_default()))
    }
}

/// Parameters and settings, as the original's clients expect them.
fn description() -> AppDescription {
    let input = |default: Json, description: &str| Parameter { default, description: description.into(), ..Parameter::default() };
    AppDescription {
        name: APP.into(),
        description: "Carries out a WDL workflow".into(),
        command_line: "cromwell".into(),
        vm: Some(Vm { ecs_image_id: "img-ubuntu".into() }),
        input_parameters: [
            ("WDL", input(Json::Null, "the workflow's document")),
            ("WORKFLOW_INPUTS", input(json!(""), "its inputs, JSON")),
            ("WORKFLOW_OPTIONS", input(json!(""), "its options, JSON")),
            ("WORKFLOW_DEPENDENCIES", input(json!(""), "documents that it imports, a zip archive")),
            ("WORKING_DIR", input(Json::Null, "prefix for the files of its calls")),
        ]
        .map(|(name, parameter)| (name.to_owned(), parameter))
        .into(),
        output_parameters: system::outputs("/home/outputs/", "prefix for `workflow_metadata.json`"),
        config: system::config(),
        ..AppDescription::default()
    }
}

/// The workflow of a job. It depends on the job and the attempt alone, so that the next server finds it.
fn run_of(call: &SystemCall<'_>) -> RunId {
    RunId::of_child(RunId::none(), call.job.as_str(), &Shard::default().child(call.attempt))
}

fn submission(call: &SystemCall<'_>, id: RunId, user: Option<&User>) -> Result<Submission, String> {
    let value = |name: &str| call.values.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let mut parts: Parts = HashMap::new();
    let wdl = value("WDL").ok_or("`WDL` is missing")?;
    parts.insert("workflowSource".into(), document(call.access, "WDL", wdl)?.into());
    for (name, part) in
        [("WORKFLOW_INPUTS", "workflowInputs"), ("WORKFLOW_OPTIONS", "workflowOptions"), ("WORKFLOW_DEPENDENCIES", "workflowDependencies")]
    {
        if let Some(url) = value(name) {
            parts.insert(part.into(), document(call.access, name, url)?.into());
        }
    }
    let options = parts.get("workflowOptions").map(|text| text.to_vec()).unwrap_or_default();
    if let Some(user) = user {
        check_options(&options, user)?;
    }
    parts.insert("workflowOptions".into(), as_jobs(options).into());
    parts.insert("requestedWorkflowId".into(), id.to_string().into());
    parts.insert("labels".into(), json!({ "batchcompute-job": call.job.as_str() }).to_string().into());
    let submission = Submission::read(&parts, Default::default()).map_err(|problems| problems.join("\n"))?;
    Ok(Submission { on_behalf: Some(on_behalf_of(call.access)), ..submission })
}

/// The server writes to these folders as its own user, which somebody whose calls run as another one must not make use of.
fn check_options(options: &[u8], user: &User) -> Result<(), String> {
    // What is no JSON is told by whoever reads it.
    let given: Json = serde_json::from_slice(options).unwrap_or_default();
    match FOLDER_OPTIONS.iter().find(|name| given.get(**name).is_some_and(|value| !value.is_null())) {
        Some(name) => Err(format!(
            "the option `{name}` cannot be used: calls of this account run as user `{}`; give the job a `WORKING_DIR`",
            user.name
        )),
        None => Ok(()),
    }
}

/// Options with which each call is a job, unless they say where calls run. What is no JSON is told by whoever reads it.
fn as_jobs(options: Vec<u8>) -> Vec<u8> {
    let text = if options.is_empty() { b"{}".to_vec() } else { options };
    let Ok(Json::Object(mut map)) = serde_json::from_slice::<Json>(&text) else { return text };
    map.entry("backend").or_insert_with(|| BCS.into());
    Json::Object(map).to_string().into_bytes()
}

fn document(access: &Access, name: &str, url: &str) -> Result<Vec<u8>, String> {
    if !is_stored(url) {
        return Err(format!("`{name}` must be an address like `oss://bucket/key`, not `{url}`"));
    }
    let mut document = Vec::new();
    let opened = access.open(url).map_err(|e| format!("`{name}`: {e}"))?;
    opened.take(MAX_DOCUMENT + 1).read_to_end(&mut document).map_err(|e| format!("`{name}`: cannot read `{url}`: {e}"))?;
    if document.len() as u64 > MAX_DOCUMENT { Err(format!("`{name}`: `{url}` has more than {MAX_DOCUMENT} bytes")) } else { Ok(document) }
}

/// Waits for the end of the workflow, which is aborted when the job is stopped.
fn wait(service: &Arc<Service>, id: RunId, call: &SystemCall<'_>, log: &mut Log) -> Result<RunState, String> {
    let mut asked = false;
    loop {
        // Without its documents, which may be large.
        let this = RunFilter { ids: vec![id], parent: Parentage::Any, ..RunFilter::default() };
        let found = service.store().list_runs(&this).map_err(|e| e.to_string())?;
        let state = found.first().ok_or("the workflow's record is gone")?.state;
        if state.is_terminal() {
            return Ok(state);
        }
        if call.control.ended_by().is_some() && !asked {
            asked = true;
            log.line("the job is ended: the workflow is aborted");
            match service.abort(id) {
                // It has just ended by itself.
                Ok(_) | Err(ServiceError::NotInProgress(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Stores metadata and the files of outputs.
fn keep(service: &Arc<Service>, id: RunId, call: &SystemCall<'_>, user: Option<&User>, log: &mut Log) -> Result<(), String> {
    let run = service.store().load_run(id).map_err(|e| e.to_string())?.ok_or("the workflow's record is gone")?;
    let mut text = Vec::new();
    metadata::write(context(service), id, &Query::default(), &mut text).map_err(|e| format!("the metadata cannot be read: {e}"))?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let place = call.values.get("WORKING_DIR").filter(|url| is_stored(url));
    // One that could not begin has no folder.
    if let Some(place) = place.filter(|_| Path::new(&run.dir).is_dir()) {
        let there = format!("{}/{}/{id}", place.trim_end_matches('/'), run.name);
        call.access.write(&there).map_err(|e| e.to_string())?;
        let count = workflow_tree::store(call.access, user, Path::new(&run.dir), &there)?;
        log.line(&format!("stored {count} files below {there}/"));
        // What was stored is named by its place there.
        text = text.replace(&begin_of(&format!("{}/", run.dir)), &begin_of(&format!("{there}/")));
    }
    if let Some(prefix) = call.values.get("OUTPUTS_DIR").filter(|url| is_stored(url)) {
        // The whole bucket may be meant.
        let prefix = if prefix.matches('/').count() == 2 { format!("{prefix}/") } else { prefix.clone() };
        let path = call.dir.join(METADATA);
        fs::write(&path, billing::with_clusters(&text)).map_err(|e| format!("cannot write `{}`: {e}", path.display()))?;
        call.access.put_file(&path, &format!("{prefix}{METADATA}")).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// How a text that begins like this begins in JSON.
fn begin_of(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted.strip_suffix('"').unwrap_or(&quoted).to_owned()
}

/// What views are made from.
fn context(service: &Service) -> Context<'_> {
    Context { store: service.store(), options: service.options() }
}

fn failures(service: &Arc<Service>, id: RunId) -> String {
    let filter = Filter { include: vec!["failures".into()], ..Filter::default() };
    let query = Query { filter, ..Query::default() };
    let mut text = Vec::new();
    let read = metadata::write(context(service), id, &query, &mut text);
    let document: Json = read.ok().and_then(|()| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut messages = Vec::new();
    messages_of(document.get("failures").unwrap_or(&Json::Null), &mut messages);
    messages.join("\n")
}

fn messages_of(value: &Json, messages: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| messages_of(item, messages)),
        Json::Object(map) => {
            if let Some(cause) = map.get("causedBy").filter(|cause| cause.as_array().is_some_and(|causes| !causes.is_empty())) {
                messages_of(cause, messages);
            } else if let Some(message) = map.get("message").and_then(Json::as_str) {
                messages.push(message.to_owned());
            }
        }
        _ => {}
    }
}

/// Standard output and standard error of the job.
struct Log {
    out: PathBuf,
    err: PathBuf,
}

impl Log {
    fn new(dir: &Path) -> Self {
        let log = Log { out: dir.join("stdout"), err: dir.join("stderr") };
        // Both are there, even when there is nothing to say.
        log.append(&log.out, "");
        log.append(&log.err, "");
        log
    }

    fn line(&mut self, text: &str) {
        self.append(&self.out, &format!("{text}\n"));
    }

    fn error(&mut self, text: &str) {
        self.append(&self.err, &format!("{text}\n"));
    }

    fn append(&self, path: &Path, text: &str) {
        let add = || -> io::Result<()> {
            io::Write::write_all(&mut fs::OpenOptions::new().create(true).append(true).open(path)?, text.as_bytes())
        };
        // A log that cannot be written changes nothing about the workflow.
        let _ = add();
    }
}
