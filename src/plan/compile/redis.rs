//! Compiles a `redis` probe. Pure but for the CA certificates of the system.

use super::database::Reach;
use super::{Compiler, authority, invalid};
use crate::api::probes::{REDIS_CA_UNUSED, RedisProbe, RedisTls, RedisTlsMode};
use crate::plan::Fault;
use crate::plan::kinds::{Action, RedisAction};
use crate::plan::trust::{TlsPlan, Verification};

impl Compiler<'_> {
    pub(super) fn redis(&self, spec: &RedisProbe) -> Result<Action, Fault> {
        let usage = self.usage(spec.connections, &spec.init_queries, spec.payload_bytes);
        let way = self.way("redis", &reach(spec), &usage)?;
        Ok(Action::Redis(Box::new(RedisAction {
            way,
            tls: spec.tls.as_ref().map(|tls| self.redis_tls(tls, &spec.host)).transpose()?,
            user: spec.user.as_deref().map(Into::into),
            password: self.password("redis.passwordSecretRef", spec.password_secret_ref.as_ref())?,
            database: spec.database,
            role: spec.role,
            round_trip: spec.round_trip,
            usage,
        })))
    }

    fn redis_tls(&self, spec: &RedisTls, host: &str) -> Result<TlsPlan, Fault> {
        let verification = match spec.mode {
            RedisTlsMode::Require if spec.ca_secret_ref.is_some() => {
                return Err(invalid(self.at("redis.tls"), REDIS_CA_UNUSED));
            }
            RedisTlsMode::Require => Verification::Nothing,
            RedisTlsMode::VerifyCa => Verification::Chain,
            RedisTlsMode::VerifyFull => Verification::ChainAndName,
        };
        self.trust(
            "redis.tls",
            Some(spec.server_name.as_deref().unwrap_or(host)),
            verification,
            spec.ca_secret_ref.as_ref(),
            spec.client_cert_secret_ref.as_ref(),
        )
    }
}

fn reach(spec: &RedisProbe) -> Reach<'_> {
    Reach {
        host: Some(&spec.host),
        port: spec.port,
        happy_eyeballs: spec.happy_eyeballs,
        socket: None,
        socket_name: None,
        cloud_sql: None,
    }
}

/// What is observed, as it may be shown.
pub(super) fn shown(spec: &RedisProbe) -> String {
    let scheme = if spec.tls.is_some() { "rediss" } else { "redis" };
    let user = spec.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let database = spec.database.map(|number| format!("/{number}")).unwrap_or_default();
    format!("{scheme}://{user}{}{database}", authority(&spec.host, spec.port))
}
