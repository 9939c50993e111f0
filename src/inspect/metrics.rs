//! Reads figures of a connector and of an instance (monitoring v3, `timeSeries.list`). Does network I/O.

use std::time::Duration;

use google_cloud_monitoring_v3::model;
use google_cloud_monitoring_v3::model::aggregation::{Aligner, Reducer};
use google_cloud_monitoring_v3::model::typed_value::Value;
use google_cloud_wkt as wkt;
use jiff::Timestamp;

use super::convert::last;
use super::google::{Clients, Google};
use super::question::Question;
use crate::cloud::{Metrics, Unread};

/// How far back figures are read: they arrive some minutes late.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How far back the instance's CPU is read, by which its saturation is told.
const CPU_WINDOW: Duration = Duration::from_secs(7 * 60 * 60);
/// Points are taken together for so long.
const PERIOD: Duration = Duration::from_secs(60);
/// Most points that are read.
const MOST_POINTS: i32 = 500;
/// From which on a CPU is saturated.
const SATURATED: f64 = 0.98;

/// A figure: its metric, how its points and its series are taken together, and how far back.
struct Figure<'a> {
    metric: &'a str,
    aligner: Aligner,
    reducer: Reducer,
    window: Duration,
}

/// Reads a connector's figures. `question` is about the connector.
pub async fn connector(google: &Google, question: &Question, region: &str) -> Result<Metrics, Unread> {
    let clients = google.clients(question).await?;
    let object = format!(
        "resource.type=\"vpc_access_connector\" AND resource.labels.connector_name=\"{}\" AND resource.labels.location=\"{region}\"",
        last(&question.name)
    );
    let of = |metric, aligner, reducer| Figure { metric, aligner, reducer, window: WINDOW };
    let read = async |figure| points(google, &clients, question, &object, figure).await;
    // One after the other: the objects' states come before figures in the project's ration.
    let cpu =
        read(of("vpcaccess.googleapis.com/connector/cpu/utilizations", Aligner::AlignPercentile99, Reducer::ReduceMax))
            .await?;
    let instances =
        read(of("vpcaccess.googleapis.com/connector/instances", Aligner::AlignMax, Reducer::ReduceSum)).await?;
    let sent =
        read(of("vpcaccess.googleapis.com/connector/sent_bytes_count", Aligner::AlignRate, Reducer::ReduceSum)).await?;
    let received =
        read(of("vpcaccess.googleapis.com/connector/received_bytes_count", Aligner::AlignRate, Reducer::ReduceSum))
            .await?;
    Ok(Metrics {
        connector_cpu: cpu.into_iter().reduce(f64::max),
        connector_instances: instances.first().copied(),
        connector_sent_bytes_per_second: sent.first().copied(),
        connector_received_bytes_per_second: received.first().copied(),
        ..Metrics::default()
    })
}

/// What of an instance decides which figures there are.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Whether it is PostgreSQL, which counts its backends.
    pub postgres: bool,
    /// Whether it is a replica.
    pub replica: bool,
}

/// Reads an instance's figures. `id` is PROJECT:INSTANCE.
pub async fn instance(google: &Google, question: &Question, id: &str, engine: &Engine) -> Result<Metrics, Unread> {
    let clients = google.clients(question).await?;
    let object = format!("resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"{id}\"");
    let of = |metric, window| Figure { metric, aligner: Aligner::AlignMean, reducer: Reducer::ReduceMax, window };
    let read = async |figure| points(google, &clients, question, &object, figure).await;
    let cpu = read(of("cloudsql.googleapis.com/database/cpu/utilization", CPU_WINDOW)).await?;
    let memory = read(of("cloudsql.googleapis.com/database/memory/utilization", WINDOW)).await?;
    let disk = read(of("cloudsql.googleapis.com/database/disk/utilization", WINDOW)).await?;
    let connections = match engine.postgres {
        true => "cloudsql.googleapis.com/database/postgresql/num_backends",
        false => "cloudsql.googleapis.com/database/network/connections",
    };
    let connections = read(Figure { reducer: Reducer::ReduceSum, ..of(connections, WINDOW) }).await?;
    let lag = match engine.replica {
        true => read(of("cloudsql.googleapis.com/database/replication/replica_lag", WINDOW)).await?,
        false => Vec::new(),
    };
    Ok(Metrics {
        instance_cpu: cpu.first().copied(),
        instance_cpu_saturated_seconds: saturated(&cpu),
        instance_memory: memory.first().copied(),
        instance_disk: disk.first().copied(),
        instance_connections: connections.first().copied(),
        replica_lag_seconds: lag.first().copied(),
        ..Metrics::default()
    })
}

