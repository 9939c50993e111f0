//! Tells the errors that Cloud Run itself answers with from those of the service behind it: by what Google's front end
//! says of itself in the header, and by the body, which a service's own error does not have. Pure.
//!
//! What can't be told stays a plain unexpected status.

use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderMap, SERVER};

use crate::api::Cause;

/// How much of a body is looked at, in bytes.
pub const MOST: usize = 4 * 1024;

/// What Google's front end calls itself.
const FRONTEND: &[u8] = b"Google Frontend";

/// One of Cloud Run's own answers.
struct Own {
    status: u16,
    /// What the body says.
    says: &'static str,
    /// Whether it says nothing else.
    alone: bool,
    cause: Cause,
    meaning: &'static str,
}

const OWN: [Own; 4] = [
    Own {
        status: 429,
        says: "Rate exceeded.",
        alone: false,
        cause: Cause::CloudRunThrottled,
        meaning: "its instances are full, and it may start no more",
    },
    Own {
        status: 500,
        says: "The server encountered an error and could not complete your request.",
        alone: false,
        cause: Cause::CloudRunNoInstance,
        meaning: "no instance was available for the request in time",
    },
    Own {
        status: 503,
        says: "upstream connect error or disconnect/reset before headers",
        alone: false,
        cause: Cause::CloudRunInstanceFailed,
        meaning: "the instance broke off the request, or answered with what is not HTTP",
    },
    Own {
        status: 503,
        says: "Service Unavailable",
        alone: true,
        cause: Cause::CloudRunInstanceFailed,
        meaning: "the instance did not start, or crashed",
    },
];

/// Whether the body is worth a look.
pub fn speaks(status: StatusCode, headers: &HeaderMap) -> bool {
    OWN.iter().any(|own| own.status == status.as_u16())
        && headers.get(SERVER).is_some_and(|server| server.as_bytes() == FRONTEND)
        && !headers.contains_key(CONTENT_ENCODING)
}

/// What Cloud Run itself says with this answer: the cause, and what it means.
pub fn verdict(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<(Cause, &'static str)> {
    if !speaks(status, headers) {
        return None;
    }
    let body = String::from_utf8_lossy(body);
    let fits = |own: &&Own| {
        own.status == status.as_u16() && if own.alone { body.trim() == own.says } else { body.contains(own.says) }
    };
    OWN.iter().find(fits).map(|own| (own.cause, own.meaning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn only_what_the_front_end_says_itself_is_taken_for_its_own() {
        let told = |server: &'static str, status: u16, body: &str| {
            let headers = HeaderMap::from_iter([(SERVER, HeaderValue::from_static(server))]);
            verdict(StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes()).map(|(cause, _)| cause)
        };
        let page = "<h1>Error: Server Error</h1><h2>The server encountered an error and could not complete your request.<p>Please try again";
        for (server, status, body, cause) in [
            ("Google Frontend", 429, "Rate exceeded.", Some(Cause::CloudRunThrottled)),
            ("Google Frontend", 500, page, Some(Cause::CloudRunNoInstance)),
            ("Google Frontend", 503, "Service Unavailable", Some(Cause::CloudRunInstanceFailed)),
            (
                "Google Frontend",
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                Some(Cause::CloudRunInstanceFailed),
            ),
            ("Google Frontend", 503, "{\"error\": \"Service Unavailable\"}", None),
            ("Google Frontend", 500, "{\"error\": \"database\"}", None),
            ("Google Frontend", 429, "slow down", None),
            ("Google Frontend", 502, "Rate exceeded.", None),
            ("nginx", 429, "Rate exceeded.", None),
        ] {
            assert_eq!(told(server, status, body), cause, "{server} {status} {body}");
        }
    }
}
