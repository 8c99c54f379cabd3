//! From a method and a path to what is done.

use serde_json::{Value, json};

use super::Asked;
use crate::{
    accounts::Caller,
    error::ApiError,
    service::{Page, Service, look::JobQuery},
};

/// Items of a page where nothing is said.
const DEFAULT_PAGE: u32 = 50;
/// Items of a page at most.
const MAX_PAGE: u32 = 200;

/// What a client gets.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its body, if it has one.
    pub body: Option<Value>,
}

impl Answer {
    fn made(id: &str) -> Result<Answer, ApiError> {
        Ok(Answer { status: 201, body: Some(json!({ "Id": id })) })
    }

    fn done(status: u16) -> Result<Answer, ApiError> {
        Ok(Answer { status, body: Some(json!({})) })
    }

    fn gone() -> Result<Answer, ApiError> {
        Ok(Answer { status: 204, body: None })
    }

    fn shown(body: Value) -> Result<Answer, ApiError> {
        Ok(Answer { status: 200, body: Some(body) })
    }

    fn page(page: Page) -> Result<Answer, ApiError> {
        Self::shown(json!({ "Items": page.items, "NextMarker": page.next }))
    }
}

/// What page of a list is wanted.
struct Paging<'a> {
    marker: &'a str,
    limit: u32,
}

/// Does what a request asks for.
///
/// # Errors
/// Why it was not done.
pub fn answer(service: &Service, caller: &Caller, asked: &Asked) -> Result<Answer, ApiError> {
    let path = asked.path.trim_matches('/');
    let parts: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
    match parts.as_slice() {
        ["jobs", rest @ ..] => jobs(service, caller, asked, rest),
        ["clusters", rest @ ..] => clusters(service, caller, asked, rest),
        ["images", rest @ ..] => images(service, caller, asked, rest),
        ["apps", rest @ ..] => apps(service, caller, asked, rest),
        ["quotas"] => match asked.method.as_str() {
            "GET" => Answer::shown(service.quotas(caller)),
            _ => Err(wrong_method(asked)),
        },
        ["available"] => match asked.method.as_str() {
            "GET" => Answer::shown(service.available()),
            _ => Err(wrong_method(asked)),
        },
        _ => Err(unknown(asked)),
    }
}

fn jobs(service: &Service, caller: &Caller, asked: &Asked, rest: &[&str]) -> Result<Answer, ApiError> {
    let query = &asked.query;
    match (asked.method.as_str(), rest) {
        ("POST", []) if query.is_set("sync") => Answer::shown(service.run_job(caller, &asked.body, query.get("IdempotentToken"))?),
        ("POST", []) => Answer::made(&service.create_job(caller, &asked.body, query.get("IdempotentToken"))?),
        ("GET", []) => {
            let paging = paging(asked)?;
            Answer::page(service.list_jobs(caller, &job_query(asked), paging.marker, paging.limit)?)
        }
        ("GET", [id]) if query.is_set("description") => Answer::shown(service.job_description(caller, id)?),
        ("GET", [id]) => Answer::shown(service.job(caller, id)?),
        ("PUT", [id]) => service.set_priority(caller, id, &asked.body).and_then(|()| Answer::done(200)),
        ("POST", [id, "stop"]) => service.stop_job(caller, id).and_then(|()| Answer::done(201)),
        ("POST", [id, "start"]) => service.start_job(caller, id).and_then(|()| Answer::done(201)),
        ("DELETE", [id]) => service.delete_job(caller, id).and_then(|()| Answer::gone()),
        ("GET", [id, "tasks"]) => {
            let paging = paging(asked)?;
            Answer::page(service.list_tasks(caller, id, &job_query(asked), paging.marker, paging.limit)?)
        }
        ("GET", [id, "tasks", task]) => Answer::shown(service.task(caller, id, task)?),
        ("GET", [id, "tasks", task, "instances"]) => {
            let paging = paging(asked)?;
            let state = query.get("State").filter(|state| !state.is_empty());
            Answer::page(service.list_instances(caller, id, task, state, paging.marker, paging.limit)?)
        }
        ("GET", [id, "tasks", task, "instances", number]) => Answer::shown(service.instance(caller, id, task, number)?),
        (
            _,
            [] | [_] | [_, "stop" | "start" | "tasks"] | [_, "tasks", _] | [_, "tasks", _, "instances"] | [_, "tasks", _, "instances", _],
        ) => Err(wrong_method(asked)),
        _ => Err(unknown(asked)),
    }
}

