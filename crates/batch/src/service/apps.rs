//! Apps: jobs with parameters, kept for use, with all their revisions.

use batchyard_store::{BatchWrite, ResourceKind, ResourceRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Page, Service, may_change};
use crate::{
    accounts::Caller,
    engine::now_ms,
    error::ApiError,
    reads_app,
    time::iso,
    wire::{AppDescription, Problems, parse},
};

/// Most revisions of an app that are kept; the oldest go first.
const MAX_REVISIONS: usize = 100;

/// All revisions of an app.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct AppDoc {
    revisions: Vec<Revision>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Revision {
    number: u64,
    at_ms: i64,
    description: AppDescription,
}

fn id_of(account: &str, name: &str) -> String {
    format!("{account}/{name}")
}

impl Service {
    /// Makes an app. Its name.
    ///
    /// # Errors
    /// All that is wrong with it, or that there is one of this name.
    pub fn create_app(&self, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
        may_change(caller)?;
        let description: AppDescription = parse(body)?;
        self.check_app(caller, &description)?;
        let limit = self.accounts.quota(&caller.account, "Apps");
        let known = self.store.list_resources(ResourceKind::App, Some(&caller.account), "", u32::try_from(limit).unwrap_or(u32::MAX))?;
        if known.len() as u64 >= limit {
            return Err(ApiError::quota("Apps", limit));
        }
        let (name, now) = (description.name.clone(), now_ms());
        let doc = AppDoc { revisions: vec![Revision { number: 0, at_ms: now, description }] };
        let record = ResourceRecord {
            kind: ResourceKind::App,
            id: id_of(&caller.account, &name),
            owner: caller.account.clone(),
            name: name.clone(),
            state: String::new(),
            version: 1,
            created_ms: now,
            doc: to_text(&doc)?,
        };
        self.record(caller, "CreateApp", &name, vec![BatchWrite::InsertResource(record)])?;
        Ok(name)
    }

    fn check_app(&self, caller: &Caller, description: &AppDescription) -> Result<(), ApiError> {
        let mut problems = Problems::default();
        description.check(&mut problems);
        if let Some(vm) = description.vm.as_ref().filter(|vm| !vm.ecs_image_id.is_empty()) {
            let text = format!("`{}` is no image: register it (`bcs create_image`), or take `img-ubuntu`", vm.ecs_image_id);
            problems.unless(self.knows_image(caller, &vm.ecs_image_id), "VM.ECSImageId", text);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
    }

    fn own_app(&self, caller: &Caller, name: &str) -> Result<(ResourceRecord, AppDoc), ApiError> {
        let absent = || ApiError::not_found(&format!("app `{name}`"));
        let record = self.store.load_resource(ResourceKind::App, &id_of(&caller.account, name))?.ok_or_else(absent)?;
        let doc: AppDoc = serde_json::from_str(&record.doc).map_err(|e| ApiError::internal(e.to_string()))?;
        Ok((record, doc))
    }

    /// Everybody's apps: those that this program carries out itself, and those that are jobs like others.
    fn public_apps(&self) -> Vec<AppDescription> {
        let mut apps = self.systems.apps();
        apps.push(reads_app::description(&self.picard_jar));
        apps
    }

    /// The newest revision of the app that a job names.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn app_of_job(&self, caller: &Caller, name: &str) -> Result<AppDescription, ApiError> {
        let absent = || ApiError::bad("InvalidParameter", format!("`App.AppName` names no app: there is no `{name}`"));
        if let Some(public) = public_name(name) {
            return self.public_apps().into_iter().find(|app| app.name == public).ok_or_else(absent);
        }
        let (_, doc) = self.own_app(caller, name).map_err(|error| if error.status == 404 { absent() } else { error })?;
        doc.revisions.into_iter().next_back().map(|revision| revision.description).ok_or_else(absent)
    }

