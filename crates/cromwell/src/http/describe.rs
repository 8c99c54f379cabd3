//! `describe`: what a document is, without running it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json as Body,
    extract::{Request, State},
};
use batchyard_wdl::{
    ast::{Decl, Document, Expr, MetaValue, Name},
    inputs::{self, InputSpec, list_inputs},
    load::Loaded,
    module::Callee,
    types::Type,
};
use batchyard_workflow::documents::Failure;
use serde_json::{Map, Value as Json, json};

use super::{Problem, blocking, submit::read_parts};
use crate::{
    archive,
    documents::{Sent, Sources, input_failure, load_checked, target_of},
    service::Service,
    submission::{Parts, read_structured},
};

/// `POST /api/womtool/{version}/describe`
pub async fn describe(State(service): State<Arc<Service>>, request: Request) -> Result<Body<Json>, Problem> {
    let parts = read_parts(request).await?;
    Ok(Body(blocking(move || answer(&parts, &service.options().sources)).await??))
}

fn answer(parts: &Parts, sources: &Sources) -> Result<Json, Problem> {
    let text = |name: &str| {
        let bytes = parts.get(name)?;
        Some(String::from_utf8_lossy(bytes).into_owned()).filter(|text| !text.is_empty())
    };
    let (source, url) = (text("workflowSource"), text("workflowUrl"));
    match (&source, &url) {
        (Some(_), Some(_)) => return Err(Problem::fail("Both workflow source and url can't be supplied")),
        (None, None) => return Err(Problem::fail("Either workflow source or url has to be supplied")),
        (None, Some(url)) if url.starts_with("http") => {
            // An address that cannot be reached is the request's problem, not the document's.
            sources.find(url).map_err(|error| Problem::fail(error.to_string()))?;
        }
        _ => {}
    }
    // Ours: with its dependencies a document can be described that imports them.
    let dependencies = match parts.get("workflowDependencies").filter(|bytes| !bytes.is_empty()) {
        Some(bytes) => {
            archive::unpack(bytes).map_err(|problem| Problem::fail(format!("workflowDependencies cannot be read: {problem}")))?
        }
        None => BTreeMap::new(),
    };
    let sent = Sent { main: source.as_deref(), url: url.as_deref(), dependencies: &dependencies };
    // Hostile documents need much stack; the threads of the server have little.
    let described = on_deep_stack(|| match load_checked(&sent, sources) {
        Ok(loaded) => match target_of(&loaded) {
            Ok(callee) => document(&loaded, &callee, text("workflowInputs").as_deref()),
            Err(_) => library(&loaded),
        },
        Err(problems) => invalid(&problems),
    })?;
    let mut described = described;
    if let Json::Object(keys) = &mut described {
        let language = text("workflowType").unwrap_or_else(|| "WDL".into());
        let version = text("workflowTypeVersion").or_else(|| {
            let found = keys.get("submittedDescriptorType").and_then(|kind| kind.get("descriptorTypeVersion"));
            found.and_then(Json::as_str).or_else(|| source.as_deref().map(stated_version)).map(str::to_owned)
        });
        keys.insert("submittedDescriptorType".into(), json!({ "descriptorType": language, "descriptorTypeVersion": version }));
    }
    Ok(described)
}

fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Problem> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("describe".into()).stack_size(batchyard_wdl::limits::STACK_BYTES);
        let internal = || Problem::error("internal error while the document was looked at");
        thread.spawn_scoped(scope, work).map_err(|_| internal())?.join().map_err(|_| internal())
    })
}

fn text_of(failure: &Failure) -> String {
    let place = failure.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{}", failure.message)
}

fn invalid(problems: &[Failure]) -> Json {
    json!({
        "valid": false,
        "errors": problems.iter().map(text_of).collect::<Vec<_>>(),
        "validWorkflow": false,
        "isRunnableWorkflow": false,
        "name": "",
        "inputs": [],
        "outputs": [],
        "images": [],
        "submittedDescriptorType": {},
        "importedDescriptorTypes": [],
        "meta": {},
        "parameterMeta": {},
    })
}

/// The version that a text says it has, whether it is a document or not.
fn stated_version(text: &str) -> &str {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    first.and_then(|line| line.strip_prefix("version ")).map_or("draft-2", str::trim)
}

/// A document that is good, with nothing in it to run by itself.
fn library(loaded: &Loaded) -> Json {
    let mut described = invalid(&[]);
    if let Json::Object(keys) = &mut described {
        keys.insert("valid".into(), json!(true));
        keys.insert("validWorkflow".into(), json!(true));
        keys.insert("images".into(), json!(images(&loaded.module.document)));
        let version = loaded.module.document.version.to_string();
        keys.insert("submittedDescriptorType".into(), json!({ "descriptorTypeVersion": version }));
    }
    described
}

