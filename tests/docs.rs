//! The documentation, held against the code: generated parts, manifests, command lines, links. With RUNREADY_BLESS=1 the
//! generated parts are written anew instead of compared.

mod picture;
mod render;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Parser;
use regex::Regex;
use runready::api::condition::{ConditionType, Reason};
use runready::api::{Cause, Kind, Layer, ProbeState, Stage};
use runready::cli::Cli;
use runready::diagnosis::RULES;
use runready::manifest::{Contents, DEFAULT_NAMESPACE, Text};
use runready::plan::{self, Secrets};
use serde_json::Value;

use crate::support::checks;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
}

/// The pages: those at the root, and docs/.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)).to_vec();
    files(&root().join("docs"), "md", &mut pages);
    pages
}

/// The fenced blocks of a page, each with the language of its fence.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// A page without its fenced blocks.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let outside = |line: &&str| {
        let fence = line.trim().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    page.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

/// Where a text comes from, and the text.
type Sourced = (String, String);

/// Everything in the pages and examples that declares a check.
fn manifests() -> Vec<Sourced> {
    let mut found: Vec<Sourced> = Vec::new();
    for page in pages() {
        let yaml = blocks(&read(&page)).into_iter().filter(|(language, _)| language == "yaml");
        found.extend(yaml.map(|(_, text)| (page.display().to_string(), text)));
    }
    let mut examples = Vec::new();
    files(&root().join("examples"), "yaml", &mut examples);
    found.extend(examples.iter().map(|path| (path.display().to_string(), read(path))));
    found
        .retain(|(_, text)| text.lines().any(|line| line.trim() == "kind: ConnectivityCheck" && line.starts_with('k')));
    found
}

/// Writes the generated part of a page anew, or compares it.
fn hold(page: &str, part: &str, expected: &str) {
    let path = root().join("docs").join(page);
    let text = read(&path);
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), "<!-- end of the generated part -->");
    let from = text.find(&begin).unwrap_or_else(|| panic!("docs/{page} has no {begin}")) + begin.len();
    let to = from + text[from..].find(end).unwrap_or_else(|| panic!("docs/{page} has no {end}"));
    let expected = format!("\n{}\n\n", expected.trim());
    if env::var("RUNREADY_BLESS").is_ok_and(|value| value == "1") {
        return fs::write(&path, format!("{}{expected}{}", &text[..from], &text[to..])).expect("a page of our own");
    }
    if let Some((is, should)) = text[from..to].lines().zip(expected.lines()).find(|(is, should)| is != should) {
        panic!(
            "docs/{page} says\n  {is}\nbut the code says\n  {should}\nRUNREADY_BLESS=1 tests/run docs:: writes it anew"
        );
    }
    assert_eq!(text[from..to].len(), expected.len(), "docs/{page}: RUNREADY_BLESS=1 tests/run docs:: writes it anew");
}

#[test]
fn generated_parts_say_what_the_code_says() {
    hold("causes.md", "causes", &render::causes());
    hold("diagnosis.md", "rules", &render::rules());
    hold("api.md", "fields", &render::api());
    hold("metrics.md", "metrics", &render::metrics());
}

#[test]
fn every_manifest_is_one_that_runready_takes() {
    let manifests = manifests();
    assert!(manifests.len() >= 8, "only {} manifests were found", manifests.len());
    for (source, content) in manifests {
        let contents = Contents::of(&Text { file: source.as_str().into(), content }, DEFAULT_NAMESPACE);
        let faults: Vec<String> = contents.all_faults().iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        for check in contents.checks {
            let spec = check.spec.expect("no faults");
            let plan = plan::compile(check.id, "uid".into(), 1, &spec, &Secrets::default());
            let invalid: Vec<String> =
                plan.faults.iter().filter(|fault| fault.cause == Cause::InvalidSpec).map(ToString::to_string).collect();
            assert!(invalid.is_empty(), "{source}: {}", invalid.join("\n"));
        }
    }
}

