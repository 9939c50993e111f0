//! Figures taken together as Cloud Monitoring does it: points within a period (alignment), then series (reduction). Series in, series
//! out; what is not done here is refused. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How points of a period become one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aligner {
    Rate,
    Min,
    Max,
    Mean,
    Count,
    Sum,
    Percentile(f64),
}

/// How series become one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reducer {
    Mean,
    Min,
    Max,
    Sum,
    Count,
}

/// How figures are to be taken together.
#[derive(Clone, Copy, Debug)]
pub struct Aggregation {
    period: SignedDuration,
    aligner: Aligner,
    reducer: Option<Reducer>,
}

impl Aggregation {
    /// What the query asks for; none if it asks for points as they are.
    ///
    /// # Errors
    /// A sentence about what is not done here.
    pub fn parse(query: &BTreeMap<String, String>) -> Result<Option<Aggregation>, String> {
        let asked = |field: &str| {
            query.get(&format!("aggregation.{field}")).map(String::as_str).filter(|text| !text.is_empty())
        };
        let none = |text: &&str| !matches!(*text, "0" | "ALIGN_NONE" | "REDUCE_NONE");
        let other =
            |name: &&String| name.starts_with("secondaryAggregation.") || name.starts_with("aggregation.groupByFields");
        if let Some(name) = query.keys().find(other) {
            return Err(format!("The stand-in does not know {name}"));
        }
        let reducer = asked("crossSeriesReducer").filter(none).map(reducer).transpose()?;
        let Some(aligner) = asked("perSeriesAligner").filter(none).map(aligner).transpose()? else {
            return if reducer.is_some() { Err("A reducer needs a perSeriesAligner".to_owned()) } else { Ok(None) };
        };
        let period = asked("alignmentPeriod").and_then(|period| period.strip_suffix('s')?.parse::<f64>().ok());
        let period = period.filter(|period| (60.0..=86_400.0).contains(period));
        let period = period.ok_or("aggregation.alignmentPeriod must be a duration of at least 60s")?;
        Ok(Some(Aggregation { period: SignedDuration::from_secs_f64(period), aligner, reducer }))
    }

    /// Series with their points taken together, in periods that end with the window.
    ///
    /// # Errors
    /// A sentence about a series that can't be aligned so.
    pub fn apply(self, series: &[Value], end: Timestamp) -> Result<Vec<Value>, String> {
        let aligned: Vec<Value> = series.iter().map(|series| self.align(series, end)).collect::<Result<_, _>>()?;
        Ok(match (self.reducer, aligned.is_empty()) {
            (Some(reducer), false) => vec![reduce(reducer, &aligned)],
            (Some(_) | None, _) => aligned,
        })
    }

    fn align(self, series: &Value, end: Timestamp) -> Result<Value, String> {
        let (kind, shape) = (&series["metricKind"], &series["valueType"]);
        let fits = match self.aligner {
            Aligner::Rate => kind != "GAUGE" && shape != "DISTRIBUTION",
            Aligner::Percentile(_) => kind == "GAUGE",
            Aligner::Min | Aligner::Max | Aligner::Mean | Aligner::Sum => shape != "DISTRIBUTION",
            Aligner::Count => true,
        };
        if !fits {
            return Err(format!("A series of kind {kind} and type {shape} can't be aligned by {:?}", self.aligner));
        }
        let mut periods: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for point in series["points"].as_array().into_iter().flatten() {
            let at: Option<Timestamp> = point["interval"]["endTime"].as_str().and_then(|at| at.parse().ok());
            let Some((at, value)) = at.zip(self.number(&point["value"])) else { continue };
            let before = end.duration_since(at).as_secs().max(0) / self.period.as_secs();
            periods.entry(before).or_default().push(value);
        }
        let whole = shape == "INT64" && matches!(self.aligner, Aligner::Min | Aligner::Max | Aligner::Sum);
        let points = periods.iter().map(|(before, values)| {
            let end = end.saturating_sub(self.period * i32::try_from(*before).unwrap_or(i32::MAX)).unwrap_or_default();
            let value = number_as(self.together(values), whole || self.aligner == Aligner::Count);
            json!({"interval": {"startTime": end.to_string(), "endTime": end.to_string()}, "value": value})
        });
        let points: Vec<Value> = points.collect();
        let mut aligned = series.clone();
        aligned["metricKind"] = json!("GAUGE");
        aligned["valueType"] = json!(if whole || self.aligner == Aligner::Count { "INT64" } else { "DOUBLE" });
        if self.aligner == Aligner::Rate {
            aligned["unit"] = json!(format!("{}/s", series["unit"].as_str().unwrap_or("1")));
        }
        aligned["points"] = Value::Array(points);
        Ok(aligned)
    }

    fn number(self, value: &Value) -> Option<f64> {
        match self.aligner {
            Aligner::Percentile(rank) if value["distributionValue"].is_object() => {
                percentile(&value["distributionValue"], rank)
            }
            Aligner::Count => Some(1.0),
            _ => plain(value),
        }
    }

