//! Names of the place where this process runs. Reads the environment and the host's name.

/// Where it probes from: what was given, or the pod in a cluster, otherwise the host.
pub fn vantage(given: Option<&str>) -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (given, set("POD_NAMESPACE"), set("POD_NAME")) {
        (Some(given), _, _) => given.to_owned(),
        (None, Some(namespace), Some(pod)) => format!("pod/{namespace}/{pod}"),
        (None, _, _) => format!("host/{}", host()),
    }
}

/// This replica: the pod in a cluster, otherwise the host.
pub fn instance() -> String {
    std::env::var("POD_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(host)
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