    /// A page of apps.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn list_apps(&self, caller: &Caller, public: bool, marker: &str, limit: u32) -> Result<Page, ApiError> {
        if public {
            let items = self.public_apps().into_iter().filter(|app| app.name.as_str() > marker).map(|app| show_app(&app, 0)).collect();
            return Ok(Page { items, next: String::new() });
        }
        let after = if marker.is_empty() { String::new() } else { id_of(&caller.account, marker) };
        let mut found = self.store.list_resources(ResourceKind::App, Some(&caller.account), &after, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|record| record.name.clone()).unwrap_or_default();
        Ok(Page { items: found.iter().map(show).collect(), next })
    }

    /// An app, in short.
    ///
    /// # Errors
    /// There is none of the caller's.
    pub fn app(&self, caller: &Caller, name: &str, public: bool) -> Result<Value, ApiError> {
        if public {
            let found = self.public_apps().into_iter().find(|app| app.name == name);
            return found.map(|app| show_app(&app, 0)).ok_or_else(|| ApiError::not_found(&format!("public app `{name}`")));
        }
        self.own_app(caller, name).map(|(record, _)| show(&record))
    }

    /// A revision of an app; without a number the newest.
    ///
    /// # Errors
    /// There is none.
    pub fn app_detail(&self, caller: &Caller, name: &str, revision: &str) -> Result<Value, ApiError> {
        let (_, doc) = self.own_app(caller, name)?;
        let absent = || ApiError::not_found(&format!("revision `{revision}` of app `{name}`"));
        let found = match revision {
            "" => doc.revisions.last(),
            number => {
                let number: u64 = number.parse().map_err(|_| absent())?;
                doc.revisions.iter().find(|revision| revision.number == number)
            }
        };
        let found = found.ok_or_else(absent)?;
        serde_json::to_value(&found.description).map_err(|e| ApiError::internal(e.to_string()))
    }

    /// All revisions of an app.
    ///
    /// # Errors
    /// There is no such app.
    pub fn app_revisions(&self, caller: &Caller, name: &str) -> Result<Value, ApiError> {
        let (_, doc) = self.own_app(caller, name)?;
        let shown = doc.revisions.iter().map(|revision| json!({ "Revision": revision.number, "UpdateTime": iso(Some(revision.at_ms)) }));
        Ok(Value::Array(shown.collect()))
    }

    /// Makes a new revision: what is absent or empty stays as it was.
    ///
    /// # Errors
    /// There is no such app, or what is wrong with the change.
    pub fn change_app(&self, caller: &Caller, name: &str, body: &[u8]) -> Result<(), ApiError> {
        may_change(caller)?;
        let (record, mut doc) = self.own_app(caller, name)?;
        let given: Value = parse(body)?;
        let newest = doc.revisions.last().ok_or_else(|| ApiError::not_found(&format!("app `{name}`")))?;
        let mut whole = serde_json::to_value(&newest.description).map_err(|e| ApiError::internal(e.to_string()))?;
        merge(&mut whole, &given);
        let mut description: AppDescription = parse::from_value(whole)?;
        description.name = name.into();
        self.check_app(caller, &description)?;
        let number = newest.number + 1;
        doc.revisions.push(Revision { number, at_ms: now_ms(), description });
        let surplus = doc.revisions.len().saturating_sub(MAX_REVISIONS);
        doc.revisions.drain(..surplus);
        let record = ResourceRecord { doc: to_text(&doc)?, version: record.version + 1, ..record };
        Ok(self.record(caller, "ModifyApp", name, vec![BatchWrite::UpdateResource(record)])?)
    }

    /// Removes a revision, or the app with all of them.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_app(&self, caller: &Caller, name: &str, revision: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let (record, mut doc) = self.own_app(caller, name)?;
        let mut write = BatchWrite::DeleteResource(ResourceKind::App, record.id.clone());
        if !revision.is_empty() {
            let before = doc.revisions.len();
            doc.revisions.retain(|known| known.number.to_string() != revision);
            if doc.revisions.len() == before {
                return Err(ApiError::not_found(&format!("revision `{revision}` of app `{name}`")));
            }
            if !doc.revisions.is_empty() {
                write = BatchWrite::UpdateResource(ResourceRecord { doc: to_text(&doc)?, version: record.version + 1, ..record });
            }
        }
        Ok(self.record(caller, "DeleteApp", name, vec![write])?)
    }
}

fn to_text(doc: &AppDoc) -> Result<String, ApiError> {
    serde_json::to_string(doc).map_err(|e| ApiError::internal(e.to_string()))
}

/// Puts a change into a description. A client always sends empty parameters along; a machine given replaces a container,
/// and the other way round.
fn merge(whole: &mut Value, given: &Value) {
    let (Some(whole), Some(given)) = (whole.as_object_mut(), given.as_object()) else { return };
    for (key, value) in given {
        let keeps = ["InputParameters", "OutputParameters", "Config"].contains(&key.as_str());
        let empty = value.as_object().is_some_and(serde_json::Map::is_empty) || value.as_str() == Some("");
        if key == "Name" || empty && (keeps || key == "CommandLine") {
            continue;
        }
        let image = |field: &str| value.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        match key.as_str() {
            "VM" if image("ECSImageId") => drop(whole.remove("Docker")),
            "Docker" if image("Image") => drop(whole.remove("VM")),
            "VM" | "Docker" => continue,
            _ => {}
        }
        whole.insert(key.clone(), value.clone());
    }
}

/// The name of an app of everybody's, as jobs write it.
pub(super) fn public_name(name: &str) -> Option<&str> {
    name.strip_prefix(':').or_else(|| name.strip_prefix("Public:"))
}

fn show(record: &ResourceRecord) -> Value {
    let doc: AppDoc = serde_json::from_str(&record.doc).unwrap_or_default();
    let description = doc.revisions.into_iter().next_back().map(|revision| revision.description).unwrap_or_default();
    show_app(&AppDescription { name: record.name.clone(), ..description }, record.created_ms)
}

fn show_app(description: &AppDescription, created_ms: i64) -> Value {
    json!({
        "Name": description.name,
        "Description": description.description,
        "CreationTime": iso(Some(created_ms)),
        "InputParameters": description.input_parameters,
        "OutputParameters": description.output_parameters,
        "Config": description.config,
    })
}
