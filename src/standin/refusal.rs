//! Google's error answers: what is wrong in, status and body out. Pure.

use serde_json::{Value, json};

use super::methods::{Api, Method};

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// Seconds for the header Retry-After.
    pub retry_after: Option<u32>,
}

/// How an error is called in the two shapes of Google's APIs.
struct Kind {
    status: u16,
    /// google.rpc.Code, in the newer shape.
    code: &'static str,
    /// The reason of the older shape.
    reason: &'static str,
}

impl Refusal {
    /// The account lacks the method's permission on the object.
    pub fn permission(method: Method, name: &str) -> Refusal {
        let (permission, service) = (method.permission(), method.api().service());
        let message = match method.api() {
            Api::SqlAdmin => "The client is not authorized to make this request.".to_owned(),
            Api::Compute => format!("Required '{permission}' permission for '{name}'"),
            Api::Dns => "Forbidden".to_owned(),
            Api::VpcAccess
            | Api::Run
            | Api::NetworkManagement
            | Api::ServiceHealth
            | Api::Logging
            | Api::Monitoring
            | Api::ResourceManager => {
                format!("Permission '{permission}' denied on resource '//{service}/{name}' (or it may not exist).")
            }
        };
        let reason = if method.api() == Api::SqlAdmin { "notAuthorized" } else { "forbidden" };
        let info = error_info(
            "IAM_PERMISSION_DENIED",
            service,
            json!({"permission": permission, "resource": name, "service": service}),
        );
        refusal(method.api(), &Kind { status: 403, code: "PERMISSION_DENIED", reason }, &message, vec![info])
    }

    /// The API is not enabled in the project.
    pub fn disabled(method: Method, project: &str) -> Refusal {
        let (service, title) = (method.api().service(), method.api().title());
        let link = format!("https://console.developers.google.com/apis/api/{service}/overview?project={project}");
        let message = format!(
            "{title} has not been used in project {project} before or it is disabled. Enable it by visiting {link} then retry. \
             If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
        );
        let metadata = json!({
            "service": service, "serviceTitle": title, "consumer": format!("projects/{project}"),
            "containerInfo": project, "activationUrl": link,
        });
        let help = json!({
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{"description": "Google developers console API activation", "url": link}],
        });
        let details = vec![error_info("SERVICE_DISABLED", "googleapis.com", metadata), help];
        let kind = Kind { status: 403, code: "PERMISSION_DENIED", reason: "accessNotConfigured" };
        let mut refusal = refusal(method.api(), &kind, &message, details.clone());
        // Google's front end says this, before the API is asked: it has details whatever the API's own shape.
        refusal.body["error"]["status"] = json!(kind.code);
        refusal.body["error"]["details"] = json!(details);
        refusal
    }

    /// There is no such object.
    pub fn not_found(method: Method, name: &str) -> Refusal {
        let last = name.rsplit('/').next().unwrap_or_default();
        let (message, reason) = match method.api() {
            Api::SqlAdmin => ("The Cloud SQL instance does not exist.".to_owned(), "instanceDoesNotExist"),
            Api::Run => (format!("Resource '{last}' does not exist."), "notFound"),
            Api::Compute => (format!("The resource '{name}' was not found"), "notFound"),
            Api::VpcAccess
            | Api::Dns
            | Api::NetworkManagement
            | Api::ServiceHealth
            | Api::Logging
            | Api::Monitoring
            | Api::ResourceManager => (format!("Resource '{name}' was not found"), "notFound"),
        };
        refusal(method.api(), &Kind { status: 404, code: "NOT_FOUND", reason }, &message, Vec::new())
    }

    /// Too many requests.
    pub fn throttled(method: Method, project: &str, retry_after: Option<u32>) -> Refusal {
        let service = method.api().service();
        let message = format!(
            "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service '{service}' for \
             consumer 'projects/{project}'."
        );
        let metadata = json!({
            "service": service, "consumer": format!("projects/{project}"), "quota_limit": "ReadRequestsPerMinutePerProject",
            "quota_metric": format!("{service}/read_requests"),
        });
        let kind = Kind { status: 429, code: "RESOURCE_EXHAUSTED", reason: "rateLimitExceeded" };
        let info = error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", metadata);
        Refusal { retry_after, ..refusal(method.api(), &kind, &message, vec![info]) }
    }

    /// The API failed.
    pub fn internal(method: Method) -> Refusal {
        let kind = Kind { status: 500, code: "INTERNAL", reason: "backendError" };
        refusal(method.api(), &kind, "Internal error encountered.", Vec::new())
    }

    /// What was asked makes no sense.
    pub fn invalid(method: Method, message: &str) -> Refusal {
        let kind = Kind { status: 400, code: "INVALID_ARGUMENT", reason: "invalid" };
        refusal(method.api(), &kind, message, Vec::new())
    }

    /// There is such an object already.
    pub fn exists(method: Method, name: &str) -> Refusal {
        let kind = Kind { status: 409, code: "ALREADY_EXISTS", reason: "alreadyExists" };
        refusal(method.api(), &kind, &format!("Resource '{name}' already exists"), Vec::new())
    }

    /// No method that the stand-in knows.
    pub fn unknown(verb: &str, path: &str) -> Refusal {
        let message = format!("The stand-in for Google's APIs knows no method {verb} {path}");
        let body = json!({"error": {"code": 404, "message": message, "status": "NOT_FOUND",
            "details": [error_info("METHOD_NOT_KNOWN", "standin.runready.dev", json!({"verb": verb, "path": path}))]}});
        Refusal { status: 404, body, retry_after: None }
    }
}

fn error_info(reason: &str, domain: &str, metadata: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata,
    })
}

/// The older APIs say `errors`, the newer ones `status` and `details`.
fn refusal(api: Api, kind: &Kind, message: &str, details: Vec<Value>) -> Refusal {
    let mut error = json!({"code": kind.status, "message": message});
    match api {
        Api::SqlAdmin | Api::Compute | Api::Dns => {
            error["errors"] = json!([{"message": message, "domain": "global", "reason": kind.reason}]);
        }
        Api::VpcAccess
        | Api::Run
        | Api::NetworkManagement
        | Api::ServiceHealth
        | Api::Logging
        | Api::Monitoring
        | Api::ResourceManager => {
            error["status"] = json!(kind.code);
            if !details.is_empty() {
                error["details"] = json!(details);
            }
        }
    }
    Refusal { status: kind.status, body: json!({"error": error}), retry_after: None }
}
