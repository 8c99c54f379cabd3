//! `project`: a folder with `job.json`, `project.json` and `src`.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    agreed, created, generate,
    package::{self, PACKAGE},
};
use crate::{
    config::is_false,
    failure::Failure,
    grammar::parse::Arguments,
    notation::{
        cluster::{self, Place},
        docker,
    },
    reply::{Reply, pretty},
    session::{Session, read_text},
    templates::Kind,
};

pub use super::project_status::status;

/// `project create`.
///
/// # Errors
///
/// A folder that exists, files that cannot be written, or the service's; so for all functions here.
pub fn create(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let name = arguments.needed("project_name")?;
    let target = session.path(arguments.word("location").unwrap_or(".")).join(name);
    let kind = match arguments.filled("job") {
        Some(job) => {
            let job = session.id("jobs", job)?;
            of_job(session, &job, &target)?
        }
        None => {
            let kind = arguments.filled("type").unwrap_or("empty").to_lowercase();
            let template = Kind::named(&kind).filter(|k| k.is_job()).ok_or_else(|| Failure::told(format!("Invalid type: {kind}")))?;
            generate::write_files(session, template, &target, None)?;
            generate::fill_job(session, &target.join("job.json"))?;
            kind
        }
    };
    session.terminal.line(format!("create {name} project [{kind}] at: {}", target.display()))?;
    session.terminal.good("Done")?;
    session.terminal.note(&format!("Type \"cd {name} && bcs p st\" to show project detail\n"))
}

/// Makes a project of a job and the package of its first task that has one.
fn of_job(session: &mut Session, id: &str, target: &std::path::Path) -> Result<String, Failure> {
    let description = session.service()?.get(&["jobs", id], &[("description", "")])?;
    let source = target.join("src");
    fs::create_dir_all(&source).map_err(Failure::file("make", &source))?;
    write(target.join("job.json"), &pretty(&description, 2))?;
    let commands = description.at("DAG").at("Tasks").entries().map(|(_, task)| task.at("Parameters").at("Command"));
    let commands: Vec<Value> = commands.cloned().collect();
    let packaged = commands.iter().find(|c| !c.text("PackagePath").is_empty());
    let line = packaged.or(commands.first()).map(|c| c.text("CommandLine")).unwrap_or_default();
    let kind = ["java", "python"].into_iter().find(|k| line.contains(&format!("{k} "))).unwrap_or("shell");
    write(target.join("project.json"), &pretty(&json!({"type": kind, "tar_src": {"base": "src", "files": ["*", "*/*"]}}), 2))?;
    if let Some(command) = packaged {
        let place = session.location(&command.text("PackagePath"))?;
        let file = target.join(PACKAGE);
        session.transfer(false, |transfers, out| transfers.download(&place, &file, out))?;
        let packed = fs::File::open(&file).map_err(Failure::file("read", &file))?;
        // The library keeps everything below the folder.
        tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(&source).map_err(Failure::file("unpack", &file))?;
    }
    Ok(kind.to_owned())
}

/// The two files of the project in the working directory.
///
/// # Errors
///
/// The original's text when one is missing.
pub fn open(session: &Session) -> Result<(Value, Value), Failure> {
    let read = |name: &str| {
        let path = session.folder.join(name);
        if !path.exists() {
            return Err(Failure::told("This is not a BatchCompute project folder"));
        }
        serde_json::from_str(&read_text(&path)?).map_err(|e| Failure::told(format!("`{name}` is not JSON: {e}")))
    };
    Ok((read("project.json")?, read("job.json")?))
}

/// `project build`: runs the build script and packs what `tar_src` names.
///
/// # Errors
///
/// See [`create`]; a script that fails.
pub fn build(session: &mut Session, _: &Arguments) -> Result<(), Failure> {
    let (project, _) = open(session)?;
    build_project(session, &project)?;
    session.terminal.good("Done")
}

fn build_project(session: &mut Session, project: &Value) -> Result<(), Failure> {
    let (script, packed) = (project.text("build_script"), project.at("tar_src"));
    if script.is_empty() && packed.is_blank() {
        return Err(Failure::told("Cannot found build_script or tar_src in project.json"));
    }
    if !script.is_empty() {
        session.terminal.flush()?;
        run_script(session, &script)?;
    }
    if packed.is_blank() {
        return Ok(());
    }
    let base = session.folder.join(packed.text("base"));
    let patterns: Vec<String> = packed.list("files").iter().filter_map(|f| f.as_str().map(str::to_owned)).collect();
    let files = package::files_of(&base)?;
    let kept: Vec<_> = files.into_iter().filter(|(_, name)| patterns.is_empty() || patterns.iter().any(|p| covers(p, name))).collect();
    for (_, name) in &kept {
        session.terminal.line(format!("add {name}"))?;
    }
    package::write(&session.folder.join(PACKAGE), &kept)
}

