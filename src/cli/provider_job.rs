//! `batchyard provider-job submit|kill|alive FILE ...`: what the provider of BatchCompute does for one call. Not for people.

use std::{collections::HashMap, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use batchyard_bcs::api::{Account, Service};
use serde_json::{Value as Json, json};

use super::{say, server::job_provider::Door};

/// The word that asks for it.
pub const WORD: &str = "provider-job";
/// Time limit of a job where a task gives none, in seconds, as in the original.
const TIMEOUT: i64 = 21_600;
/// Longest name of a job.
const MAX_NAME: usize = 64;

/// Carries it out.
pub fn provider_job(words: &[String]) -> ExitCode {
    match carry_out(words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!("batchyard: {error:#}"));
            ExitCode::from(1)
        }
    }
}

fn carry_out(words: &[String]) -> Result<u8> {
    let (what, door, rest) = match words {
        [what, door, rest @ ..] => (what.as_str(), door, rest),
        _ => bail!("`{WORD}` needs what to do and the file of the service"),
    };
    let door = Door::read(Path::new(door)).with_context(|| format!("cannot read `{door}`, which says where the service is"))?;
    match (what, rest) {
        ("submit", options) => submit(&door, options),
        ("kill", [job]) => {
            let service = service(&door);
            for done in [service.post(&["jobs", job, "stop"], None), service.delete(&["jobs", job], &[])] {
                // One that is gone, or has ended, needs no end.
                if let Err(error) = done
                    && !error.is_not_found()
                    && !error.is_code("StateConflict")
                {
                    bail!("job `{job}` cannot be ended: {error}");
                }
            }
            Ok(0)
        }
        ("alive", [job]) => match service(&door).get(&["jobs", job], &[]) {
            Ok(answer) => Ok(u8::from(!matches!(answer["State"].as_str(), Some("Waiting" | "Running")))),
            Err(error) if error.is_not_found() => Ok(1),
            // A service that does not answer says nothing about the job.
            Err(_) => Ok(0),
        },
        _ => bail!("`{WORD} {what}` is not known"),
    }
}

#[expect(clippy::print_stdout, reason = "the id is what the provider reads")]
fn submit(door: &Door, options: &[String]) -> Result<u8> {
    let mut given: HashMap<&str, &str> = HashMap::new();
    for pair in options.chunks(2) {
        let [name, value] = pair else { bail!("`{}` has no value", pair.first().map_or("", String::as_str)) };
        given.insert(name.trim_start_matches('-'), value);
    }
    let body = job(&given)?;
    let answer = service(door).post(&["jobs"], Some(&body)).context("the job was refused")?;
    let id = answer["Id"].as_str().context("the service gave the job no id")?;
    println!("{id}");
    Ok(0)
}

/// The job of a call.
fn job(given: &HashMap<&str, &str>) -> Result<Json> {
    let text = |name: &str| given.get(name).copied().unwrap_or_default();
    let (cwd, script) = (text("cwd"), text("script"));
    if script.is_empty() {
        bail!("there is no `--script`");
    }
    let mut task = json!({
        "Parameters": { "Command": { "CommandLine": format!("/bin/bash {}", batchyard_runner::script::quote(script)) } },
        "InstanceCount": 1,
        "Timeout": text("timeout").parse::<i64>().unwrap_or(TIMEOUT),
    });
    let mut auto = json!({ "ReserveOnFail": text("reserveOnFail") == "true" });
    if !text("imageId").is_empty() {
        auto["ImageId"] = text("imageId").into();
    }
    for word in text("cluster").split_whitespace() {
        match word {
            "OnDemand" | "Spot" => auto["ResourceType"] = word.into(),
            word if word.starts_with("cls-") => task["ClusterId"] = word.into(),
            word if word.starts_with("ecs.") || word.starts_with("bcs.") => auto["InstanceType"] = word.into(),
            word if word.starts_with("img-") || word.starts_with("m-") => auto["ImageId"] = word.into(),
            word if word.starts_with("Spot") => auto["SpotStrategy"] = word.into(),
            word => auto["SpotPriceLimit"] = word.parse::<f64>().ok().into(),
        }
    }
    let disks = disks(text("systemDisk"), text("dataDisk"));
    if !disks.is_null() {
        auto["Configs"]["Disks"] = disks;
    }
    task["AutoCluster"] = auto;
    see_and_leave(&mut task, text("mounts"));
    run_in_image(&mut task, text("docker"), text("dockerTag"), cwd);
    Ok(json!({
        "OnBehalf": { "Account": text("on-behalf"), "Folder": cwd },
        "Name": name(cwd, text("tag")),
        "Description": cwd,
        "Type": "DAG",
        "Priority": 1,
        "JobFailOnInstanceFail": true,
        "AutoRelease": text("autoReleaseJob") != "false",
        "DAG": { "Tasks": { "cromwell": task }, "Dependencies": {} },
    }))
}

