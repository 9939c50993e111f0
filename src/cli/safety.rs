//! The arguments that say what may be probed at all. Arguments in, rules out; no I/O.

use std::path::PathBuf;

use clap::ValueHint;
use ipnet::IpNet;

use crate::probe::Targets;
use crate::probe::net::targets::{self, DEFAULT_SOCKETS, Ports, Rules};

/// What checks may reach, whatever they say.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What may be probed (docs/safety.md)")]
pub struct TargetArgs {
    /// Connect to these networks alone, such as 10.0.0.0/8; repeatable, or with commas [default: all]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = targets::network)]
    pub target_allow_cidrs: Vec<IpNet>,
    /// Never connect to these networks, even if they are allowed; repeatable, or with commas
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = targets::network)]
    pub target_deny_cidrs: Vec<IpNet>,
    /// Connect to these ports alone, such as 5432 or 8000-8100; repeatable, or with commas [default: all]
    #[arg(long, value_name = "PORT|FROM-TO", value_delimiter = ',')]
    pub target_allow_ports: Vec<Ports>,
    /// Never connect to these ports, even if they are allowed; repeatable, or with commas
    #[arg(long, value_name = "PORT|FROM-TO", value_delimiter = ',')]
    pub target_deny_ports: Vec<Ports>,
    /// Connect to link-local addresses and to metadata servers, too: they hand out the machine's own credentials
    #[arg(long)]
    pub allow_link_local: bool,
    /// Open Unix sockets below these directories alone; repeatable, or with commas
    #[arg(long, value_name = "DIR", value_delimiter = ',', default_value = DEFAULT_SOCKETS, value_hint = ValueHint::DirPath)]
    pub socket_dirs: Vec<PathBuf>,
}

impl TargetArgs {
    /// The rules that they amount to.
    pub fn targets(&self) -> Targets {
        Targets::new(Rules {
            allowed: self.target_allow_cidrs.clone(),
            denied: self.target_deny_cidrs.clone(),
            allowed_ports: self.target_allow_ports.clone(),
            denied_ports: self.target_deny_ports.clone(),
            link_local: self.allow_link_local,
            sockets: self.socket_dirs.clone(),
        })
    }
}