#[expect(clippy::disallowed_methods, reason = "the person's own build script runs here, in the person's own shell; no task does")]
fn run_script(session: &Session, script: &str) -> Result<(), Failure> {
    let status = std::process::Command::new("sh").arg("-c").arg(script).current_dir(&session.folder).status();
    let status = status.map_err(Failure::file("run", "sh"))?;
    if status.success() { Ok(()) } else { Err(Failure::told(format!("build_script `{script}` ended with {status}"))) }
}

/// Whether a pattern of path parts covers a file, or a folder that holds it.
fn covers(pattern: &str, name: &str) -> bool {
    let mut parts = name.split('/');
    pattern.split('/').all(|wanted| parts.next().is_some_and(|part| part_fits(wanted, part)))
}

/// `*` stands for any letters but those of a hidden file's point.
fn part_fits(pattern: &str, part: &str) -> bool {
    if part.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut pieces = pattern.split('*');
    let Some(mut rest) = part.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// `project submit`: checks, uploads, fills in paths, submits.
///
/// # Errors
///
/// See [`create`].
pub fn submit(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (project, mut job) = open(session)?;
    let wrong = super::project_status::problems(session, &job);
    if !wrong.is_empty() {
        let text = session.terminal.paint.yellow(&format!("WARNING:\n{}", wrong.join("\n")));
        session.terminal.line(text)?;
        if !agreed(session, arguments, "Submit it all the same")? {
            return Ok(());
        }
    }
    if !session.folder.join(PACKAGE).exists() {
        build_project(session, &project)?;
    }
    let base = format!("{}{}", session.config.oss_path()?, uuid::Uuid::new_v4());
    let url = format!("{base}/{PACKAGE}");
    let package = session.folder.join(PACKAGE);
    package::upload(session, &package, &url)?;
    for (_, task) in job.pointer_mut("/DAG/Tasks").and_then(Value::as_object_mut).into_iter().flat_map(|t| t.iter_mut()) {
        let parameters = &mut task["Parameters"];
        if parameters.at("Command").text("PackagePath").is_empty() {
            parameters["Command"]["PackagePath"] = json!(url);
        }
        for key in ["StdoutRedirectPath", "StderrRedirectPath"] {
            if parameters.text(key).is_empty() {
                parameters[key] = json!(format!("{base}/logs/"));
            }
        }
    }
    write(session.folder.join("job.json"), &pretty(&job, 2))?;
    let reply = session.service()?.post(&["jobs"], Some(&job))?;
    created(session, arguments, "Job created", &reply)
}

/// `project update`: changes where tasks run.
///
/// # Errors
///
/// See [`create`].
pub fn update(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (_, mut job) = open(session)?;
    let place = arguments.filled("cluster").map(cluster::place).transpose()?;
    let image = match arguments.value("docker") {
        Some(text) if is_false(text) => Some(None),
        Some(text) => Some(Some(docker::image(text)?)),
        None => None,
    };
    let only = arguments.word("task_name");
    let tasks = job.pointer_mut("/DAG/Tasks").and_then(Value::as_object_mut);
    let mut changed = 0;
    for (_, task) in tasks.into_iter().flat_map(|t| t.iter_mut()).filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        changed += 1;
        match &place {
            Some(Place::Cluster(id)) => {
                task["ClusterId"] = json!(id);
                task["AutoCluster"] = json!({});
            }
            Some(Place::Own { image, kind }) => {
                task["ClusterId"] = json!("");
                task["AutoCluster"]["ImageId"] = json!(image.clone().map_or_else(|| session.config.default_image(), Ok)?);
                task["AutoCluster"]["InstanceType"] = json!(kind.clone().map_or_else(|| session.config.default_type(), Ok)?);
            }
            None => {}
        }
        if let Some(image) = &image {
            set_image(&mut task["Parameters"]["Command"]["EnvVars"], image.as_ref());
        }
    }
    if changed == 0 {
        return Err(Failure::told(format!("Not found task {}", only.unwrap_or_default())));
    }
    write(session.folder.join("job.json"), &pretty(&job, 2))?;
    session.terminal.good("done")
}

fn set_image(variables: &mut Value, image: Option<&docker::Image>) {
    if !variables.is_object() {
        *variables = json!({});
    }
    let Some(map) = variables.as_object_mut() else { return };
    map.shift_remove(docker::IMAGE);
    map.shift_remove(docker::REGISTRY);
    if let Some(image) = image {
        map.insert(docker::IMAGE.to_owned(), json!(image.name));
        if let Some(registry) = &image.registry {
            map.insert(docker::REGISTRY.to_owned(), json!(registry));
        }
    }
}

fn write(path: PathBuf, text: &str) -> Result<(), Failure> {
    fs::write(&path, text).map_err(Failure::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_files_and_folders() {
        for (pattern, name, wanted) in [
            ("*", "a.py", true),
            ("*", "lib/a.py", true),
            ("*.jar", "a.jar", true),
            ("*.jar", "a.jar.txt", false),
            ("*/*", "a.py", false),
            ("a*c*e", "abcde", true),
            ("*", ".hidden", false),
            ("src", "src/x", true),
        ] {
            assert_eq!(covers(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
