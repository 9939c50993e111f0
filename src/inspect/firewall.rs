//! The firewall rules in force for a network, in the order in which they are evaluated. Pure.
//!
//! A rule that holds for what the contract can't express (a service account, a secure tag, an address group, a name, a country, a
//! list of threats, a type of network, the ranges of the other end) keeps it with a prefix, so that it is never taken for one that
//! holds for all. `more:NUMBER` stands for entries that are left out.

use google_cloud_compute_v1::model;
use model::NetworksGetEffectiveFirewallsResponseEffectiveFirewallPolicy as Policy;

use super::convert::{full, last};
use crate::cloud::network::FirewallRule;

/// Most rules that are kept.
const MOST_RULES: usize = 1024;
/// Most ranges, ports or tags of a rule that are kept.
const MOST: usize = 128;

/// The rules: hierarchical policies, then the network's own rules and the network's policies, in the order that the network says.
/// Also whether the last of them are left out.
pub fn rules(answer: &model::NetworksGetEffectiveFirewallsResponse, policies_first: bool) -> (Vec<FirewallRule>, bool) {
    let (above, beside): (Vec<_>, Vec<_>) = answer.firewall_policys.iter().partition(|policy| is_above(policy));
    let of = |policies: Vec<&Policy>| policies.into_iter().flat_map(of_policy).collect::<Vec<_>>();
    let (above, beside) = (of(above), of(beside));
    let mut own: Vec<_> = answer.firewalls.iter().map(of_firewall).collect();
    // Of two with the same priority, the one that denies.
    own.sort_by_key(|rule| (rule.priority, rule.allow));
    let (second, third) = if policies_first { (beside, own) } else { (own, beside) };
    let mut rules: Vec<_> = above.into_iter().chain(second).chain(third).collect();
    let cut = rules.len() > MOST_RULES;
    rules.truncate(MOST_RULES);
    (rules, cut)
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

/// None: the rule's action decides on no packet.
fn of_rule(policy: &str, rule: &model::FirewallPolicyRule) -> Option<FirewallRule> {
    let (allow, goto_next) = match rule.action.as_deref()? {
        // A security profile looks into what it lets pass.
        "allow" | "apply_security_profile_group" => (true, false),
        "deny" => (false, false),
        "goto_next" => (false, true),
        _ => return None,
    };
    let direction = rule.direction.as_ref().and_then(|direction| direction.name()).unwrap_or("INGRESS");
    let matcher = rule.r#match.clone().unwrap_or_default();
    let ports = matcher.layer_4_configs.iter().flat_map(|config| ports(config.ip_protocol.as_deref(), &config.ports));
    let tags = prefixed("secureTag", rule.target_secure_tags.iter().filter_map(|tag| tag.name.as_deref()));
    let accounts = prefixed("serviceAccount", &rule.target_service_accounts);
    // Other targets than instances are load balancers: no packet of the service is sent by them.
    let kind = rule.target_type.as_ref().and_then(|kind| kind.name()).filter(|kind| *kind != "INSTANCES");
    let priority = rule.priority.unwrap_or(0);
    Some(FirewallRule {
        name: format!("{policy}/{}", rule.rule_name.clone().unwrap_or_else(|| priority.to_string())),
        direction: direction.to_owned(),
        priority,
        allow,
        goto_next,
        ranges: ranges(direction == "EGRESS", &matcher),
        ports: kept(ports),
        target_tags: kept(tags.chain(accounts).chain(prefixed("targetType", kind))),
        disabled: rule.disabled.unwrap_or(false),
    })
}

/// What a rule holds for at the other end of the packets, behind what narrows it: what a network or the packets' own end must be.
fn ranges(egress: bool, matcher: &model::FirewallPolicyRuleMatcher) -> Vec<String> {
    let of = |dest, source| if egress { dest } else { source };
    // The type was called context before.
    let kinds = if egress {
        let kind = matcher.dest_network_type.as_ref().and_then(|kind| kind.name());
        [kind, matcher.dest_network_context.as_ref().and_then(|kind| kind.name())]
    } else {
        let kind = matcher.src_network_type.as_ref().and_then(|kind| kind.name());
        [kind, matcher.src_network_context.as_ref().and_then(|kind| kind.name())]
    };
    let kind = kinds.into_iter().flatten().find(|kind| *kind != "UNSPECIFIED");
    let own = of(&matcher.src_ip_ranges, &matcher.dest_ip_ranges);
    let narrowing = prefixed("networkType", kind).chain(prefixed(if egress { "source" } else { "destination" }, own));
    let networks = matcher.src_networks.iter().filter(|_| !egress).map(|network| full(network));
    let tags = matcher.src_secure_tags.iter().filter(|_| !egress).filter_map(|tag| tag.name.as_deref());
    let groups = of(&matcher.dest_address_groups, &matcher.src_address_groups).iter().map(|group| last(group));
    let ranges = of(&matcher.dest_ip_ranges, &matcher.src_ip_ranges).iter().cloned();
    let ranges = ranges
        .chain(prefixed("network", networks))
        .chain(prefixed("secureTag", tags))
        .chain(prefixed("addressGroup", groups))
        .chain(prefixed("fqdn", of(&matcher.dest_fqdns, &matcher.src_fqdns)))
        .chain(prefixed("region", of(&matcher.dest_region_codes, &matcher.src_region_codes)))
        .chain(prefixed("threat", of(&matcher.dest_threat_intelligences, &matcher.src_threat_intelligences)));
    kept(narrowing.chain(ranges))
}

fn prefixed(prefix: &str, values: impl IntoIterator<Item = impl AsRef<str>>) -> impl Iterator<Item = String> {
    values.into_iter().map(move |value| format!("{prefix}:{}", value.as_ref()))
}

/// Keeps so many at most, and how many it leaves out.
fn kept(entries: impl Iterator<Item = String>) -> Vec<String> {
    let mut entries: Vec<String> = entries.collect();
    let left = entries.len().saturating_sub(MOST);
    entries.truncate(MOST);
    if left > 0 {
        entries.push(format!("more:{left}"));
    }
    entries
}

fn of_firewall(firewall: &model::Firewall) -> FirewallRule {
    let direction = firewall.direction.as_ref().and_then(|direction| direction.name()).unwrap_or("INGRESS");
    let egress = direction == "EGRESS";
    let of = |dest, source| if egress { dest } else { source };
    let own = of(&firewall.source_ranges, &firewall.destination_ranges);
    let ranges = of(&firewall.destination_ranges, &firewall.source_ranges).iter().cloned();
    let ranges = prefixed(if egress { "source" } else { "destination" }, own)
        .chain(ranges)
        .chain(prefixed("tag", &firewall.source_tags))
        .chain(prefixed("serviceAccount", &firewall.source_service_accounts));
    let allowed = firewall.allowed.iter().flat_map(|allowed| ports(allowed.ip_protocol.as_deref(), &allowed.ports));
    let denied = firewall.denied.iter().flat_map(|denied| ports(denied.ip_protocol.as_deref(), &denied.ports));
    let accounts = prefixed("serviceAccount", &firewall.target_service_accounts);
    FirewallRule {
        name: firewall.name.clone().unwrap_or_default(),
        direction: direction.to_owned(),
        priority: firewall.priority.unwrap_or(1000),
        allow: firewall.denied.is_empty(),
        goto_next: false,
        ranges: kept(ranges),
        ports: kept(allowed.chain(denied)),
        target_tags: kept(firewall.target_tags.iter().cloned().chain(accounts)),
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
                {"name": "last", "priority": 2000, "direction": "EGRESS", "allowed": [{"IPProtocol": "all"}]},
                {"name": "late", "priority": 2000, "direction": "EGRESS", "denied": [{"IPProtocol": "all"}]},
                {"name": "mid", "priority": 1500, "direction": "INGRESS", "sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "tcp", "ports": ["5432"]}]},
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
        let names = |first| rules(&answer, first).0.into_iter().map(|rule| rule.name).collect::<Vec<_>>();
        assert_eq!(names(false), ["org/no-sql", "org/9", "soon", "mid", "late", "last", "net/5"]);
        assert_eq!(names(true), ["org/no-sql", "org/9", "net/5", "soon", "mid", "late", "last"]);
        let (mut rules, cut) = rules(&answer, false);
        assert!(!cut);
        let next = rules.remove(1);
        assert!(next.goto_next && !next.allow && !rules.iter().any(|rule| rule.goto_next), "{next:?}");
        assert_eq!((rules[0].allow, &*rules[0].target_tags), (false, &["serviceAccount:a@p".to_owned()][..]));
        assert_eq!((rules[1].allow, &*rules[1].ports), (false, &["all".to_owned()][..]));
        assert_eq!((rules[2].allow, &*rules[2].ports), (true, &["tcp:5432".to_owned()][..]));
        assert_eq!(rules[5].ranges, ["fqdn:a.example"]);
    }

    fn egress(matcher: serde_json::Value) -> FirewallRule {
        let rule = json!({"priority": 1, "action": "deny", "direction": "EGRESS", "match": matcher});
        of_rule("org", &serde_json::from_value(rule).expect("a rule")).expect("a rule that decides")
    }

    #[test]
    fn what_a_policy_can_match_is_kept_so_that_no_rule_seems_to_hold_for_all() {
        let cases: [(serde_json::Value, &[&str]); 10] = [
            (json!({}), &[]),
            (json!({"destIpRanges": ["10.0.0.0/8"]}), &["10.0.0.0/8"]),
            (json!({"destThreatIntelligences": ["iplist-tor-exit-nodes"]}), &["threat:iplist-tor-exit-nodes"]),
            (json!({"destRegionCodes": ["KP", "SY"]}), &["region:KP", "region:SY"]),
            (json!({"destNetworkType": "INTERNET"}), &["networkType:INTERNET"]),
            (json!({"destNetworkContext": "NON_INTERNET"}), &["networkType:NON_INTERNET"]),
            (json!({"destNetworkContext": "INTERNET", "destNetworkType": "INTERNET"}), &["networkType:INTERNET"]),
            (json!({"destNetworkType": "UNSPECIFIED"}), &[]),
            (
                json!({"srcIpRanges": ["10.8.0.0/28"], "destIpRanges": ["10.0.0.0/8"]}),
                &["source:10.8.0.0/28", "10.0.0.0/8"],
            ),
            (
                json!({"destAddressGroups": ["projects/p/locations/global/addressGroups/sql"], "destFqdns": ["a.example"]}),
                &["addressGroup:sql", "fqdn:a.example"],
            ),
        ];
        for (matcher, ranges) in cases {
            assert_eq!(egress(matcher.clone()).ranges, ranges, "{matcher}");
        }
        let rule = json!({
            "priority": 1, "action": "deny", "direction": "INGRESS", "targetType": "INTERNAL_MANAGED_LB",
            "match": {"srcRegionCodes": ["KP"], "srcNetworkType": "INTERNET", "destIpRanges": ["10.0.0.0/8"]},
        });
        let rule = of_rule("org", &serde_json::from_value(rule).expect("a rule")).expect("a rule that decides");
        assert_eq!(rule.ranges, ["networkType:INTERNET", "destination:10.0.0.0/8", "region:KP"]);
        assert_eq!(rule.target_tags, ["targetType:INTERNAL_MANAGED_LB"]);
    }

    #[test]
    fn the_ranges_of_both_ends_of_a_rule_of_the_network_are_kept() {
        let rule = json!({
            "name": "deny", "direction": "EGRESS", "sourceRanges": ["10.8.0.0/28"], "destinationRanges": ["10.20.0.0/24"],
            "denied": [{"IPProtocol": "all"}],
        });
        let rule = of_firewall(&serde_json::from_value(rule).expect("a rule"));
        assert_eq!(rule.ranges, ["source:10.8.0.0/28", "10.20.0.0/24"]);
    }

    #[test]
    fn entries_and_rules_that_are_left_out_are_told_of() {
        let ranges: Vec<String> = (0..=MOST).map(|number| format!("10.0.{number}.0/24")).collect();
        assert_eq!(egress(json!({"destIpRanges": ranges[1..]})).ranges.len(), MOST);
        let cut = egress(json!({"destIpRanges": ranges})).ranges;
        assert_eq!((cut.len(), &*cut[MOST]), (MOST + 1, "more:1"));
        for (number, cut) in [(MOST_RULES, false), (MOST_RULES + 1, true)] {
            let rules: Vec<_> = (0..number).map(|number| json!({"name": format!("rule-{number}")})).collect();
            let answer = serde_json::from_value(json!({"firewalls": rules})).expect("an answer");
            let (rules, left) = super::rules(&answer, false);
            assert_eq!((rules.len(), left), (MOST_RULES, cut), "{number} rules");
        }
    }
}
