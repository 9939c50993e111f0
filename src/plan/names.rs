//! DNS names: what can be asked of a DNS server at all. Pure.

use hickory_proto::rr::Name;
use hickory_proto::rr::domain::Label;
use hickory_proto::rr::domain::usage::{IN_ADDR_ARPA_127, INVALID, IP6_ARPA_1, LOCALHOST, ONION};

/// A name as it is asked for, relative unless it ends with a dot, or why it can't be. Labels are any of the length that RFC 2181
/// (section 11) gives them, of the signs that names are made of (with the slash of RFC 2317); other scripts are encoded (RFC 5891).
pub fn query(name: &str) -> Result<Name, String> {
    let no_name = |why: String| format!("{name:?} is not a DNS name: {why}");
    let bare = name.strip_suffix('.').unwrap_or(name);
    // The root is a name without labels.
    let labels = if bare.is_empty() && !name.is_empty() { Vec::new() } else { bare.split('.').collect() };
    let labels = labels.into_iter().map(label).collect::<Result<Vec<Label>, String>>().map_err(no_name)?;
    let mut query = Name::from_labels(labels).map_err(|error| no_name(error.to_string()))?;
    query.set_fqdn(name.ends_with('.'));
    Ok(query)
}

fn label(text: &str) -> Result<Label, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/*".contains(&byte);
    let label = if text.is_empty() {
        return Err("between two dots, or before the first, there is nothing".to_owned());
    } else if text.bytes().all(plain) {
        Label::from_raw_bytes(text.to_ascii_lowercase().as_bytes())
    } else {
        Label::from_utf8(text)
    };
    label.map_err(|error| format!("{text:?}: {error}"))
}

/// Whether a resolver answers the name itself, as RFC 6761 (sections 6.3 and 6.4) and RFC 7686 say, and asks no server.
pub fn is_never_asked(name: &Name) -> bool {
    [&LOCALHOST, &IN_ADDR_ARPA_127, &IP6_ARPA_1, &INVALID, &ONION].iter().any(|zone| zone.zone_of(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_server_can_be_asked_for_is_a_name() {
        for (name, asked) in [
            ("db.internal", "db.internal"),
            ("db.internal.", "db.internal."),
            ("my_db.internal", "my_db.internal"),
            ("_pg._tcp.internal", "_pg._tcp.internal"),
            ("-a", "-a"),
            ("0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa"),
            ("my_db.bücher.example", "my_db.xn--bcher-kva.example"),
            (".", "."),
        ] {
            let query = query(name).expect(name);
            let labels: Vec<_> = query.iter().map(String::from_utf8_lossy).collect();
            assert_eq!(
                (labels.join("."), query.is_fqdn()),
                (asked.trim_end_matches('.').to_owned(), name.ends_with('.'))
            );
        }
        for bad in ["a..b", ".a", "..", "", "ü..b", &"a".repeat(64), "a b", "::1"] {
            assert!(query(bad).is_err_and(|why| why.contains("is not a DNS name: ")), "{bad}");
        }
    }

    #[test]
    fn names_that_resolvers_answer_themselves_are_known_with_and_without_a_final_dot() {
        let never = |name: &str| is_never_asked(&query(name).expect("a name"));
        for name in ["localhost", "LOCALHOST.", "a.localhost", "no.invalid", "1.0.0.127.in-addr.arpa.", "a.onion"] {
            assert!(never(name), "{name}");
        }
        for name in ["localhost.internal", "db.local", "2.0.0.10.in-addr.arpa", "invalid.example", "."] {
            assert!(!never(name), "{name}");
        }
    }
}
