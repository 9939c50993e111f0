//! Takes what looks like a credential out of texts that others wrote: log entries, messages of APIs. Pure.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// What looks like a credential, and what stays of it. The first that fits is applied first.
const SHAPES: [(&str, &str); 11] = [
    (r"-----BEGIN [A-Z ]+-----[\s\S]*?(-----END [A-Z ]+-----|$)", HIDDEN),
    // Greedy: a password may hold @ and /.
    (r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s]*@", "${1}***@"),
    // Go's MySQL driver: user:password@tcp(host:port)/database.
    (r"\S+@(tcp6?|unix|cloudsql\w*)\(", "***@${1}("),
    (r"(?i)\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{6,}", "${1} ***"),
    (
        concat!(
            r#"(?i)([a-z0-9_.-]*(?:passw(?:or)?d|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|"#,
            r#"private[_-]?key|signature|authorization|credentials?|cookie)[a-z0-9_.-]*["']?\s*[:=]\s*)"#,
            r#"("[^"]*"?|'[^']*'?|[^\s,;&]+)"#
        ),
        "${1}***",
    ),
    // A word of its own, so that bypass, passes and compass stay.
    (r#"(?i)\b((?:[a-z0-9]+[_.-])*pass["']?\s*[:=]\s*)("[^"]*"?|'[^']*'?|[^\s,;&]+)"#, "${1}***"),
    (r#"(?i)\b(passw(?:or)?d|passphrase|pwd|pass|secret|identified\s+by)\s+("[^"]*"?|'[^']*'?)"#, "${1} ***"),
    (r"\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?", HIDDEN),
    (r"\bya29\.[\w.-]+", HIDDEN),
    (r"\b(AIza|GOCSPX-|ghp_|sk-|xox[a-z]-)[\w-]{8,}", HIDDEN),
    // An opaque run with digits in it, longer than a UUID without dashes or a digest's beginning.
    (r"\b[A-Za-z0-9+/_]{40,}={0,2}", HIDDEN),
];

static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let compiled = SHAPES.iter().filter_map(|(shape, stays)| Some((Regex::new(shape).ok()?, *stays)));
    compiled.collect()
});

/// The text without anything that looks like a credential.
pub fn cleaned(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (pattern, stays) in PATTERNS.iter() {
        if pattern.is_match(&text) {
            text = pattern.replace_all(&text, *stays).into_owned().into();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_a_pattern() {
        assert_eq!(PATTERNS.len(), SHAPES.len());
    }

    #[test]
    fn credentials_are_taken_out_and_the_rest_stays() {
        let cases = [
            (
                "connect postgres://app:hunter2@10.20.0.3:5432/db failed",
                "connect postgres://***@10.20.0.3:5432/db failed",
            ),
            ("postgres://app:hun/ter2@x@10.20.0.3/db", "postgres://***@10.20.0.3/db"),
            ("host=10.20.0.3 password=hunter2 user=app", "host=10.20.0.3 password=*** user=app"),
            ("DB_PASSWORD: 'hunter2 hunter2', port 5", "DB_PASSWORD: ***, port 5"),
            (r#"{"apiKey": "hunter2", "port": 5}"#, r#"{"apiKey": ***, "port": 5}"#),
            ("Authorization: Bearer hunter2.hunter2", "Authorization: *** ***"),
            ("got ya29.a0hunter2 back", "got *** back"),
            ("app:hunter2@tcp(10.20.0.3:3306)/app: dial tcp", "***@tcp(10.20.0.3:3306)/app: dial tcp"),
            ("app:hunter2@unix(/cloudsql/p:r:i)/app", "***@unix(/cloudsql/p:r:i)/app"),
            ("could not connect with password 'hunter2'", "could not connect with password ***"),
            ("CREATE USER app IDENTIFIED BY 'hunter2';", "CREATE USER app IDENTIFIED BY ***;"),
            ("PASS=hunter2 DB_PASS=hunter2 bypass=1", "PASS=*** DB_PASS=*** bypass=1"),
            ("password authentication failed for user \"app\"", "password authentication failed for user \"app\""),
            ("jwt eyJhunter2.eyJhunter2.hunter2 expired", "jwt *** expired"),
            ("Database initialization timeout after 20.0s", "Database initialization timeout after 20.0s"),
            ("Container called exit(3).", "Container called exit(3)."),
        ];
        for (text, expected) in cases {
            let cleaned = cleaned(text);
            assert!(!cleaned.contains("hunter2"), "{cleaned}");
            assert_eq!(cleaned, expected);
        }
    }

    #[test]
    fn keys_in_pem_are_taken_out_also_when_they_are_cut() {
        let key = "key -----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY----- read";
        assert_eq!(cleaned(key), "key *** read");
        assert_eq!(cleaned("-----BEGIN RSA PRIVATE KEY-----\nhunter2"), "***");
    }
}
