//! The firewall rules in force for a network, in the order in which they are evaluated. Pure.
//!
//! A rule that holds for what the contract can't express (a service account, a secure tag, an address group, a name) keeps it with
//! a prefix, so that it is never taken for one that holds for all.

use google_cloud_compute_v1::model;
use model::NetworksGetEffectiveFirewallsResponseEffectiveFirewallPolicy as Policy;

use super::convert::last;
use crate::cloud::network::FirewallRule;

/// Most rules that are kept.
const MOST_RULES: usize = 1024;
/// Most ranges, ports or tags of a rule that are kept.
const MOST: usize = 128;

/// The rules: hierarchical policies, then the network's own rules and the network's policies, in the order that the network says.
pub fn rules(answer: &model::NetworksGetEffectiveFirewallsResponse, policies_first: bool) -> Vec<FirewallRule> {
    let (above, beside): (Vec<_>, Vec<_>) = answer.firewall_policys.iter().partition(|policy| is_above(policy));
    let of = |policies: Vec<&Policy>| policies.into_iter().flat_map(of_policy).collect::<Vec<_>>();
    let (above, beside) = (of(above), of(beside));
    let mut own: Vec<_> = answer.firewalls.iter().map(of_firewall).collect();
    own.sort_by_key(|rule| rule.priority);
    let (second, third) = if policies_first { (beside, own) } else { (own, beside) };
    above.into_iter().chain(second).chain(third).take(MOST_RULES).collect()
}

fn is_above(policy: &Policy) -> bool {
    policy.r#type.as_ref().and_then(|kind| kind.name()) == Some("HIERARCHY")
}

fn of_policy(policy: &Policy) -> Vec<FirewallRule> {
    let name = [&policy.short_name, &policy.name].into_iter().find_map(Option::as_deref);
    let name = last(name.unwrap_or_default());
    let mut rules: Vec<_> = policy.rules.iter().filter_map(|rule| of_rule(name, rule)).collect();
    rules.sort_by_key(|rule| rule.priority);
    rules
}

/// None: the rule neither lets pass nor drops, but hands on to the next level.
fn of_rule(policy: &str, rule: &model::FirewallPolicyRule) -> Option<FirewallRule> {
    let allow = match rule.action.as_deref()? {
        // A security profile looks into what it lets pass.
        "allow" | "apply_security_profile_group" => true,
        "deny" => false,
        _ => return None,
    };
    let direction = rule.direction.as_ref().and_then(|direction| direction.name()).unwrap_or("INGRESS");
    let matcher = rule.r#match.clone().unwrap_or_default();
    let (ranges, groups, names) = match direction {
        "EGRESS" => (matcher.dest_ip_ranges, matcher.dest_address_groups, matcher.dest_fqdns),
        _ => (matcher.src_ip_ranges, matcher.src_address_groups, matcher.src_fqdns),
    };
    let groups = groups.iter().map(|group| format!("addressGroup:{}", last(group)));
    let names = names.iter().map(|name| format!("fqdn:{name}"));
    let tags =
        rule.target_secure_tags.iter().filter_map(|tag| tag.name.as_deref()).map(|tag| format!("secureTag:{tag}"));
    let accounts = rule.target_service_accounts.iter().map(|account| format!("serviceAccount:{account}"));
    let ports = matcher.layer_4_configs.iter().flat_map(|config| ports(config.ip_protocol.as_deref(), &config.ports));
    let priority = rule.priority.unwrap_or(0);
    Some(FirewallRule {
        name: format!("{policy}/{}", rule.rule_name.clone().unwrap_or_else(|| priority.to_string())),
        direction: direction.to_owned(),
        priority,
        allow,
        ranges: ranges.into_iter().chain(groups).chain(names).take(MOST).collect(),
        ports: ports.take(MOST).collect(),
        target_tags: tags.chain(accounts).take(MOST).collect(),
        disabled: rule.disabled.unwrap_or(false),
    })
}

fn of_firewall(firewall: &model::Firewall) -> FirewallRule {
    let direction = firewall.direction.as_ref().and_then(|direction| direction.name()).unwrap_or("INGRESS");
    let sources = firewall.source_tags.iter().map(|tag| format!("tag:{tag}"));
    let from = firewall.source_service_accounts.iter().map(|account| format!("serviceAccount:{account}"));
    let ranges: Vec<String> = match direction {
        "EGRESS" => firewall.destination_ranges.clone(),
        _ => firewall.source_ranges.iter().cloned().chain(sources).chain(from).collect(),
    };
    let allowed = firewall.allowed.iter().flat_map(|allowed| ports(allowed.ip_protocol.as_deref(), &allowed.ports));
    let denied = firewall.denied.iter().flat_map(|denied| ports(denied.ip_protocol.as_deref(), &denied.ports));
    let accounts = firewall.target_service_accounts.iter().map(|account| format!("serviceAccount:{account}"));
    FirewallRule {
        name: firewall.name.clone().unwrap_or_default(),
        direction: direction.to_owned(),
        priority: firewall.priority.unwrap_or(1000),
        allow: firewall.denied.is_empty(),
        ranges: ranges.into_iter().take(MOST).collect(),
        ports: allowed.chain(denied).take(MOST).collect(),
        target_tags: firewall.target_tags.iter().cloned().chain(accounts).take(MOST).collect(),
        disabled: firewall.disabled.unwrap_or(false),
    }
}

fn ports(protocol: Option<&str>, ports: &[String]) -> Vec<String> {
    let protocol = protocol.unwrap_or("all");
    match ports {
        [] => vec![protocol.to_owned()],
        ports => ports.iter().map(|port| format!("{protocol}:{port}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_come_in_the_order_in_which_they_are_evaluated() {
        let answer: model::NetworksGetEffectiveFirewallsResponse = serde_json::from_value(json!({
            "firewalls": [
                {"name": "late", "priority": 2000, "direction": "INGRESS", "sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "tcp", "ports": ["5432"]}]},
                {"name": "soon", "priority": 100, "direction": "EGRESS", "destinationRanges": ["0.0.0.0/0"], "denied": [{"IPProtocol": "all"}], "targetTags": ["vpc-connector"]},
            ],
            "firewallPolicys": [
                {"type": "NETWORK", "shortName": "net", "rules": [{"priority": 5, "action": "allow", "direction": "EGRESS", "match": {"destFqdns": ["a.example"], "layer4Configs": [{"ipProtocol": "tcp"}]}}]},
                {"type": "HIERARCHY", "shortName": "org", "rules": [
                    {"priority": 9, "action": "goto_next", "direction": "EGRESS", "match": {}},
                    {"priority": 7, "action": "deny", "direction": "EGRESS", "ruleName": "no-sql", "match": {"destIpRanges": ["10.20.0.0/16"]}, "targetServiceAccounts": ["a@p"]},
                ]},
            ],
        }))
        .expect("an answer");
        let names = |first| rules(&answer, first).into_iter().map(|rule| rule.name).collect::<Vec<_>>();
        assert_eq!(names(false), ["org/no-sql", "soon", "late", "net/5"]);
        assert_eq!(names(true), ["org/no-sql", "net/5", "soon", "late"]);
        let rules = rules(&answer, false);
        assert_eq!((rules[0].allow, &*rules[0].target_tags), (false, &["serviceAccount:a@p".to_owned()][..]));
        assert_eq!((rules[1].allow, &*rules[1].ports), (false, &["all".to_owned()][..]));
        assert_eq!((rules[2].allow, &*rules[2].ports), (true, &["tcp:5432".to_owned()][..]));
        assert_eq!(rules[3].ranges, ["fqdn:a.example"]);
    }
}
