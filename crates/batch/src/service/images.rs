//! Images: what a node or a task starts from. On this machine all of them are the machine itself, unless a task names a
//! container; they are kept so that what names them goes on working.

use batchyard_model::service_id;
use batchyard_store::{BatchWrite, ResourceKind, ResourceRecord};
use serde_json::{Value, json};

use super::{Page, Service, may_change, show::owner, tokens::Token};
use crate::{
    accounts::Caller,
    engine::now_ms,
    error::ApiError,
    time::iso,
    wire::{ImageDescription, Problems, parse},
};

/// Images that are everybody's: id, machine image, description.
const SYSTEM: [(&str, &str, &str); 4] = [
    ("img-ubuntu", "m-ubuntu", "this machine"),
    ("img-ubuntu-vpc", "m-ubuntu-vpc", "this machine"),
    ("img-gatk4", "m-gatk4", "this machine, with GATK 4 where it is installed"),
    ("img-sge", "m-sge", "this machine, as a node of a Grid Engine cluster"),
];

impl Service {
    /// Whether an image, or the machine image of one, is there for the caller.
    pub fn knows_image(&self, caller: &Caller, id: &str) -> bool {
        if SYSTEM.iter().any(|(image, machine, _)| *image == id || *machine == id) {
            return true;
        }
        let own = |record: &ResourceRecord| record.owner == caller.account;
        if self.store.load_resource(ResourceKind::Image, id).is_ok_and(|found| found.as_ref().is_some_and(own)) {
            return true;
        }
        let all = self.store.list_resources(ResourceKind::Image, Some(&caller.account), "", 1000).unwrap_or_default();
        all.iter().filter_map(describe).any(|image| image.ecs_image_id == id)
    }

    /// Registers an image. Its id.
    ///
    /// # Errors
    /// All that is wrong with it, or why it cannot be recorded.
    pub fn create_image(&self, caller: &Caller, body: &[u8], token: Option<&str>) -> Result<String, ApiError> {
        may_change(caller)?;
        let token = self.token(caller, "image", token, body)?;
        if let Token::Used(id) = token {
            return Ok(id);
        }
        let mut description: ImageDescription = parse(body)?;
        if description.platform.is_empty() {
            description.platform = "Linux".into();
        }
        let mut problems = Problems::default();
        description.check(&mut problems);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let limit = self.accounts.quota(&caller.account, "Images");
        let known = self.store.list_resources(ResourceKind::Image, Some(&caller.account), "", u32::try_from(limit).unwrap_or(u32::MAX))?;
        if known.len() as u64 >= limit {
            return Err(ApiError::quota("Images", limit));
        }
        let id = service_id("img");
        let record = ResourceRecord {
            kind: ResourceKind::Image,
            id: id.clone(),
            owner: caller.account.clone(),
            name: description.name.clone(),
            state: String::new(),
            version: 1,
            created_ms: now_ms(),
            doc: serde_json::to_string(&description).map_err(|e| ApiError::internal(e.to_string()))?,
        };
        let mut writes = vec![BatchWrite::InsertResource(record)];
        writes.extend(token.writes(&id));
        self.record(caller, "CreateImage", &id, writes)?;
        Ok(id)
    }

    /// A page of images: everybody's, or the caller's own.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn list_images(&self, caller: &Caller, system: bool, marker: &str, limit: u32) -> Result<Page, ApiError> {
        if system {
            let items = SYSTEM.iter().filter(|(id, ..)| *id > marker).map(show_system).collect();
            return Ok(Page { items, next: String::new() });
        }
        let mut found = self.store.list_resources(ResourceKind::Image, Some(&caller.account), marker, limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|record| record.id.clone()).unwrap_or_default();
        Ok(Page { items: found.iter().map(show).collect(), next })
    }

    /// An image.
    ///
    /// # Errors
    /// There is none for the caller.
    pub fn image(&self, caller: &Caller, id: &str) -> Result<Value, ApiError> {
        if let Some(system) = SYSTEM.iter().find(|(known, ..)| *known == id) {
            return Ok(show_system(system));
        }
        self.own_image(caller, id).map(|record| show(&record))
    }

    fn own_image(&self, caller: &Caller, id: &str) -> Result<ResourceRecord, ApiError> {
        let found = self.store.load_resource(ResourceKind::Image, id)?.filter(|record| record.owner == caller.account);
        found.ok_or_else(|| ApiError::not_found(&format!("image `{id}`")))
    }

    /// Removes an image.
    ///
    /// # Errors
    /// There is none of the caller's.
    pub fn delete_image(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        if SYSTEM.iter().any(|(known, ..)| *known == id) {
            return Err(ApiError::forbidden(format!("The image `{id}` is everybody's and cannot be deleted.")));
        }
        self.own_image(caller, id)?;
        Ok(self.record(caller, "DeleteImage", id, vec![BatchWrite::DeleteResource(ResourceKind::Image, id.into())])?)
    }
}

fn describe(record: &ResourceRecord) -> Option<ImageDescription> {
    serde_json::from_str(&record.doc).ok()
}

fn show_system((id, machine, description): &(&str, &str, &str)) -> Value {
    json!({
        "Id": id, "Name": id, "Type": "System", "Description": description, "EcsImageId": machine, "OwnerId": 0,
        "Platform": "Linux", "CreationTime": iso(Some(0)),
    })
}

fn show(record: &ResourceRecord) -> Value {
    let description = describe(record).unwrap_or_default();
    json!({
        "Id": record.id,
        "Name": record.name,
        "Type": "Self",
        "Description": description.description,
        "EcsImageId": description.ecs_image_id,
        "OwnerId": owner(&record.owner),
        "Platform": description.platform,
        "CreationTime": iso(Some(record.created_ms)),
    })
}
