//! Compiles a `grpc` probe. Pure.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Compiler, authority, invalid};
use crate::api::probes::{GRPC_AUTH_TWICE, GrpcMetadata, GrpcMethod, GrpcProbe};
use crate::api::spec::KindSpec;
use crate::plan::Fault;
use crate::plan::kinds::{Action, GrpcAction};
use crate::plan::trust::Verification;

/// Binary metadata is sent without padding, and taken with or without (gRPC over HTTP/2, "Binary-Header").
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How the name of binary metadata ends.
pub(super) const BINARY: &str = "-bin";

const NOT_ASCII: &str = "holds characters other than printable ASCII: send bytes under a name that ends in -bin";

impl Compiler<'_> {
    pub(super) fn grpc(&self, spec: &GrpcProbe) -> Result<Action, Fault> {
        if spec.plaintext && spec.tls.is_some() {
            return Err(invalid(self.at("grpc.tls"), "is not used with plaintext: set one of the two"));
        }
        let tls = if spec.plaintext {
            None
        } else {
            let settings = spec.tls.clone().unwrap_or_default();
            let verification =
                if settings.insecure_skip_verify { Verification::Nothing } else { Verification::ChainAndName };
            Some(self.trust(
                "grpc.tls",
                settings.server_name.as_deref(),
                verification,
                settings.ca_secret_ref.as_ref(),
                settings.client_cert_secret_ref.as_ref(),
            )?)
        };
        let uri = self.called(spec)?;
        let auth = self.auth("grpc.auth", spec.auth.as_ref(), &self.connected(spec)?)?;
        let metadata = self.metadata(spec)?;
        if auth.is_some() && metadata.contains_key(AUTHORIZATION) {
            return Err(invalid(self.at("grpc.auth"), GRPC_AUTH_TWICE));
        }
        let mut hidden = self.hidden(&KindSpec::Grpc(spec).secret_keys(), "");
        let secret = metadata.values().filter(|value| value.is_sensitive());
        secret.filter_map(|value| value.to_str().ok()).for_each(|value| hidden.hide(value));
        Ok(Action::Grpc(Box::new(GrpcAction {
            endpoint: self.endpoint("grpc", &spec.host, spec.port, spec.happy_eyeballs)?,
            tls,
            service: spec.service.as_str().into(),
            method: spec.method,
            uri,
            metadata,
            auth,
            hidden,
        })))
    }

    /// Where the connection leads, as a URL.
    fn connected(&self, spec: &GrpcProbe) -> Result<Url, Fault> {
        let scheme = if spec.plaintext { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{}", authority(&spec.host, spec.port)))
            .map_err(|error| invalid(self.at("grpc.host"), format!("is not a host: {error}")))
    }

    /// What is called, with the authority by which the server is chosen.
    fn called(&self, spec: &GrpcProbe) -> Result<Uri, Fault> {
        let (scheme, usual) = if spec.plaintext { ("http", 80) } else { ("https", 443) };
        let authority = match &spec.authority {
            Some(authority) => authority.clone(),
            None => {
                let whole = authority(&spec.host, spec.port);
                whole.strip_suffix(&format!(":{usual}")).map(str::to_owned).unwrap_or(whole)
            }
        };
        let path = match spec.method {
            GrpcMethod::Check => "/grpc.health.v1.Health/Check",
            GrpcMethod::Watch => "/grpc.health.v1.Health/Watch",
        };
        let field = if spec.authority.is_some() { "grpc.authority" } else { "grpc.host" };
        Uri::builder()
            .scheme(scheme)
            .authority(authority.as_str())
            .path_and_query(path)
            .build()
            .map_err(|error| invalid(self.at(field), format!("{authority:?} can't be an :authority: {error}")))
    }

    fn metadata(&self, spec: &GrpcProbe) -> Result<HeaderMap, Fault> {
        let mut metadata = HeaderMap::new();
        for (index, GrpcMetadata { name, value }) in spec.metadata.iter().enumerate() {
            let path = format!("grpc.metadata[{index}]");
            let field = self.at(&format!("{path}.value"));
            let value = if name.ends_with(BINARY) {
                let bytes = BASE64
                    .decode(value)
                    .map_err(|error| invalid(&field, format!("must be base64, as {name} stands for bytes: {error}")))?;
                binary(&bytes)
            } else {
                ascii(value).ok_or_else(|| invalid(&field, NOT_ASCII))?
            };
            metadata.append(self.metadata_name(&path, name)?, value);
        }
        for (index, from) in spec.metadata_from_secret.iter().enumerate() {
            let path = format!("grpc.metadataFromSecret[{index}]");
            let field = self.at(&format!("{path}.secretRef"));
            let (secret, key) = (&from.secret_ref.name, &from.secret_ref.key);
            let mut value = if from.name.ends_with(BINARY) {
                binary(self.secrets.get(&field, secret, key)?)
            } else {
                let text = self.secrets.text(&field, secret, key)?;
                ascii(text).ok_or_else(|| invalid(&field, format!("the Secret's value {NOT_ASCII}")))?
            };
            value.set_sensitive(true);
            metadata.append(self.metadata_name(&path, &from.name)?, value);
        }
        Ok(metadata)
    }

    pub(super) fn metadata_name(&self, path: &str, name: &str) -> Result<HeaderName, Fault> {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(self.at(&format!("{path}.name")), format!("{name:?} is not a metadata name")))
    }
}

/// Metadata of printable ASCII.
fn ascii(value: &str) -> Option<HeaderValue> {
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    HeaderValue::from_str(value).ok().filter(|_| printable)
}

/// Metadata of bytes, as they are sent.
fn binary(bytes: &[u8]) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(bytes)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What is observed, for people.
pub(super) fn shown(spec: &GrpcProbe) -> String {
    let at = authority(&spec.host, spec.port);
    if spec.service.is_empty() { format!("grpc://{at}") } else { format!("grpc://{at}/{}", spec.service) }
}
