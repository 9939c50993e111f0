//! Lists in pages, as Google's list methods hand them out: items and a request's size and token in, one page out. Pure.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

/// One page.
#[derive(Debug, PartialEq)]
pub struct Page {
    /// Its items.
    pub items: Vec<Value>,
    /// What asks for the next one.
    pub next: Option<String>,
}

/// The page that a token asks for. `asked` is the rest of the request: a token holds for the same request alone.
///
/// # Errors
/// A sentence about the token or the size.
pub fn page(
    items: Vec<Value>,
    asked: &str,
    size: Option<&str>,
    most: usize,
    token: Option<&str>,
) -> Result<Page, String> {
    let size = match size.filter(|size| !size.is_empty()) {
        None => most,
        Some(size) => match size.parse::<i64>() {
            Ok(0) => most,
            Ok(size) if size > 0 => usize::try_from(size).unwrap_or(most).min(most),
            _ => return Err(format!("{size:?} is no size of a page")),
        },
    };
    let from = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => read(token, asked).ok_or("the page token is not valid for this request")?,
    };
    let total = items.len();
    let items: Vec<Value> = items.into_iter().skip(from).take(size).collect();
    let end = from + items.len();
    Ok(Page { next: (end < total).then(|| write(end, asked)), items })
}

fn write(from: usize, asked: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{from}:{:x}", xxh3_64(asked.as_bytes())))
}

fn read(token: &str, asked: &str) -> Option<usize> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (from, hash) = text.split_once(':')?;
    (hash == format!("{:x}", xxh3_64(asked.as_bytes()))).then(|| from.parse().ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::page;

    #[test]
    fn pages_hold_every_item_once() {
        let items: Vec<Value> = (0..23).map(|item| json!(item)).collect();
        let (mut seen, mut token, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = page(items.clone(), "same", Some("10"), 50, token.as_deref()).expect("a page");
            seen.extend(page.items);
            pages += 1;
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!((seen, pages), (items, 3));
    }

    #[test]
    fn a_token_of_another_request_is_refused() {
        let items = vec![json!(1), json!(2)];
        let first = page(items.clone(), "one", Some("1"), 50, None).expect("a page");
        assert!(page(items.clone(), "other", Some("1"), 50, first.next.as_deref()).is_err());
        assert!(page(items.clone(), "one", Some("1"), 50, Some("nonsense")).is_err());
        assert!(page(items, "one", Some("-1"), 50, None).is_err());
    }
}