/// `<type> <GB>` and `<type> <GB> <mount point>`, within what the service takes.
fn disks(system: &str, data: &str) -> Json {
    let mut disks = Json::Null;
    for (name, text, sizes) in [("SystemDisk", system, 40..=500), ("DataDisk", data, 5..=2000_i64)] {
        let words: Vec<&str> = text.split_whitespace().collect();
        let size = words.get(1).and_then(|size| size.parse::<i64>().ok());
        if let (Some(kind), Some(size)) = (words.first(), size) {
            let size = size.clamp(*sizes.start(), *sizes.end());
            disks[name] = json!({ "Type": kind, "Size": size, "MountPoint": words.get(2).copied().unwrap_or_default() });
        }
    }
    disks
}

/// Mounts of the attribute: `<oss://...> </local> <true|false>` is seen, `</local> <oss://...> <true|false>` is left. Those of network
/// file systems have no effect: the machine has them mounted, or not.
fn see_and_leave(task: &mut Json, mounts: &str) {
    let mut seen = Vec::new();
    for mount in mounts.split(',') {
        match mount.split_whitespace().collect::<Vec<_>>().as_slice() {
            [url, local, writable] if url.starts_with("oss://") => {
                seen.push(json!({ "Source": url, "Destination": local, "WriteSupport": *writable == "true" }));
            }
            [local, url, _] if url.starts_with("oss://") => task["OutputMapping"][*local] = (*url).into(),
            _ => {}
        }
    }
    if !seen.is_empty() {
        task["Mounts"]["Entries"] = seen.into();
    }
}

/// The image of a call, which sees the call's folder where everybody sees it.
fn run_in_image(task: &mut Json, docker: &str, tag: &str, cwd: &str) {
    let mut tag = tag.split_whitespace();
    let command = &mut task["Parameters"]["Command"];
    match (docker, tag.next(), tag.next()) {
        ("", None, _) => return,
        ("", Some(image), registry) => {
            command["EnvVars"]["BATCH_COMPUTE_DOCKER_IMAGE"] = image.into();
            command["EnvVars"]["BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH"] = registry.unwrap_or_default().into();
        }
        (image, ..) => command["Docker"]["Image"] = image.into(),
    }
    let folder = json!({ "Source": format!("file://{cwd}/"), "Destination": format!("{cwd}/"), "WriteSupport": true });
    if !task["Mounts"]["Entries"].is_array() {
        task["Mounts"]["Entries"] = json!([]);
    }
    if let Some(entries) = task["Mounts"]["Entries"].as_array_mut() {
        entries.push(folder);
    }
}

/// `<tag>_<begin of the workflow's id>_<call>`, as the original names them.
fn name(cwd: &str, tag: &str) -> String {
    let parts: Vec<&str> = cwd.split('/').collect();
    let call = parts.iter().rposition(|part| part.starts_with("call-"));
    let of_call = call.and_then(|at| parts.get(at)).and_then(|part| part.strip_prefix("call-")).unwrap_or("call");
    let workflow = call.and_then(|at| parts.get(at.checked_sub(1)?)).copied().unwrap_or_default();
    let short: String = workflow.chars().take(8).collect();
    let tag = if tag.is_empty() { "cromwell" } else { tag };
    let name = format!("{tag}_{short}_{of_call}");
    let legal = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' });
    let name: String = legal.take(MAX_NAME).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{}", name.chars().take(MAX_NAME - 1).collect::<String>()) } else { name }
}

