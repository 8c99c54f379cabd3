//! `config` and `info`.

use crate::{
    commands::{kinds, login},
    config::{KEYS, OUR_KEYS, is_false, masked},
    failure::Failure,
    grammar::{help::VERSION, parse::Arguments},
    session::Session,
};

/// Shows settings, or changes those that are given.
///
/// # Errors
///
/// Values that are refused; those before them are kept.
pub fn config(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let given: Vec<(String, String)> = arguments.values().map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect();
    if given.is_empty() {
        return show(session, arguments.has("json"));
    }
    login::remember_endpoints(&mut session.config, arguments);
    if given.iter().any(|(k, _)| k == "endpoint" || k == "oss-endpoint") {
        session.config.save()?;
    }
    // What says how the service is reached comes first.
    let order = |key: &str| ["ssl", "verify", "networktype", "region"].iter().position(|k| *k == key).unwrap_or(usize::MAX);
    let mut given = given;
    given.sort_by_key(|(key, _)| order(key));
    for (key, value) in given {
        change(session, &key, &value)?;
    }
    session.terminal.good("done")
}

/// The version, and that of the original whose behaviour is kept.
///
/// # Errors
///
/// When nobody reads what is printed.
pub fn info(session: &mut Session, _: &Arguments) -> Result<(), Failure> {
    let title = session.terminal.paint.magenta("AliCloud BatchCompute Cli");
    session.terminal.line(format!("\n{title} {VERSION} (batchyard {})\n", env!("CARGO_PKG_VERSION")))
}

fn show(session: &mut Session, json: bool) -> Result<(), Failure> {
    let keys: Vec<&str> = KEYS.iter().chain(&OUR_KEYS).copied().collect();
    let shown = |key: &str, value: String| if matches!(key, "accesskeysecret" | "oss_key") { masked(&value) } else { value };
    let set: Vec<_> = keys.iter().filter_map(|key| Some((*key, shown(key, session.config.get(key)?)))).collect();
    if set.is_empty() && !session.config.exists() {
        return Err(Failure::told("You need to login first"));
    }
    if json {
        let map: serde_json::Map<_, _> = set.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        return super::print_thing(session, &map.into());
    }
    for (key, value) in set {
        let line = format!("{}: {}", session.terminal.paint.bold(key), session.terminal.paint.green(&value));
        session.terminal.line(line)?;
    }
    Ok(())
}

fn change(session: &mut Session, key: &str, value: &str) -> Result<(), Failure> {
    let off = is_false(value);
    match key {
        "region" => return change_region(session, value),
        "osspath" if !off => return change_oss_path(session, value),
        "osspath" => session.config.remove("osspath"),
        "locale" if !off && !["en", "zh", "zh_CN"].contains(&value) => return Err(Failure::told("Unsupported locale")),
        "locale" | "qsubuser" | "vpc_cidr_block" => {
            let fits = match key {
                "qsubuser" => value.chars().all(|c| c.is_ascii_alphanumeric()),
                "vpc_cidr_block" => value.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '/'),
                _ => true,
            };
            match (off, fits) {
                (true, _) => session.config.remove(key),
                (false, true) => session.config.set(key, value),
                (false, false) if key == "qsubuser" => {
                    return Err(Failure::told("Invalid qsubuser, it should consist of letters and numbers "));
                }
                (false, false) => return Err(Failure::told("Invalid vpc_cidr_block format")),
            }
        }
        "image" if off => session.config.remove("defaultimage"),
        "image" => session.config.set("defaultimage", value),
        "type" => return change_type(session, value, off),
        "ssl" if off => session.config.set("ssl", "false"),
        "ssl" => session.config.remove("ssl"),
        "verify" if off => session.config.set("insecure", "true"),
        "verify" => session.config.remove("insecure"),
        "god" if off => session.config.remove("god"),
        "god" => session.config.set("god", "1"),
        "version" => return change_version(session, value, off),
        "networktype" if matches!(value, "VPC" | "Public") => session.config.set("localhostnetworktype", value),
        "networktype" => {
            return Err(Failure::told(format!("Invalid networktype {value}, the value of networktype must be \"VPC\" or \"Public\"")));
        }
        _ => return Ok(()),
    }
    session.config.save()?;
    session.forget_connections();
    Ok(())
}

fn change_region(session: &mut Session, region: &str) -> Result<(), Failure> {
    session.config.set("region", region);
    session.forget_connections();
    login::try_service(session)?;
    session.config.save()?;
    login::defaults(session)?;
    login::check_oss_path(session)
}

/// A path counts when an empty object can be written to it and another one deleted.
fn change_oss_path(session: &mut Session, path: &str) -> Result<(), Failure> {
    let path = format!("{}/", path.trim_end_matches('/'));
    let place = session.location(&path)?;
    let store = session.store()?;
    let written = store.put(&place, &mut std::io::empty(), 0, String::new());
    let tried = written.and_then(|()| store.delete(&place.with_key(format!("{}tmp.txt", place.key))));
    tried.map_err(|why| {
        let missing = matches!(&why, Failure::Store { code, .. } if code == "NoSuchBucket");
        let hint = if missing { format!("\n  make it: bcs o mb oss://{}", place.bucket) } else { String::new() };
        Failure::told(format!("Invalid osspath {path}\n  {why}{hint}"))
    })?;
    session.config.set("osspath", &path);
    session.config.save()
}

fn change_type(session: &mut Session, kind: &str, off: bool) -> Result<(), Failure> {
    if off {
        session.config.remove("defaulttype");
    } else {
        let known = kinds::offered(session)?;
        if !known.on_demand.iter().chain(&known.spot).any(|t| t.name == kind) {
            return Err(Failure::told(format!("'{kind}' is invalid, type 'bcs t' for more")));
        }
        session.config.set("defaulttype", kind);
    }
    session.config.save()
}

fn change_version(session: &mut Session, version: &str, off: bool) -> Result<(), Failure> {
    if off {
        session.config.remove("version");
    } else {
        session.config.set("version", version);
        session.forget_connections();
        login::try_service(session).map_err(|why| Failure::told(format!("Invalid version {version}\n  {why}")))?;
    }
    session.config.save()?;
    session.forget_connections();
    Ok(())
}
