//! DNS names: what can be asked of a DNS server at all. Pure.

use hickory_proto::rr::Name;
use hickory_proto::rr::domain::usage::{IN_ADDR_ARPA_127, INVALID, IP6_ARPA_1, LOCALHOST, ONION};

/// A name as it is asked for, underscores and names of other scripts (RFC 5891) included, or why it can't be.
pub fn query(name: &str) -> Result<Name, String> {
    // As a host name first, which encodes other scripts; else as any name, of which RFC 2181 (section 11) asks for lengths alone.
    Name::from_str_relaxed(name).map_err(|error| format!("{name:?} is not a DNS name: {error}"))
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
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(query(name).map(|query| query.to_ascii()).as_deref(), Ok(asked), "{name}");
        }
        for bad in ["a..b", ".a", "-a", &"a".repeat(64), "a b", "::1"] {
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
