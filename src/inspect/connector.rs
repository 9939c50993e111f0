//! Reads a Serverless VPC Access connector (vpcaccess v1). Does network I/O.

use google_cloud_vpcaccess_v1::model;

use super::convert::{last, named};
use super::google::Google;
use super::question::Question;
use crate::cloud::connector::{ConnectorState, ConnectorSubnet};
use crate::cloud::{Connector, Unread};

/// Reads a connector.
pub async fn read(google: &Google, question: &Question) -> Result<Connector, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.connectors(question).await?;
    let answer = google.ask(question, || api.get_connector().set_name(&*question.name).send()).await?;
    Ok(of(answer))
}

fn of(connector: model::Connector) -> Connector {
    let subnet = connector.subnet.filter(|subnet| !subnet.name.is_empty());
    Connector {
        state: named(connector.state.name(), ConnectorState::ALL),
        network: last(&connector.network).to_owned(),
        ip_cidr_range: connector.ip_cidr_range,
        subnet: subnet
            .map(|subnet| ConnectorSubnet { name: last(&subnet.name).to_owned(), project_id: subnet.project_id }),
        machine_type: connector.machine_type,
        min_instances: connector.min_instances,
        max_instances: connector.max_instances,
        min_throughput: connector.min_throughput,
        max_throughput: connector.max_throughput,
        connected_projects: connector.connected_projects,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connector_is_read_with_its_state_and_its_subnet() {
        let connector: model::Connector = serde_json::from_value(json!({
            "name": "projects/p/locations/r/connectors/c", "state": "ERROR", "machineType": "e2-micro",
            "subnet": {"name": "serverless", "projectId": "host"}, "minInstances": 2, "maxInstances": 3,
            "minThroughput": 200, "maxThroughput": 300,
        }))
        .expect("a connector");
        let connector = of(connector);
        assert_eq!(connector.state, ConnectorState::Error);
        let subnet = connector.subnet.expect("a subnet");
        assert_eq!((&*subnet.name, &*subnet.project_id), ("serverless", "host"));
        assert_eq!((connector.min_throughput, connector.max_throughput), (200, 300));
    }
}