fn document(loaded: &Loaded, callee: &Callee, given: Option<&str>) -> Json {
    let document = &loaded.module.document;
    let errors = given.map(|text| input_errors(callee, text)).unwrap_or_default();
    let mut inputs = list_inputs(callee, true);
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    let name = callee.name();
    let (outputs, meta, parameter_meta): (&[Decl], _, _) = match callee {
        Callee::Task(_, task) => (&task.outputs, &task.meta, &task.parameter_meta),
        Callee::Workflow(_, workflow) => {
            (workflow.outputs.as_ref().map_or(&[], |section| &section.decls), &workflow.meta, &workflow.parameter_meta)
        }
    };
    let mut outputs: Vec<&Decl> = outputs.iter().collect();
    outputs.sort_by(|a, b| a.name.text.cmp(&b.name.text));
    let output = |decl: &&Decl| {
        let ty = callee.module().resolve(&decl.ty).unwrap_or(Type::Any);
        json!({ "name": *decl.name.text, "valueType": value_type(&ty), "typeDisplayName": ty.to_string() })
    };
    json!({
        "valid": errors.is_empty(),
        "errors": errors,
        "validWorkflow": true,
        "isRunnableWorkflow": document.workflow.is_some(),
        "name": name,
        "inputs": inputs.iter().map(|spec| input(spec, name)).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(output).collect::<Vec<_>>(),
        "images": images(document),
        "submittedDescriptorType": { "descriptorType": "WDL", "descriptorTypeVersion": document.version.to_string() },
        "importedDescriptorTypes": [],
        "meta": meta_object(meta),
        "parameterMeta": meta_object(parameter_meta),
    })
}

fn input_errors(callee: &Callee, text: &str) -> Vec<String> {
    let given = match read_structured(text) {
        Ok(Json::Object(given)) => given,
        Ok(_) => return vec!["the inputs must be an object".into()],
        Err(problem) => return vec![problem],
    };
    let dialect = batchyard_wdl::version::Dialect::of(callee.module().document.version);
    let problems = inputs::bind(callee, &given, dialect).err().unwrap_or_default();
    problems.into_iter().map(|problem| input_failure(problem).message).collect()
}

fn input(spec: &InputSpec, workflow: &str) -> Json {
    let name = spec.name.strip_prefix(&format!("{workflow}.")).unwrap_or(&spec.name);
    let optional = !spec.required;
    json!({
        "name": name,
        "valueType": value_type(&spec.ty),
        "typeDisplayName": spec.ty.to_string(),
        "optional": optional,
        "default": spec.default,
    })
}

/// A type in the original's shape.
pub fn value_type(ty: &Type) -> Json {
    match ty {
        Type::Array { item, nonempty } => json!({ "typeName": "Array", "arrayType": value_type(item), "nonEmpty": nonempty }),
        Type::Map(key, value) => {
            json!({ "typeName": "Map", "mapType": { "keyType": value_type(key), "valueType": value_type(value) } })
        }
        Type::Pair(left, right) => {
            json!({ "typeName": "Pair", "pairType": { "leftType": value_type(left), "rightType": value_type(right) } })
        }
        Type::Optional(inner) => json!({ "typeName": "Optional", "optionalType": value_type(inner) }),
        Type::Struct(definition) => {
            let fields = definition.members.iter().map(|(name, ty)| json!({ "fieldName": name, "fieldType": value_type(ty) }));
            json!({ "typeName": "Object", "objectFieldTypes": fields.collect::<Vec<_>>() })
        }
        other => json!({ "typeName": other.to_string() }),
    }
}

/// Image names that are written out in the tasks of a document.
fn images(document: &Document) -> Vec<String> {
    let mut images = Vec::new();
    for task in &document.tasks {
        let attributes: [&[(Name, Expr)]; 2] = [&task.runtime, &task.requirements];
        for (name, value) in attributes.into_iter().flatten() {
            if !matches!(&*name.text, "docker" | "container") {
                continue;
            }
            let text = document.source.slice(value.span).trim_matches(['"', '\'']).to_owned();
            if !text.contains(['{', '"', '\'']) && text.contains(|c: char| c.is_alphanumeric()) && !images.contains(&text) {
                images.push(text);
            }
        }
    }
    images
}

fn meta_object(entries: &[(Name, MetaValue)]) -> Json {
    Json::Object(entries.iter().map(|(name, value)| (name.text.to_string(), meta(value))).collect())
}

fn meta(value: &MetaValue) -> Json {
    match value {
        MetaValue::Null => Json::Null,
        MetaValue::Boolean(b) => json!(b),
        MetaValue::Int(n) => json!(n),
        MetaValue::Float(n) => json!(n),
        MetaValue::String(text) => json!(text),
        MetaValue::Array(items) => Json::Array(items.iter().map(meta).collect()),
        MetaValue::Object(members) => Json::Object(members.iter().map(|(name, value)| (name.clone(), meta(value))).collect::<Map<_, _>>()),
    }
}