    fn together(self, values: &[f64]) -> f64 {
        match self.aligner {
            Aligner::Rate => values.iter().sum::<f64>() / self.period.as_secs_f64(),
            Aligner::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Aligner::Max | Aligner::Percentile(_) => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Aligner::Mean => values.iter().sum::<f64>() / values.len().max(1) as f64,
            Aligner::Sum | Aligner::Count => values.iter().sum(),
        }
    }
}

/// All series as one, point by point. It keeps the labels that all of them must have.
fn reduce(reducer: Reducer, series: &[Value]) -> Value {
    let mut moments: BTreeMap<Option<Timestamp>, (Value, Vec<f64>)> = BTreeMap::new();
    for point in series.iter().flat_map(|series| series["points"].as_array().into_iter().flatten()) {
        let at = point["interval"]["endTime"].as_str().and_then(|at| at.parse().ok());
        let moment = moments.entry(at).or_insert_with(|| (point["interval"].clone(), Vec::new()));
        moment.1.extend(plain(&point["value"]));
    }
    let first = &series[0];
    let whole = match reducer {
        Reducer::Mean => false,
        Reducer::Count => true,
        Reducer::Min | Reducer::Max | Reducer::Sum => first["valueType"] == "INT64",
    };
    let points = moments.into_values().rev().map(|(interval, values)| {
        let value = match reducer {
            Reducer::Mean => values.iter().sum::<f64>() / values.len().max(1) as f64,
            Reducer::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Reducer::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Reducer::Sum => values.iter().sum(),
            Reducer::Count => values.len() as f64,
        };
        json!({"interval": interval, "value": number_as(value, whole)})
    });
    let points: Vec<Value> = points.collect();
    let project = &first["resource"]["labels"]["project_id"];
    json!({
        "metric": {"type": first["metric"]["type"]}, "metricKind": "GAUGE", "unit": first["unit"],
        "resource": {"type": first["resource"]["type"], "labels": {"project_id": project}},
        "valueType": if whole { "INT64" } else { "DOUBLE" }, "points": points,
    })
}

fn plain(value: &Value) -> Option<f64> {
    let whole = value["int64Value"].as_str().and_then(|number| number.parse().ok());
    value["doubleValue"].as_f64().or(whole)
}

fn number_as(number: f64, whole: bool) -> Value {
    if whole { json!({"int64Value": format!("{number:.0}")}) } else { json!({"doubleValue": number}) }
}

/// A percentile of a distribution in linear buckets, the first of which holds what lies below them.
fn percentile(distribution: &Value, rank: f64) -> Option<f64> {
    let buckets = &distribution["bucketOptions"]["linearBuckets"];
    let (width, offset) = (buckets["width"].as_f64()?, buckets["offset"].as_f64()?);
    let count = |count: &Value| count.as_str().and_then(|count| count.parse::<f64>().ok()).unwrap_or_default();
    let counts: Vec<f64> = distribution["bucketCounts"].as_array()?.iter().map(count).collect();
    let wanted = counts.iter().sum::<f64>() * rank;
    let mut before = 0.0;
    for (index, count) in counts.iter().enumerate() {
        if *count > 0.0 && before + count >= wanted {
            let share = ((wanted - before) / count).clamp(0.0, 1.0);
            return Some(offset + width * ((index as f64 - 1.0).max(0.0) + share));
        }
        before += count;
    }
    None
}

/// By name, or by number as Google's crates spell enums.
fn aligner(text: &str) -> Result<Aligner, String> {
    match text {
        "ALIGN_RATE" | "2" => Ok(Aligner::Rate),
        "ALIGN_MIN" | "10" => Ok(Aligner::Min),
        "ALIGN_MAX" | "11" => Ok(Aligner::Max),
        "ALIGN_MEAN" | "12" => Ok(Aligner::Mean),
        "ALIGN_COUNT" | "13" => Ok(Aligner::Count),
        "ALIGN_SUM" | "14" => Ok(Aligner::Sum),
        "ALIGN_PERCENTILE_99" | "18" => Ok(Aligner::Percentile(0.99)),
        "ALIGN_PERCENTILE_95" | "19" => Ok(Aligner::Percentile(0.95)),
        "ALIGN_PERCENTILE_50" | "20" => Ok(Aligner::Percentile(0.5)),
        other => Err(format!("The stand-in does not know the perSeriesAligner {other}")),
    }
}

fn reducer(text: &str) -> Result<Reducer, String> {
    match text {
        "REDUCE_MEAN" | "1" => Ok(Reducer::Mean),
        "REDUCE_MIN" | "2" => Ok(Reducer::Min),
        "REDUCE_MAX" | "3" => Ok(Reducer::Max),
        "REDUCE_SUM" | "4" => Ok(Reducer::Sum),
        "REDUCE_COUNT" | "6" => Ok(Reducer::Count),
        other => Err(format!("The stand-in does not know the crossSeriesReducer {other}")),
    }
}
