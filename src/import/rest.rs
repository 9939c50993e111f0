//! A service in the shape of the REST API (run v2, `projects.locations.services.get`) in; the same without shape out. Pure.

use secrecy::SecretString;

use super::ImportError;
use super::exported::{Container, Exported, Held, SecretVersion, Variable};
use super::field::Field;
use super::{knative, proxy};
use crate::cloud::service::{NetworkInterface, Template, VpcAccess, VpcEgress};

/// Whether a description has this shape.
pub fn is_it(whole: &Field<'_>) -> Result<bool, ImportError> {
    let name = whole.get("name").text()?.unwrap_or_default();
    Ok(named(&name).is_some() && whole.get("template").is_there())
}

/// Project, region and name of projects/PROJECT/locations/REGION/services/NAME.
fn named(name: &str) -> Option<(&str, &str, &str)> {
    match name.split('/').collect::<Vec<_>>()[..] {
        ["projects", project, "locations", region, "services", name] => Some((project, region, name)),
        _ => None,
    }
}

/// Reads a service.
pub fn read(whole: &Field<'_>) -> Result<Exported, ImportError> {
    let full = whole.get("name").text()?.unwrap_or_default();
    let (project, region, name) = named(&full).unwrap_or_default();
    let template = whole.get("template");
    let mut containers = template.get("containers").items()?.iter().map(container).collect::<Result<Vec<_>, _>>()?;
    super::ingress_first(&mut containers);
    let url = match whole.get("uri").text()?.filter(|uri| !uri.is_empty()) {
        Some(uri) => Some(uri),
        None => whole.get("urls").items()?.first().map(Field::text).transpose()?.flatten(),
    };
    let is = |field: &str| Ok::<_, ImportError>(whole.get(field).text()?.as_deref() == Some("true"));
    let ingress = whole.get("ingress").text()?.unwrap_or_default();
    Ok(Exported {
        name: name.to_owned(),
        project: Some(project.to_owned()),
        region: Some(region.to_owned()),
        url,
        default_url: !is("defaultUriDisabled")?,
        open: is("invokerIamDisabled")?,
        internal: ingress.starts_with("INGRESS_TRAFFIC_INTERNAL") || ingress == "INGRESS_TRAFFIC_NONE",
        template: path(&template)?,
        health: None,
        port: None,
        containers,
    })
}

/// The way out, and the instances that are mounted.
fn path(template: &Field<'_>) -> Result<Template, ImportError> {
    let access = template.get("vpcAccess");
    let connector = access.get("connector").text()?.filter(|name| !name.is_empty());
    let network_interfaces = access.get("networkInterfaces").items()?;
    let network_interfaces = network_interfaces.iter().map(interface).collect::<Result<Vec<_>, _>>()?;
    let egress = access.get("egress").text()?.map_or(VpcEgress::Unspecified, |text| VpcEgress::from(text.as_str()));
    let out = connector.is_some() || !network_interfaces.is_empty();
    let mut instances = Vec::new();
    for volume in template.get("volumes").items()? {
        for instance in volume.at(&["cloudSqlInstance", "instances"]).items()? {
            instances.extend(instance.text()?);
        }
    }
    Ok(Template {
        vpc_access: out.then_some(VpcAccess { connector, egress, network_interfaces }),
        cloud_sql_instances: instances,
        ..Template::default()
    })
}

fn interface(field: &Field<'_>) -> Result<NetworkInterface, ImportError> {
    let text = |name: &str| Ok::<_, ImportError>(field.get(name).text()?.unwrap_or_default());
    Ok(NetworkInterface { network: text("network")?, subnetwork: text("subnetwork")?, tags: Vec::new() })
}

fn container(field: &Field<'_>) -> Result<Container, ImportError> {
    let startup = field.get("startupProbe");
    Ok(Container {
        ingress: !field.get("ports").items()?.is_empty(),
        environment: field.get("env").items()?.iter().map(variable).collect::<Result<_, _>>()?,
        proxied: proxy::instances(field)?,
        startup: if startup.is_there() { Some(knative::watched(&startup)?) } else { None },
        // The API leaves out what is the default, and the default path is the root.
        health: knative::health(field, Some("/"))?,
        port: knative::port(field)?,
    })
}

fn variable(field: &Field<'_>) -> Result<Variable, ImportError> {
    let name = field.get("name").text()?.unwrap_or_default();
    let reference = field.at(&["valueSource", "secretKeyRef"]);
    let value = match reference.get("secret").text()? {
        Some(secret) => Held::Secret(SecretVersion::named(&secret, reference.get("version").text()?)),
        None => Held::Text(SecretString::from(field.get("value").text()?.unwrap_or_default())),
    };
    Ok(Variable { name, value })
}
