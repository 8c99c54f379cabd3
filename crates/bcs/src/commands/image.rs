//! Images.

use serde_json::json;

use super::{LIST_INDENT, column, created, each, print_list, print_thing, rows};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        table::{Table, cell},
        times,
    },
    reply::{Reply, pretty, spelled},
    session::Session,
};

/// `image`: the list, or one.
///
/// # Errors
///
/// The service's; so for all functions here.
pub fn show(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    match arguments.word("imageId|No.") {
        Some(word) => detail(session, arguments, word),
        None => list(session, arguments),
    }
}

fn list(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let service = session.service()?;
    let mut images = service.list(&["images"], &[("Type", "System")])?;
    images.extend(service.list(&["images"], &[])?);
    if arguments.wants_json() {
        return print_list(session, images);
    }
    session.cache.remember("images", &column(&images, "Id"))?;
    session.terminal.title("Images:")?;
    let mut table = Table::numbered(&["Id", "Name", "EcsImageId", "Platform", "Type", "CreationTime"]);
    for image in &images {
        let [id, name, ecs, platform, kind] = ["Id", "Name", "EcsImageId", "Platform", "Type"].map(|key| cell(image.at(key)));
        table.row([id, name, ecs, platform, kind, times::local(image.at("CreationTime"))]);
    }
    session.terminal.line(table.draw(session.terminal.paint))?;
    let paint = session.terminal.paint;
    let count = images.len();
    session.terminal.line(format!("{} {}", paint.green(&format!("Total: {count}")), paint.white(&rows(count))))?;
    session.terminal.note("\n  type \"bcs i <Id|No.>\" to show image detail")?;
    session.terminal.note("\n  using \"bcs set -i <Id>\" to set default image\n")
}

fn detail(session: &mut Session, arguments: &Arguments, word: &str) -> Result<(), Failure> {
    let id = session.id("images", word)?;
    let json = arguments.wants_json();
    if !arguments.has("json") {
        session.terminal.note(&format!("exec: bcs image {id}"))?;
    }
    let image = session.service()?.get(&["images", &id], &[])?;
    if json || arguments.has("description") {
        return print_thing(session, &image);
    }
    let paint = session.terminal.paint;
    let field = |name: &str, value: String| format!("{}: {value}", paint.blue(name));
    let plain = |key: &str| spelled(image.at(key));
    let mut table = Table::boxed();
    let platform = format!("{} ({})", plain("Platform"), plain("Type"));
    table.row([field("Id", plain("Id")), field("Name", plain("Name")), field("Platform", platform)]);
    let owner = format!("{} ({})", plain("OwnerId"), plain("Type"));
    let created = times::ago(image.at("CreationTime"), jiff::Timestamp::now());
    table.row([field("EcsImageId", plain("EcsImageId")), field("Created", created), field("OwnerId", owner)]);
    session.terminal.title("Image:")?;
    session.terminal.line(table.draw(paint))?;
    session.terminal.line(paint.blue("Description:"))?;
    session.terminal.line(image.text("Description"))
}

/// `create_image`.
///
/// # Errors
///
/// See [`show`].
pub fn create(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let ecs = arguments.needed("ecsImageId")?;
    if !ecs.starts_with("m-") {
        return Err(Failure::told(format!("Invalid ecsImageId: `{ecs}` does not begin with m-")));
    }
    let platform = match arguments.value("platform").map(str::to_lowercase).as_deref() {
        None | Some("linux") => "Linux",
        Some("windows") => "Windows",
        Some(_) => return Err(Failure::told("platform should be \"linux\" or \"windows\"")),
    };
    let body = json!({
        "Name": arguments.needed("imageName")?,
        "EcsImageId": ecs,
        "Platform": platform,
        "Description": arguments.value("description").unwrap_or_default(),
    });
    if arguments.has("show_json") {
        return session.terminal.line(pretty(&body, LIST_INDENT * 2));
    }
    let reply = session.service()?.post(&["images"], Some(&body))?;
    created(session, arguments, "Image create", &reply)
}

/// `delete_image`.
///
/// # Errors
///
/// See [`show`].
pub fn delete(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let ids = session.ids_to_change("images", arguments.needed("imageId")?)?;
    each(session, arguments, ("Delete", "images", "delete_image"), &ids, |session, id| {
        session.service()?.delete(&["images", id], &[]).map(drop)
    })
}