#[test]
fn the_api_server_takes_every_manifest() {
    let Some(api) = checks::shared() else { return };
    let namespace = api.namespace("docs");
    for (source, text) in manifests() {
        for document in serde_yaml::Deserializer::from_str(&text) {
            let mut object: Value = serde::Deserialize::deserialize(document).expect("YAML");
            if object["kind"] == "ConnectivityCheck" {
                object["metadata"]["namespace"] = Value::String(namespace.clone());
                let args = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
                let applied = api.kubectl_as(&api.kubeconfig(), &args, &object.to_string());
                assert!(applied.is_ok(), "{source}: {}", applied.unwrap_err());
            }
        }
    }
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = prose(&read(page));
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut faults = Vec::new();
    for page in pages() {
        for target in link.captures_iter(&prose(&read(&page))).map(|found| found[1].to_owned()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            let found = path.exists() && (fragment.is_empty() || anchors(&path).contains(fragment));
            if !found {
                faults.push(format!("{}: {target} leads nowhere", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The calls of runready in a line of shell, each as its arguments.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.trim().trim_start_matches("# ").trim().trim_start_matches("$ ");
    let line = line.split(" #").next().unwrap_or_default();
    let commands = line.split(['|', ';']).flat_map(|part| part.split("&&"));
    let call = |command: &str| {
        let command = command.split(" >").next().unwrap_or_default();
        let words = command.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned());
        let mut words: Vec<String> = words.skip_while(|word| word.contains('=') && !word.starts_with('-')).collect();
        if words.first().is_some_and(|word| word == "cargo") && words.get(1).is_some_and(|word| word == "run") {
            let at = words.iter().position(|word| word == "--")?;
            words.splice(..=at, ["runready".to_owned()]);
        }
        words.first().is_some_and(|word| word == "runready").then_some(words)
    };
    commands.filter_map(call).collect()
}

#[test]
fn every_command_line_is_one_that_runready_takes() {
    let inline = Regex::new(r"`(runready [^`]* -[^`]*)`").expect("a pattern");
    let mut lines: Vec<Sourced> = Vec::new();
    for page in pages() {
        let (text, name) = (read(&page), page.display().to_string());
        let shell = blocks(&text).into_iter().filter(|(language, _)| matches!(language.as_str(), "sh" | "console"));
        let joined = shell.map(|(_, block)| block.replace("\\\n", " "));
        lines.extend(
            joined
                .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
                .map(|line| (name.clone(), line)),
        );
        lines.extend(inline.captures_iter(&prose(&text)).map(|found| (name.clone(), found[1].to_owned())));
    }
    let mut examples = Vec::new();
    files(&root().join("examples"), "yaml", &mut examples);
    for path in examples {
        let comments = read(&path).lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        lines.extend(comments.into_iter().map(|line| (path.display().to_string(), line)));
    }
    let (mut parsed, mut faults) = (0, Vec::new());
    for (source, line) in lines {
        for call in calls(&line) {
            match Cli::try_parse_from(&call) {
                Err(error) if error.use_stderr() => faults.push(format!("{source}: {line}: {error}")),
                Ok(_) | Err(_) => parsed += 1,
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(parsed > 10, "only {parsed} command lines were found");
}

#[test]
fn the_index_links_every_page_of_the_docs() {
    let index = read(&root().join("docs/README.md")) + &read(&root().join("docs/probes.md"));
    let mut pages = Vec::new();
    files(&root().join("docs"), "md", &mut pages);
    for page in pages.iter().filter(|page| !page.ends_with("docs/README.md")) {
        let name = page.strip_prefix(root().join("docs")).expect("below docs").display().to_string();
        assert!(index.contains(&format!("]({name})")), "neither docs/README.md nor docs/probes.md links {name}");
    }
}

#[test]
fn every_word_of_the_api_is_explained() {
    let (concepts, diagnosis, probes) = ("docs/concepts.md", "docs/diagnosis.md", "docs/probes.md");
    let reasons = [
        Reason::Healthy,
        Reason::Probing,
        Reason::Confirming,
        Reason::Suspended,
        Reason::DependencyFailing,
        Reason::Learning,
        Reason::Drifted,
    ];
    let mut words: Vec<(&str, String)> = Vec::new();
    words.extend(ConditionType::ALL.iter().map(|word| (concepts, format!("`{}`", word.as_str()))));
    words.extend(ProbeState::ALL.iter().map(|word| (concepts, format!("`{word}`"))));
    words.extend(Layer::ALL.iter().map(|word| (concepts, format!("`{word}`"))));
    words.extend(reasons.iter().map(|word| (concepts, format!("`{word}`"))));
    words.extend(Stage::ALL.iter().map(|word| (probes, format!("`{word}`"))));
    words.extend(Kind::ALL.iter().map(|kind| (probes, format!("(probes/{}.md)", kind.as_str()))));
    words.extend(Kind::ALL.iter().map(|kind| ("README.md", format!("(docs/probes/{}.md)", kind.as_str()))));
    words.extend(RULES.iter().map(|rule| (diagnosis, format!("\n### {}\n", rule.id))));
    for (page, word) in words {
        assert!(read(&root().join(page)).contains(&word), "{page} does not hold {:?}", word.trim());
    }
}

#[test]
fn readme_and_ci_set_up_and_test_in_the_same_way() {
    let readme = read(&root().join("README.md"));
    let shell: String =
        blocks(&readme).into_iter().filter(|(language, _)| language == "sh").map(|(_, text)| text).collect();
    let position = |text: &str, word: &str| text.lines().position(|line| line.split_whitespace().any(|w| w == word));
    assert!(position(&shell, "tests/run").is_some(), "the README names the command that passes all tests");
    assert!(shell.contains("cargo run --release -- demo"), "the README names the command that runs the demo");
    let ci = read(&root().join(".ci/run"));
    let (setup, steps) = (position(&ci, "tests/setup"), ci.find("for step in"));
    let setup = setup.and_then(|line| ci.find(ci.lines().nth(line)?));
    assert!(setup.is_some() && setup < steps, ".ci/run sets up before its first step");
    assert!(position(&ci, "tests/run").is_some(), ".ci/run tests as a contributor does");
    assert!(position(&read(&root().join("tests/run")), "tests/setup").is_some(), "tests/run sets up by itself");
}