fn clusters(service: &Service, caller: &Caller, asked: &Asked, rest: &[&str]) -> Result<Answer, ApiError> {
    match (asked.method.as_str(), rest) {
        ("POST", []) => Answer::made(&service.create_cluster(caller, &asked.body, asked.query.get("IdempotentToken"))?),
        ("GET", []) => {
            let paging = paging(asked)?;
            Answer::page(service.list_clusters(caller, paging.marker, paging.limit))
        }
        ("GET", [id]) => Answer::shown(service.cluster(caller, id)?),
        ("PUT", [id]) => service.change_cluster(caller, id, &asked.body).and_then(|()| Answer::done(200)),
        ("DELETE", [id]) => service.delete_cluster(caller, id).and_then(|()| Answer::gone()),
        ("GET", [id, "groups", group, "instances"]) => {
            let paging = paging(asked)?;
            Answer::page(service.list_nodes(caller, id, group, paging.marker, paging.limit)?)
        }
        ("GET", [id, "groups", group, "instances", node]) => Answer::shown(service.node(caller, id, group, node)?),
        ("POST", [id, "groups", group, "instances", node, "recreate"]) => {
            service.remove_node(caller, id, group, node, true).and_then(|()| Answer::done(201))
        }
        ("DELETE", [id, "groups", group, "instances", node]) => {
            service.remove_node(caller, id, group, node, false).and_then(|()| Answer::gone())
        }
        (_, [] | [_] | [_, "groups", _, "instances"] | [_, "groups", _, "instances", _] | [_, "groups", _, "instances", _, "recreate"]) => {
            Err(wrong_method(asked))
        }
        _ => Err(unknown(asked)),
    }
}

fn images(service: &Service, caller: &Caller, asked: &Asked, rest: &[&str]) -> Result<Answer, ApiError> {
    match (asked.method.as_str(), rest) {
        ("POST", []) => Answer::made(&service.create_image(caller, &asked.body, asked.query.get("IdempotentToken"))?),
        ("GET", []) => {
            let paging = paging(asked)?;
            Answer::page(service.list_images(caller, asked.query.text("Type") == "System", paging.marker, paging.limit)?)
        }
        ("GET", [id]) => Answer::shown(service.image(caller, id)?),
        ("DELETE", [id]) => service.delete_image(caller, id).and_then(|()| Answer::gone()),
        (_, [] | [_]) => Err(wrong_method(asked)),
        _ => Err(unknown(asked)),
    }
}

fn apps(service: &Service, caller: &Caller, asked: &Asked, rest: &[&str]) -> Result<Answer, ApiError> {
    let query = &asked.query;
    let public = query.text("Scope") == "Public";
    match (asked.method.as_str(), rest) {
        ("POST", []) => {
            let name = service.create_app(caller, &asked.body)?;
            Ok(Answer { status: 201, body: Some(json!({ "Name": name })) })
        }
        ("GET", []) => {
            let paging = paging(asked)?;
            Answer::page(service.list_apps(caller, public, paging.marker, paging.limit)?)
        }
        ("GET", [name]) if query.is_set("Revisions") => Answer::shown(service.app_revisions(caller, name)?),
        ("GET", [name]) if query.is_set("Detail") => Answer::shown(service.app_detail(caller, name, query.text("Qualifier"))?),
        ("GET", [name]) => Answer::shown(service.app(caller, name, public)?),
        ("PUT", [name]) => service.change_app(caller, name, &asked.body).and_then(|()| Answer::done(200)),
        ("DELETE", [name]) => service.delete_app(caller, name, query.text("Qualifier")).and_then(|()| Answer::gone()),
        (_, [] | [_]) => Err(wrong_method(asked)),
        _ => Err(unknown(asked)),
    }
}

fn job_query(asked: &Asked) -> JobQuery {
    let text = |name: &str| asked.query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    JobQuery {
        state: text("State"),
        cluster: text("ClusterId"),
        project: text("ProjectId"),
        order_by: text("OrderBy"),
        reverse: asked.query.get("IsReverse").is_some_and(|value| value.eq_ignore_ascii_case("true")),
    }
}

/// The first page may be asked for with nothing, an empty marker, or zero.
fn paging(asked: &Asked) -> Result<Paging<'_>, ApiError> {
    let marker = Some(asked.query.text("Marker")).filter(|marker| *marker != "0").unwrap_or_default();
    let limit = match asked.query.text("MaxItemCount") {
        "" => DEFAULT_PAGE,
        text => {
            let number: Option<u32> = text.parse().ok().filter(|number| *number > 0);
            let wrong = || ApiError::bad("InvalidMaxItemCount", format!("`MaxItemCount` must be a number from 1, not `{text}`"));
            number.ok_or_else(wrong)?.min(MAX_PAGE)
        }
    };
    Ok(Paging { marker, limit })
}

fn unknown(asked: &Asked) -> ApiError {
    ApiError::bad("InvalidUrlPattern", format!("There is nothing at `{}`.", asked.path))
}

fn wrong_method(asked: &Asked) -> ApiError {
    ApiError::bad("MethodNotAllowed", format!("`{}` cannot be done with `{}`.", asked.method, asked.path))
}
