//! The picture of a verdict in the README, held against a real run: the README's own check, in a network whose way out is
//! dark.

use std::process::Command;

use super::{blocks, read, root};
use crate::support::netns::Lab;
use crate::support::scratch;
use crate::support::skip::require;

/// Standard output of `runready check` on that file, from where nothing answers.
fn check(lab: &Lab, file: &str, output: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runready"));
    command.args(["check", "-f", file, "--vantage", "cloudrun/backend", "-o", output, "--inspect", "off"]);
    command.env("RUNREADY_SECRET_STAGING_DB_PASSWORD", "unused");
    let ended = lab.at_client(|| command.output()).expect("the program runs");
    let (said, error) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(1), "not Ready: {said}{error}");
    said.into_owned()
}

#[test]
fn the_picture_in_the_readme_is_what_check_says() {
    let Some(lab) = require(Lab::build()) else { return };
    for command in ["add table ip way", "add chain ip way out { type filter hook output priority 0; policy drop; }"] {
        lab.run_at_client(&["nft", command]).expect("a firewall");
    }
    let blocks = blocks(&read(&root().join("README.md")));
    let holding = |language: &str, what: &str| {
        let found = blocks.iter().find(|(of, text)| of == language && text.contains(what));
        found.unwrap_or_else(|| panic!("the README has no {language} block with {what}")).1.as_str()
    };
    let directory = scratch::dir("picture");
    let file = directory.path().join("check.yaml");
    std::fs::write(&file, holding("yaml", "kind: ConnectivityCheck")).expect("a file of our own");
    let file = file.to_str().expect("a plain name");

    let picture = holding("console", "$ runready check");
    let (table, described) = picture.split_once("-o describe\n").expect("a table, then what is known");
    let columns = |text: &str| -> Vec<String> {
        let row = text.lines().find(|line| line.starts_with("backend")).expect("a row of the check");
        row.split_whitespace().take(4).map(str::to_owned).collect()
    };
    assert_eq!(columns(table), columns(&check(&lab, file, "table")), "name, Ready, verdict and layer");

    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT[\d:]+Z").expect("a pattern");
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(|line| time.replace_all(line, "TIME").into_owned()).collect() };
    let shown = lines(described.split_once("\n  ...").expect("an end, before all is shown").0);
    let real = lines(&check(&lab, file, "describe"));
    assert_eq!(shown, real[..shown.len()], "what is known, but for its times");
}
