//! Changing jobs.

use serde_json::{Value, json};

use super::{agreed, created, each, print_thing};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    session::{Session, read_text},
};

/// `create_job`: the description is sent as it is.
///
/// # Errors
///
/// A text that is not JSON, or the service's.
pub fn create(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (text, of) = match (arguments.word("jsonString"), arguments.filled("filePath")) {
        (Some(text), _) => (text.to_owned(), "the description".to_owned()),
        (None, Some(path)) => (read_text(&session.path(path))?, format!("`{path}`")),
        (None, None) => return Err(Failure::Argument("Invalid json string: give the description, or a file with -f".to_owned())),
    };
    let body: Value = serde_json::from_str(&text).map_err(|e| Failure::told(format!("{of} is not JSON: {e}")))?;
    if arguments.has("show_json") {
        return print_thing(session, &body);
    }
    let reply = session.service()?.post(&["jobs"], Some(&body))?;
    created(session, arguments, "Job created", &reply)
}

/// `restart_job`.
///
/// # Errors
///
/// The service's; so for all functions here.
pub fn restart(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let ids = session.ids_to_change("jobs", arguments.needed("jobId")?)?;
    each(session, arguments, ("Restart", "jobs", "restart_job"), &ids, |session, id| {
        session.service()?.post(&["jobs", id, "start"], None).map(drop)
    })
}

/// `stop_job`.
///
/// # Errors
///
/// See [`restart`].
pub fn stop(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let ids = session.ids_to_change("jobs", arguments.needed("jobId")?)?;
    each(session, arguments, ("Stop", "jobs", "stop_job"), &ids, |session, id| {
        session.service()?.post(&["jobs", id, "stop"], None).map(drop)
    })
}

/// `delete_job`.
///
/// # Errors
///
/// See [`restart`].
pub fn delete(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let ids = session.ids_to_change("jobs", arguments.needed("jobId")?)?;
    each(session, arguments, ("Delete", "jobs", "delete_job"), &ids, stop_and_delete)
}

/// Deletes a job whatever its state.
///
/// # Errors
///
/// See [`restart`].
pub fn stop_and_delete(session: &mut Session, id: &str) -> Result<(), Failure> {
    let service = session.service()?;
    match service.post(&["jobs", id, "stop"], None) {
        Err(failure) if !failure.is_code("StateConflict") => return Err(failure),
        _ => {}
    }
    service.delete(&["jobs", id], &[]).map(drop)
}

/// `update_job`.
///
/// # Errors
///
/// See [`restart`].
pub fn update(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let priority = arguments.value("priority").and_then(|p| p.parse::<u32>().ok()).filter(|p| (1..=1000).contains(p));
    let priority = priority.ok_or_else(|| Failure::told("Invalid priority, it should be in scope [1..1000]"))?;
    let id = session.id_to_change("jobs", arguments.needed("jobId")?)?;
    if agreed(session, arguments, &format!("Change priority of {id}"))? {
        session.service()?.put(&["jobs", &id], &json!({"Priority": priority}))?;
        session.terminal.good("done")?;
    }
    Ok(())
}
