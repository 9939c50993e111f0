//! Rules about how the instance wants to be connected to: TLS, client certificates, a connector. Pure.

use super::super::{Case, Finding, Observation};
use super::{cite, way};
use crate::api::{Cause, Confidence, Layer, Stage};
use crate::cloud::Inspection;
use crate::cloud::instance::{ConnectorEnforcement, SslMode};

pub(in crate::diagnosis) const CONNECTOR: &str = "application/connector-required";
pub(in crate::diagnosis) const SSL: &str = "application/ssl-mode";

/// How a server shows that it does not take this way of connecting.
const fn turns_away(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::AccessDenied
            | Cause::TlsRequired
            | Cause::ClientCertificateRequired
            | Cause::TlsProtocolError
            | Cause::ConnectionClosed
            | Cause::ConnectionReset
    )
}

fn directly(observation: &Observation<'_>) -> bool {
    !way::by_connector(observation)
}

pub(in crate::diagnosis) fn connector_required(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    if found.object.connector_enforcement != Some(ConnectorEnforcement::Required) {
        return Vec::new();
    }
    let turned_away =
        way::of_instance_with(case, picture, |observation, cause| turns_away(cause) && directly(observation));
    if turned_away.is_empty() {
        return Vec::new();
    }
    let summary = format!(
        "the instance {} takes connections through a Cloud SQL connector alone (connectorEnforcement REQUIRED), and these come directly",
        found.object.connection_name
    );
    let told = vec![cite("instance", found, "connectorEnforcement REQUIRED")];
    let finding = Finding::told(CONNECTOR, Cause::ConnectorRequired, Inspection::Instance, summary, told);
    vec![finding.explaining(case, turned_away, way::symptoms(case))]
}

pub(in crate::diagnosis) fn ssl_mode(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.instance.found() else { return Vec::new() };
    let Some(mode) = &found.object.ssl_mode else { return Vec::new() };
    let (cause, lacks) = match mode {
        SslMode::EncryptedOnly => (Cause::TlsRequired, "these come without TLS"),
        SslMode::TrustedClientCertificateRequired => {
            (Cause::ClientCertificateRequired, "these bring no client certificate that it trusts")
        }
        SslMode::AllowUnencryptedAndEncrypted | SslMode::Unspecified | SslMode::Other(_) => return Vec::new(),
    };
    let certificate = cause == Cause::ClientCertificateRequired;
    let turned_away = way::of_instance_with(case, picture, |observation, cause| {
        // A TLS session that came about satisfies ENCRYPTED_ONLY.
        turns_away(cause) && directly(observation) && (certificate || !observation.passed(Stage::Tls))
    });
    if turned_away.is_empty() {
        return Vec::new();
    }
    let summary = format!("the instance {} has sslMode {mode}, and {lacks}", found.object.connection_name);
    let told = vec![cite("instance", found, format!("sslMode {mode}"))];
    let finding = Finding::told(SSL, cause, Inspection::Instance, summary, told).of_layer(Layer::Application);
    vec![finding.sure(Confidence::High).explaining(case, turned_away, way::symptoms(case))]
}
