//! Lists that an API gives page by page: read as far as anybody wants to know them. Does network I/O.

use std::future::Future;

use google_cloud_gax::error::Error;

use super::google::Google;
use super::question::Question;
use crate::cloud::Unread;

/// Most pages of a list.
const MOST_PAGES: usize = 5;

/// What is kept of a list, and whether that is not all of it.
pub type Kept<T> = (Vec<T>, bool);

/// Keeps so many at most. `more`: whether there are pages that were not read.
pub fn kept<T>(mut items: Vec<T>, most: usize, more: bool) -> Kept<T> {
    let cut = more || items.len() > most;
    items.truncate(most);
    (items, cut)
}

/// Reads a list until it ends or so many are kept. `ask` asks for the page of a token, `of` takes from a page what is wanted, and the
/// token of the next.
pub async fn pages<T, P, F>(
    google: &Google,
    question: &Question,
    most: usize,
    ask: impl Fn(Option<String>) -> F,
    mut of: impl FnMut(P) -> (Vec<T>, Option<String>),
) -> Result<Kept<T>, Unread>
where
    F: Future<Output = Result<P, Error>>,
{
    let (mut items, mut page) = (Vec::new(), None::<String>);
    for _ in 0..MOST_PAGES {
        let (wanted, next) = of(google.ask(question, || ask(page.clone())).await?);
        items.extend(wanted);
        page = next.filter(|token| !token.is_empty());
        if page.is_none() || items.len() >= most {
            break;
        }
    }
    Ok(kept(items, most, page.is_some()))
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn a_list_is_cut_where_entries_or_pages_are_left() {
        assert_eq!(kept(vec![1, 2], 2, false), (vec![1, 2], false));
        assert_eq!(kept(vec![1, 2, 3], 2, false), (vec![1, 2], true));
        assert_eq!(kept(vec![1], 2, true), (vec![1], true));
    }
}
