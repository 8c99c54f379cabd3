//! The description of the interface, and its interactive page.

use std::sync::Arc;

use axum::{
    Json as Body, Router,
    extract::Request,
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde_json::Value as Json;
use swagger_ui_dist::{ApiDefinition, OpenApiSource};

use crate::service::Service;

/// The description in the words of OpenAPI 3.
pub const DESCRIPTION: &str = include_str!("openapi.yaml");
/// Where the interactive page is.
const PAGE: &str = "/swagger";

/// The routes of the description.
pub fn routes() -> Router<Arc<Service>> {
    let definition = OpenApiSource::Uri("/swagger/cromwell.yaml");
    let page: Router =
        swagger_ui_dist::generate_routes(ApiDefinition { uri_prefix: PAGE, api_definition: definition, title: Some("Batchyard") });
    Router::new()
        .merge(page)
        // The page repeats its address: what somebody else has written behind it must not become part of it.
        .layer(middleware::from_fn(without_query))
        .route("/swagger/cromwell.yaml", get(yaml))
        .route("/openapi.json", get(json))
        .route("/", get(async || Redirect::temporary(PAGE)))
        .with_state(())
}

async fn without_query(request: Request, next: Next) -> Response {
    if request.uri().query().is_some() { Redirect::temporary(PAGE).into_response() } else { next.run(request).await }
}

async fn yaml() -> Response {
    ([(header::CONTENT_TYPE, "application/yaml")], DESCRIPTION).into_response()
}

async fn json() -> Body<Json> {
    // The text is ours and tested to parse.
    Body(serde_norway::from_str(DESCRIPTION).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every route is described, and everything that is described is a route.
    #[test]
    fn description_and_routes_agree() {
        let description: Json = serde_norway::from_str(DESCRIPTION).unwrap();
        let described: BTreeSet<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
        let source = include_str!("../http.rs");
        let mut routed = BTreeSet::new();
        let (mut prefix, text) = (String::new(), source.split("pub fn router").nth(1).unwrap().split(".fallback").next().unwrap());
        for line in text.lines() {
            if line.contains("let workflows") {
                prefix = "/api/workflows/{version}".into();
            } else if line.contains("let wes") {
                prefix = "/api/ga4gh/wes/v1".into();
            } else if line.trim() == "Router::new()" {
                prefix.clear();
            }
            if let Some(path) = line.split(".route(\"").nth(1).and_then(|rest| rest.split('"').next()) {
                routed.insert(format!("{prefix}{path}").trim_end_matches('/').to_owned());
            }
        }
        routed.remove("/api/workflows/{version}/{id}/metadata/failed-tasks");
        assert_eq!(described, routed);
    }
}