/// The service behind a door.
fn service(door: &Door) -> Service {
    let (base, id, secret) = (door.api.clone(), door.id.clone(), door.secret.clone());
    Service::new(Account { base, region: "local".into(), id, secret, version: None, insecure: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_becomes_a_job() {
        let given = HashMap::from([
            ("cwd", "/runs/wf/01a21f19-afc1-72c0-b5d4-63a569a67d64/call-align/shard-3"),
            ("script", "/runs/it's/script"),
            ("cluster", "Spot ecs.sn1.medium img-ubuntu SpotWithPriceLimit 0.25"),
            ("tag", "7 nightly"),
            ("timeout", "60"),
        ]);
        let job = job(&given).unwrap();
        assert_eq!(job["Name"], "_7_nightly_01a21f19_align");
        let task = &job["DAG"]["Tasks"]["cromwell"];
        assert_eq!(task["Parameters"]["Command"]["CommandLine"], r"/bin/bash '/runs/it'\''s/script'");
        assert_eq!((&task["Timeout"], &task["AutoCluster"]["SpotPriceLimit"]), (&json!(60), &json!(0.25)));
        assert_eq!(
            (&task["AutoCluster"]["InstanceType"], &task["AutoCluster"]["ImageId"]),
            (&json!("ecs.sn1.medium"), &json!("img-ubuntu"))
        );
        assert_eq!(
            super::job(&HashMap::from([("script", "s"), ("cluster", "cls-1")])).unwrap()["DAG"]["Tasks"]["cromwell"]["ClusterId"],
            "cls-1"
        );
    }

    #[test]
    fn what_a_call_sees_leaves_and_runs_in() {
        let task = |given: &[(&'static str, &'static str)]| {
            let given: HashMap<&str, &str> = [("cwd", "/runs/call-x"), ("script", "s")].into_iter().chain(given.iter().copied()).collect();
            job(&given).unwrap()["DAG"]["Tasks"]["cromwell"].clone()
        };
        let mounts = "oss://b/in/ /home/in/ false, /home/out.txt oss://b/out.txt true,nas://x/ /nas/ true, oss://b/f /f true";
        let made = task(&[("mounts", mounts), ("systemDisk", "cloud 20"), ("dataDisk", "cloud_ssd 250 /home/data/")]);
        assert_eq!(
            made["Mounts"]["Entries"],
            json!([
                { "Source": "oss://b/in/", "Destination": "/home/in/", "WriteSupport": false },
                { "Source": "oss://b/f", "Destination": "/f", "WriteSupport": true }
            ])
        );
        assert_eq!(made["OutputMapping"], json!({ "/home/out.txt": "oss://b/out.txt" }));
        let disks = &made["AutoCluster"]["Configs"]["Disks"];
        assert_eq!(disks["SystemDisk"], json!({ "Type": "cloud", "Size": 40, "MountPoint": "" }));
        assert_eq!(disks["DataDisk"], json!({ "Type": "cloud_ssd", "Size": 250, "MountPoint": "/home/data/" }));
        let folder = json!([{ "Source": "file:///runs/call-x/", "Destination": "/runs/call-x/", "WriteSupport": true }]);
        let made = task(&[("dockerTag", "ubuntu/latest oss://b/registry/")]);
        let variables = &made["Parameters"]["Command"]["EnvVars"];
        assert_eq!(variables["BATCH_COMPUTE_DOCKER_IMAGE"], "ubuntu/latest");
        assert_eq!(
            (&variables["BATCH_COMPUTE_DOCKER_REGISTRY_OSS_PATH"], &made["Mounts"]["Entries"]),
            (&json!("oss://b/registry/"), &folder)
        );
        let made = task(&[("docker", "ubuntu"), ("dockerTag", "other")]);
        let command = &made["Parameters"]["Command"];
        assert_eq!((&command["Docker"]["Image"], &command["EnvVars"]), (&json!("ubuntu"), &Json::Null));
        assert!(task(&[])["Mounts"].is_null());
    }
}
