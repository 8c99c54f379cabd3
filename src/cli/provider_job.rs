//! `batchyard provider-job submit|kill|alive FILE ...`: what the provider of BatchCompute does for one call. Not for people.

use std::{collections::HashMap, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use batchyard_objects::sign::{Message, Pair, acs};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{say, server::job_provider::Door};

/// The word that asks for it.
pub const WORD: &str = "provider-job";
/// Time limit of a job where a task gives none, in seconds, as in the original.
const TIMEOUT: i64 = 21_600;
/// Longest name of a job.
const MAX_NAME: usize = 64;
/// Longest wait for the service.
const PATIENCE: Duration = Duration::from_secs(30);

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
            for (method, target) in [("POST", format!("/jobs/{job}/stop")), ("DELETE", format!("/jobs/{job}"))] {
                let (status, answer) = ask(&door, method, &target, None)?;
                // One that is gone, or has ended, needs no end.
                if !(200..300).contains(&status) && status != 404 && status != 409 {
                    bail!("job `{job}` cannot be ended: {}", words_of(&answer));
                }
            }
            Ok(0)
        }
        ("alive", [job]) => match ask(&door, "GET", &format!("/jobs/{job}"), None) {
            Ok((404, _)) => Ok(1),
            Ok((200, answer)) => Ok(u8::from(!matches!(answer["State"].as_str(), Some("Waiting" | "Running")))),
            // A service that does not answer says nothing about the job.
            Ok(_) | Err(_) => Ok(0),
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
    let (status, answer) = ask(door, "POST", "/jobs", Some(&body))?;
    let id = answer["Id"].as_str().filter(|_| status == 201);
    let Some(id) = id else { bail!("the job was refused: {}", words_of(&answer)) };
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
    task["AutoCluster"] = auto;
    Ok(json!({
        "Name": name(cwd, text("tag")),
        "Description": cwd,
        "Type": "DAG",
        "Priority": 1,
        "JobFailOnInstanceFail": true,
        "AutoRelease": text("autoReleaseJob") != "false",
        "DAG": { "Tasks": { "cromwell": task }, "Dependencies": {} },
    }))
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

fn words_of(answer: &Json) -> String {
    format!("{}: {}", answer["Code"].as_str().unwrap_or("?"), answer["Message"].as_str().unwrap_or_default())
}

/// Asks the service: status and body.
fn ask(door: &Door, method: &str, target: &str, body: Option<&Json>) -> Result<(u16, Json)> {
    let date = Timestamp::now().to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut headers: Vec<(String, String)> = [
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("date", date.as_str()),
        ("x-acs-signature-nonce", Uuid::new_v4().to_string().as_str()),
        ("x-acs-version", "2015-11-11"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let message = Message { method, path: target, bucket: None, key: "", query: &[], headers: &headers };
    let text = acs::string_to_sign(&message, target, acs::Rendering::AsSent);
    let signed = acs::authorization(Pair { id: &door.id, secret: &door.secret }, &text);
    headers.push(("authorization".into(), signed));
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(PATIENCE)).build();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{target}", door.api));
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    let body = body.map(ToString::to_string).unwrap_or_default();
    let mut response = ureq::Agent::new_with_config(config)
        .run(request.body(body)?)
        .with_context(|| format!("the service at `{}` does not answer", door.api))?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().context("the answer of the service cannot be read")?;
    Ok((status, serde_json::from_str(&text).unwrap_or_default()))
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
}
