//! `login` and `logout`.

use serde_json::Value;

use crate::{
    cache::InstanceType,
    config::{Config, KEYS, OUR_KEYS},
    failure::Failure,
    grammar::parse::Arguments,
    reply::Reply,
    session::Session,
};

/// The image when none is set.
const DEFAULT_IMAGE: &str = "img-ubuntu";
/// The address range of private networks when none is set.
const DEFAULT_CIDR: &str = "192.168.0.0/16";

/// Tries region and key, then remembers them with the instance types.
///
/// # Errors
///
/// When the service refuses them; nothing is remembered then.
pub fn login(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let region = arguments.needed("region")?;
    let (id, secret) = keys(session, arguments)?;
    session.config.set("region", region);
    session.config.set("accesskeyid", &id);
    session.config.set("accesskeysecret", &secret);
    remember_endpoints(&mut session.config, arguments);
    session.forget_connections();
    try_service(session)?;
    let available = session.service()?.get(&["available"], &[])?;
    session.cache.remember_types(&types(&available))?;
    session.config.save()?;
    check_oss_path(session)?;
    defaults(session)?;
    session.terminal.good("login success")
}

/// Forgets everything.
///
/// # Errors
///
/// When the file cannot be written.
pub fn logout(session: &mut Session, _: &Arguments) -> Result<(), Failure> {
    if !session.config.exists() {
        return Ok(());
    }
    for key in KEYS.iter().chain(&OUR_KEYS) {
        session.config.remove(key);
    }
    session.config.save()
}

/// The smallest request that shows whether region and key are right.
///
/// # Errors
///
/// The service's.
pub fn try_service(session: &mut Session) -> Result<(), Failure> {
    session.service()?.get(&["jobs"], &[("Marker", ""), ("MaxItemCount", "1")]).map(drop)
}

/// Asks for what is missing of the key.
pub(super) fn keys(session: &mut Session, arguments: &Arguments) -> Result<(String, String), Failure> {
    if let (Some(id), Some(secret)) = (arguments.word("accessKeyId"), arguments.word("accessKeySecret")) {
        return Ok((id.to_owned(), secret.to_owned()));
    }
    let hint = "give accessKeyId and accessKeySecret after the region";
    let id = match arguments.word("accessKeyId") {
        Some(id) => id.to_owned(),
        None => session.terminal.ask("input accessKeyId: ", hint)?,
    };
    Ok((id, session.terminal.secret("and accessKeySecret: ", hint)?))
}

/// Remembers where the service and the store are, if it was said.
pub(super) fn remember_endpoints(config: &mut Config, arguments: &Arguments) {
    for (option, key) in [("endpoint", "endpoint"), ("oss-endpoint", "oss_endpoint")] {
        match arguments.value(option) {
            Some(value) if crate::config::is_false(value) => config.remove(key),
            Some(value) => config.set(key, value.trim_end_matches('/')),
            None => {}
        }
    }
}

/// Warns when the default path is missing or cannot be listed.
pub(super) fn check_oss_path(session: &mut Session) -> Result<(), Failure> {
    let Ok(path) = session.config.oss_path() else {
        return session.terminal.warn("default osspath is recommended to set, use: \"bcs set -o <osspath>");
    };
    let place = session.location(&path)?;
    if session.store()?.list(&place, "/").is_err() {
        session.terminal.warn("You need to change osspath too: bcs set -o <osspath>")?;
    }
    Ok(())
}

/// Fills in what most commands need.
pub(super) fn defaults(session: &mut Session) -> Result<(), Failure> {
    let warn = |session: &mut Session, text: String| {
        let text = session.terminal.paint.yellow(&format!("\n  [WARN]: {text}"));
        session.terminal.line(text)
    };
    if session.config.get("defaultimage").is_none() {
        session.config.set("defaultimage", DEFAULT_IMAGE);
        warn(session, format!("defaultimage: {DEFAULT_IMAGE}"))?;
    }
    if session.config.get("defaulttype").is_none() {
        session.terminal.warn("defaulttype is recommended to set, use: \"bcs set -t <instance_type>\", and type \"bcs t\" to see more")?;
    }
    if session.config.get("vpc_cidr_block").is_none() {
        session.config.set("vpc_cidr_block", DEFAULT_CIDR);
        warn(session, format!("default vpc_cidr_block: {DEFAULT_CIDR}"))?;
    }
    session.config.save()
}

fn types(available: &Value) -> Vec<InstanceType> {
    let lists = ["AvailableClusterInstanceType", "AvailableSpotInstanceType"].map(|key| available.list(key));
    let number = |value: &Value, key: &str| value.at(key).as_f64().or_else(|| value.text(key).parse().ok()).unwrap_or(0.0);
    let all = lists.into_iter().flatten();
    all.map(|t| InstanceType { name: t.text("InstanceType"), cpu: number(t, "CpuCore"), memory: number(t, "MemorySize") })
        .filter(|t| !t.name.is_empty())
        .collect()
}
