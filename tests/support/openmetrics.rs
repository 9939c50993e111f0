//! OpenMetrics text in, its families out, or the first rule that it breaks (OpenMetrics 1.0.0, as far as a test can hold it: order,
//! metadata, names by type, labels, duplicates, histograms). Pure.

use std::collections::{BTreeMap, BTreeSet};

/// A metric family.
#[derive(Debug, Default)]
pub struct Family {
    /// Its type, such as gauge.
    pub kind: String,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
    metadata: BTreeSet<String>,
}

/// One line with a value.
#[derive(Debug)]
pub struct Sample {
    /// The full name, with its suffix.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Reads an exposition strictly.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(metadata) = line.strip_prefix("# ") {
            let mut words = metadata.splitn(3, ' ');
            let (keyword, name) = (words.next().unwrap_or_default(), words.next().ok_or_else(|| wrong("no name"))?);
            if name != current {
                if families.contains_key(name) {
                    return Err(wrong("a family in two places"));
                }
                name.clone_into(&mut current);
            }
            let family = families.entry(name.to_owned()).or_default();
            if !family.samples.is_empty() || !family.metadata.insert(keyword.to_owned()) {
                return Err(wrong("metadata twice, or after a sample"));
            }
            let rest = words.next().unwrap_or_default();
            match keyword {
                "TYPE" => rest.clone_into(&mut family.kind),
                "UNIT" if !name.ends_with(&format!("_{rest}")) => return Err(wrong("the name lacks its unit")),
                "UNIT" | "HELP" => {}
                _ => return Err(wrong("no such keyword")),
            }
        } else {
            let sample = sample(line).ok_or_else(|| wrong("no sample"))?;
            let family = families.get_mut(&current).ok_or_else(|| wrong("a sample without a family"))?;
            let suffix = sample.name.strip_prefix(&current).ok_or_else(|| wrong("a sample of another family"))?;
            if !suffixes(&family.kind).contains(&suffix) {
                return Err(wrong("no suffix of this type"));
            }
            family.samples.push(sample);
        }
    }
    families.values().try_for_each(check)?;
    Ok(families)
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total", "_created"],
        "histogram" => &["_bucket", "_count", "_sum", "_created"],
        "info" => &["_info"],
        "gauge" => &[""],
        _ => &[],
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)?),
    };
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    (is_name(name) && labels.keys().all(|name| is_name(name))).then_some(())?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

fn labels(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next()? {
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    _ => return None,
                }),
                (end, '"') => break end,
                (_, other) => value.push(other),
            }
        };
        if found.insert(name.to_owned(), value).is_some() {
            return None;
        }
        text = &rest[end + 1..];
        text = if text.is_empty() { text } else { text.strip_prefix(',')? };
    }
    Some(found)
}

fn check(family: &Family) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        if !seen.insert((&sample.name, &sample.labels)) {
            return Err(format!("{sample:?} twice"));
        }
        if family.kind == "counter" && (sample.value < 0.0 || sample.value.is_nan()) {
            return Err(format!("{sample:?} is no count"));
        }
    }
    if family.kind.is_empty() {
        return Err(format!("a family without a type: {family:?}"));
    }
    if family.kind == "histogram" { check_buckets(family) } else { Ok(()) }
}

/// Buckets are cumulative, and the last one is the count.
fn check_buckets(family: &Family) -> Result<(), String> {
    let mut series: BTreeMap<BTreeMap<String, String>, (f64, f64, f64)> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le");
        let (last, inf, count) = series.entry(labels).or_insert((0.0, -1.0, -2.0));
        match bound {
            Some(_) if sample.value < *last => return Err(format!("{sample:?} is less than the bucket before")),
            Some(bound) => {
                *last = sample.value;
                if bound == "+Inf" {
                    *inf = sample.value;
                }
            }
            None if sample.name.ends_with("_count") => *count = sample.value,
            None => {}
        }
    }
    match series.values().find(|(_, inf, count)| inf != count) {
        Some(wrong) => Err(format!("bucket +Inf and count differ: {wrong:?}")),
        None => Ok(()),
    }
}

#[test]
fn what_breaks_a_rule_is_refused() {
    let good = "# HELP a A.\n# TYPE a counter\na_total{x=\"y\\\"z\"} 1\n# EOF\n";
    assert_eq!(parse(good).expect("sound")["a"].samples[0].labels["x"], "y\"z");
    for bad in [
        "# TYPE a counter\na_total 1\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a counter\na_total 1\na_total 2\n# EOF\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n",
        "# TYPE a gauge\na{x=\"y} 1\n# EOF\n",
        "# TYPE a gauge\na one\n# EOF\n",
        "a 1\n# EOF\n",
        "# TYPE a_s gauge\n# UNIT a_s seconds\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_count 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\n# EOF\n",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
