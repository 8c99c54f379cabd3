//! What pages of other origins may do: rules of a bucket, and what browsers are told.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use super::{Call, Input, Service, blocking, head::Head, problem::Problem, reply::Reply, wire};
use crate::{CorsRule, MAX_CORS_RULES, ObjectError};

const METHODS: [&str; 5] = ["GET", "PUT", "DELETE", "POST", "HEAD"];

pub(super) fn get(call: &Call, _: Input) -> Result<Reply, Problem> {
    let rules = call.objects().bucket(call.bucket())?.cors;
    if rules.is_empty() {
        return Err(ObjectError::NoSuchCors(call.bucket().to_owned()).into());
    }
    let rules = rules.into_iter().map(|rule| wire::CorsRule {
        origins: rule.origins,
        methods: rule.methods,
        headers: rule.headers,
        exposed: rule.exposed,
        max_age_seconds: rule.max_age_seconds,
    });
    Reply::xml(&wire::Cors { rules: rules.collect() })
}

pub(super) fn put(call: &Call, input: Input) -> Result<Reply, Problem> {
    let wanted: wire::Cors = wire::parse(input.document())?;
    let malformed = |why: String| Problem::new(400, "MalformedXML", why);
    if wanted.rules.is_empty() || wanted.rules.len() > MAX_CORS_RULES {
        return Err(malformed(format!("a bucket has between 1 and {MAX_CORS_RULES} rules about other origins")));
    }
    let mut rules = Vec::new();
    for rule in wanted.rules {
        if rule.origins.is_empty() || rule.methods.is_empty() || rule.methods.iter().any(|method| !METHODS.contains(&method.as_str())) {
            return Err(malformed(format!("a rule about other origins needs origins, and methods out of {}", METHODS.join(", "))));
        }
        let starred = rule.origins.iter().chain(&rule.headers).find(|text| text.matches('*').count() > 1);
        if let Some(starred) = starred {
            return Err(malformed(format!("`{}` has more than one `*`", crate::name::shortened(starred))));
        }
        let max_age_seconds = rule.max_age_seconds;
        rules.push(CorsRule {
            origins: rule.origins,
            methods: rule.methods,
            headers: rule.headers,
            exposed: rule.exposed,
            max_age_seconds,
        });
    }
    call.objects().set_cors(call.bucket(), rules)?;
    Ok(Reply::empty(200))
}

pub(super) fn delete(call: &Call, _: Input) -> Result<Reply, Problem> {
    call.objects().set_cors(call.bucket(), Vec::new())?;
    Ok(Reply::empty(204))
}

/// A browser asks whether a page may do something. The headers that allow it are added to every answer, see [`Origin`].
pub(super) fn preflight(call: &Call, _: Input) -> Result<Reply, Problem> {
    let head = &call.head;
    let (origin, method) = (head.header("origin"), head.header("access-control-request-method"));
    let refused = || Problem::new(403, "AccessForbidden", "no rule of the bucket allows this origin, method and headers");
    let (Some(origin), Some(method)) = (origin, method) else {
        return Err(Problem::new(400, "BadRequest", "a preflight request has the headers `Origin` and `Access-Control-Request-Method`"));
    };
    let rules = match call.objects().bucket(call.bucket()) {
        Ok(bucket) => bucket.cors,
        Err(ObjectError::NoSuchBucket(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let asked: Vec<&str> =
        head.header("access-control-request-headers").map(|list| list.split(',').map(str::trim).collect()).unwrap_or_default();
    let rule = rules.iter().find(|rule| allows(rule, origin, method) && asked.iter().all(|name| allows_header(rule, name)));
    if rule.is_none() {
        return Err(refused());
    }
    let reply = Reply::empty(200);
    Ok(if asked.is_empty() { reply } else { reply.header("access-control-allow-headers", asked.join(", ")) })
}

/// The page that a request comes from.
pub(super) struct Origin {
    origin: String,
    method: String,
    bucket: String,
}

impl Origin {
    pub(super) fn of(parts: &Parts, service: &Service) -> Option<Self> {
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let origin = text(header::ORIGIN)?;
        let bucket = Head::parse(parts, &service.options).ok()?.bucket?;
        let method = text(header::ACCESS_CONTROL_REQUEST_METHOD).unwrap_or_else(|| parts.method.to_string());
        Some(Self { origin, method, bucket })
    }

    /// Tells the browser what the bucket's rules allow.
    pub(super) async fn allow(self, headers: &mut HeaderMap, service: &Arc<Service>) {
        let objects = service.objects.clone();
        let Self { origin, method, bucket } = self;
        let rules = blocking(move || Ok(objects.bucket(&bucket)?.cors)).await.unwrap_or_default();
        let Some(rule) = rules.iter().find(|rule| allows(rule, &origin, &method)) else { return };
        let everybody = rule.origins.iter().any(|pattern| pattern == "*");
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, if everybody { "*" } else { &origin });
        set(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
        if !everybody {
            set(header::VARY, "Origin");
        }
        if !rule.exposed.is_empty() {
            set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed.join(", "));
        }
        if let Some(seconds) = rule.max_age_seconds {
            set(header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
    }
}

fn allows(rule: &CorsRule, origin: &str, method: &str) -> bool {
    rule.methods.iter().any(|allowed| allowed == method) && rule.origins.iter().any(|pattern| fits(pattern, origin))
}

fn allows_header(rule: &CorsRule, name: &str) -> bool {
    rule.headers.iter().any(|pattern| fits(&pattern.to_lowercase(), &name.to_lowercase()))
}

/// A pattern with at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(fits("*", "http://a") && fits("http://*.b", "http://a.b") && fits("http://a", "http://a"));
        assert!(!fits("http://*.b", "http://b") && !fits("ab*ba", "aba") && !fits("http://a", "http://ab"));
    }
}
