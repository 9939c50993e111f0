//! The cookies that a response sets, for captures (RFC 6265, section 5.2). No I/O.

use hyper::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

/// Names and values of the cookies that are set. The last of a name wins.
pub fn cookies(headers: &HeaderMap) -> Value {
    let pair = |header: &hyper::header::HeaderValue| {
        let text = String::from_utf8_lossy(header.as_bytes()).into_owned();
        let (name, value) = text.split(';').next()?.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        (!name.trim().is_empty()).then(|| (name.trim().to_owned(), Value::from(value)))
    };
    Value::Object(headers.get_all(SET_COOKIE).iter().filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use serde_json::json;

    #[test]
    fn cookies_are_read_as_browsers_read_them() {
        let mut headers = HeaderMap::new();
        for text in
            ["sid=a=b; Path=/; HttpOnly", "q=\"x\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "none", "=v", "sid=new"]
        {
            headers.append(SET_COOKIE, HeaderValue::from_static(text));
        }
        assert_eq!(cookies(&headers), json!({"sid": "new", "q": "x"}));
    }
}