/// Both halves of the figures as one.
pub fn joined(connector: &Metrics, instance: &Metrics) -> Metrics {
    Metrics {
        connector_cpu: connector.connector_cpu,
        connector_instances: connector.connector_instances,
        connector_sent_bytes_per_second: connector.connector_sent_bytes_per_second,
        connector_received_bytes_per_second: connector.connector_received_bytes_per_second,
        instance_cpu: instance.instance_cpu,
        instance_cpu_saturated_seconds: instance.instance_cpu_saturated_seconds,
        instance_memory: instance.instance_memory,
        instance_disk: instance.instance_disk,
        instance_connections: instance.instance_connections,
        replica_lag_seconds: instance.replica_lag_seconds,
    }
}

/// The points of a figure, the latest first.
async fn points(
    google: &Google,
    clients: &Clients,
    question: &Question,
    object: &str,
    figure: Figure<'_>,
) -> Result<Vec<f64>, Unread> {
    let api = clients.metrics(question).await?;
    let now = Timestamp::now().as_second();
    let at = |second: i64| wkt::Timestamp::clamp(second, 0);
    let since = now - i64::try_from(figure.window.as_secs()).unwrap_or(0);
    let interval = model::TimeInterval::new().set_start_time(at(since)).set_end_time(at(now));
    let period = wkt::Duration::clamp(i64::try_from(PERIOD.as_secs()).unwrap_or(60), 0);
    let aggregation = model::Aggregation::new()
        .set_alignment_period(period)
        .set_per_series_aligner(figure.aligner)
        .set_cross_series_reducer(figure.reducer);
    let filter = format!("metric.type=\"{}\" AND {object}", figure.metric);
    let list = || {
        api.list_time_series()
            .set_name(format!("projects/{}", question.project))
            .set_filter(&filter)
            .set_interval(interval.clone())
            .set_aggregation(aggregation.clone())
            .set_page_size(MOST_POINTS)
            .send()
    };
    let answer = google.ask(question, list).await?;
    let scale = if answer.unit == "%" { 0.01 } else { 1.0 };
    let series = answer.time_series.first();
    let scale = if series.is_some_and(|series| series.unit == "%") { 0.01 } else { scale };
    let points = series.map(|series| series.points.as_slice()).unwrap_or_default();
    Ok(points.iter().filter_map(number).map(|number| number * scale).collect())
}

fn number(point: &model::Point) -> Option<f64> {
    match point.value.as_ref()?.value.as_ref()? {
        Value::DoubleValue(number) => Some(*number),
        Value::Int64Value(number) => Some(*number as f64),
        _ => None,
    }
}

/// How long a CPU has been saturated without a break. None: there is no point.
fn saturated(cpu: &[f64]) -> Option<u64> {
    let points = cpu.iter().take_while(|cpu| **cpu >= SATURATED).count();
    (!cpu.is_empty()).then(|| PERIOD.as_secs() * points as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn saturation_is_counted_from_now_back_to_the_first_break() {
        assert_eq!(saturated(&[]), None);
        assert_eq!(saturated(&[0.5, 1.0]), Some(0));
        assert_eq!(saturated(&[0.99, 0.98, 0.97, 1.0]), Some(120));
    }

    #[test]
    fn numbers_are_read_in_both_forms() {
        for (value, expected) in [
            (json!({"doubleValue": 0.5}), Some(0.5)),
            (json!({"int64Value": "3"}), Some(3.0)),
            (json!({"boolValue": true}), None),
        ] {
            let point: model::Point = serde_json::from_value(json!({"value": value})).expect("a point");
            assert_eq!(number(&point), expected);
        }
    }
}
