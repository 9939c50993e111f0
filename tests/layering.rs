//! The architecture, held by tests: what each step of the flow may use, where I/O and a clock may stand, and the shape of
//! the files. Reads the sources as tokens (so that comments and strings don't count), without test modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A step of the flow: a module, without those below it that are steps of their own.
struct Step {
    name: &'static str,
    /// The steps that it may use. All stand above it, so dependencies point one way.
    uses: &'static [&'static str],
}

const fn step(name: &'static str, uses: &'static [&'static str]) -> Step {
    Step { name, uses }
}

/// The steps, each below all that it uses. `engine` is the shell, whose parts are steps: what is pure stands above.
const STEPS: &[Step] = &[
    step("cloud", &[]),
    step("api", &["cloud"]),
    // Stands in for Google's APIs: knows their shapes, and nothing of this product.
    step("standin", &[]),
    step("baseline", &["api", "cloud"]),
    step("reasons", &[]),
    step("refusal", &["cloud", "reasons"]),
    step("evidence", &["api"]),
    step("plan", &["api", "cloud", "evidence"]),
    step("manifest", &["api", "plan"]),
    step("probe", &["api", "cloud", "reasons", "refusal", "evidence", "plan"]),
    step("inspect", &["reasons", "refusal", "cloud", "plan", "probe"]),
    step("import", &["api", "reasons", "refusal", "cloud", "manifest", "probe"]),
    step("diagnosis", &["api", "baseline", "cloud", "evidence"]),
    step("source", &["api", "plan"]),
    // What is known of one probe: status is rendered from it, and the engine's step keeps it.
    step("engine::track", &["api", "evidence"]),
    step("engine::wheel", &[]),
    step("status", &["api", "baseline", "cloud", "evidence", "plan", "diagnosis", "source", "engine::track"]),
    step("metrics", &["api", "cloud", "evidence", "plan", "source", "status"]),
    step("status::write", &["plan", "source", "metrics"]),
    step(
        "engine::state",
        &["api", "baseline", "cloud", "evidence", "plan", "source", "engine::track", "engine::wheel", "status"],
    ),
    step("telemetry", &["evidence", "plan"]),
    step(
        "engine",
        &[
            "api",
            "cloud",
            "evidence",
            "plan",
            "probe",
            "inspect",
            "source",
            "engine::wheel",
            "metrics",
            "status::write",
            "engine::state",
            "telemetry",
        ],
    ),
    step("source::folder", &["api", "plan", "manifest", "source"]),
    step("source::cluster", &["api", "reasons", "plan", "source"]),
    step("resolve", &["api", "plan", "source", "engine"]),
    step("serve", &["metrics", "engine"]),
    step("controller", &["plan", "probe", "source", "metrics", "status::write", "telemetry", "engine", "resolve"]),
    step(
        "cli",
        &[
            "api",
            "baseline",
            "cloud",
            "reasons",
            "plan",
            "manifest",
            "probe",
            "inspect",
            "standin",
            "import",
            "source",
            "metrics",
            "telemetry",
            "engine",
            "source::folder",
            "source::cluster",
            "resolve",
            "serve",
            "controller",
        ],
    ),
];

/// Steps that take everything as an argument: no I/O, no clock.
const PURE: &[&str] = &[
    "cloud",
    "api",
    "baseline",
    "reasons",
    "refusal",
    "evidence",
    "plan",
    "diagnosis",
    "source",
    "engine::track",
    "engine::wheel",
    "status",
    "engine::state",
];

/// Files of pure steps that do I/O all the same, each with its reason.
const IMPURE_FILES: &[(&str, &str)] = &[
    ("src/plan/trust.rs", "reads the system's CA certificates, once"),
    ("src/source/term.rs", "reads the monotonic clock: a replica that was halted must notice before it acts"),
];

/// Ways to I/O, to a clock or to chance.
const IMPURE: &[&str] = &[
    "tokio",
    "std::env",
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::Instant",
    "std::time::SystemTime",
    "hickory_resolver",
    "kube::Client",
    "kube::runtime",
    "rustls_native_certs",
];

/// Where a client of the API server may be made or used: the source, and the wiring of `runready run`.
const CLIENT_STEPS: &[&str] = &["source::cluster", "cli"];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "shared", "util", "utils"];

/// The most lines of a file.
const MOST_LINES: usize = 500;
/// Folders with files of which that is asked.
const SHORT: [&str; 3] = ["src", "benches", "tests"];

struct Source {
    /// From the root of the repository, such as src/engine/state.rs.
    file: String,
    /// Such as ["engine", "state"].
    module: Vec<String>,
    text: String,
    /// Every path of at least two segments, `use` trees taken apart.
    paths: BTreeSet<Vec<String>>,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let file = path.strip_prefix(root).expect("below the root").display().to_string();
        let text = fs::read_to_string(path).expect("a source file");
        let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let module = stem.split('/').skip(1).map(str::to_owned).collect();
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut paths = BTreeSet::new();
        collect(tokens, &mut paths);
        Source { file, module, text, paths }
    }

    fn step(&self) -> Option<&'static str> {
        step_of(&self.module)
    }

    /// A path within this crate, from its root. None for the paths of other crates, and for what stands in the same module.
    fn own(&self, path: &[String]) -> Option<Vec<String>> {
        let ups = path.iter().take_while(|segment| *segment == "super").count();
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([&self.module, &path[1..]].concat()),
            "super" => Some([&self.module[..self.module.len().saturating_sub(ups)], &path[ups..]].concat()),
            child => {
                let below = [self.module.join("::").as_str(), child].join("::");
                STEPS.iter().any(|step| step.name == below).then(|| [&self.module, path].concat())
            }
        }
    }
}

/// The step that a path of modules belongs to: the one with the longest name.
fn step_of(path: &[String]) -> Option<&'static str> {
    let path = path.join("::");
    let holds = |step: &&Step| path == step.name || path.starts_with(&format!("{}::", step.name));
    STEPS.iter().filter(holds).map(|step| step.name).max_by_key(|name| name.len())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The sources of a folder; none, if there is no such folder.
fn sources(folder: &str) -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    if root.join(folder).is_dir() {
        rust_files(&root.join(folder), &mut files);
    }
    files.sort();
    files.iter().map(|file| Source::read(&root, file)).collect()
}

/// The library's sources: the program and the root of the library only join them.
fn library() -> Vec<Source> {
    let mut sources = sources("src");
    sources.retain(|source| source.module != ["main"] && source.module != ["lib"]);
    sources
}

/// Collects paths from tokens, but for items that are compiled for tests alone.
fn collect(tokens: TokenStream, paths: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Punct(hash) if hash.as_char() == '#' && is_test_attribute(tokens.get(at + 1)) => {
                at = end_of_item(&tokens, at + 2);
            }
            TokenTree::Ident(_) => at = take_path(&tokens, at, &[], paths),
            TokenTree::Group(group) => {
                collect(group.stream(), paths);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

fn is_test_attribute(token: Option<&TokenTree>) -> bool {
    token.is_some_and(|token| token.to_string().replace(' ', "") == "[cfg(test)]")
}

fn end_of_item(tokens: &[TokenTree], from: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    tokens[from..].iter().position(ends).map_or(tokens.len(), |offset| from + offset + 1)
}

/// Takes the path that begins at an identifier; returns where it ends.
fn take_path(tokens: &[TokenTree], from: usize, prefix: &[String], paths: &mut BTreeSet<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = from;
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        path.push(ident.to_string());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(tree)) = tokens.get(at) {
            take_tree(tree.stream(), &path, paths);
            return at + 1;
        }
    }
    if path.len() > 1 {
        paths.insert(path);
    }
    at
}

/// The branches of `use a::{b, c::d}`.
fn take_tree(tokens: TokenStream, prefix: &[String], paths: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for branch in tokens.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')) {
        if !branch.is_empty() {
            take_path(branch, 0, prefix, paths);
        }
    }
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

#[test]
fn a_step_uses_only_steps_above_it() {
    for (index, step) in STEPS.iter().enumerate() {
        let above: Vec<&str> = STEPS[..index].iter().map(|step| step.name).collect();
        for used in step.uses {
            assert!(above.contains(used), "{} may use {used}, which does not stand above it", step.name);
        }
    }
}

#[test]
fn dependencies_between_the_steps_point_one_way() {
    let mut faults = Vec::new();
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for source in library() {
        let Some(step) = source.step() else {
            faults.push(format!("{} belongs to no step: give it a row in STEPS", source.file));
            continue;
        };
        let row = STEPS.iter().find(|row| row.name == step).expect("found by name");
        for path in source.paths.iter().filter_map(|path| source.own(path)) {
            let Some(used) = step_of(&path).filter(|used| *used != step) else { continue };
            seen.insert((step, used));
            if !row.uses.contains(&used) {
                faults.push(format!("{} ({step}) uses crate::{}, of {used}", source.file, path.join("::")));
            }
        }
    }
    let granted = STEPS.iter().flat_map(|step| step.uses.iter().map(|used| (step.name, *used)));
    let unused = granted.filter(|grant| !seen.contains(grant));
    faults.extend(unused.map(|(step, used)| format!("{step} does not use {used} (any more): take it from its row")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pure_steps_import_no_io_and_no_clock() {
    let mut faults = Vec::new();
    for source in library() {
        let pure = source.step().is_some_and(|step| PURE.contains(&step));
        if !pure || IMPURE_FILES.iter().any(|(file, _)| *file == source.file) {
            continue;
        }
        for path in &source.paths {
            let text = path.join("::");
            let way = IMPURE.iter().any(|way| text == *way || text.starts_with(&format!("{way}::")));
            if way || path.last().is_some_and(|last| last == "now") {
                faults.push(format!("{} reaches for {text}", source.file));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for (file, _) in IMPURE_FILES {
        assert!(root().join(file).is_file(), "{file} is gone: take it from IMPURE_FILES");
    }
}

#[test]
fn the_client_of_the_api_server_stays_in_the_source_and_the_wiring() {
    let mut steps = BTreeSet::new();
    for source in library() {
        let names_it = |path: &Vec<String>| path.starts_with(&["kube".to_owned(), "Client".to_owned()]);
        if source.paths.iter().any(names_it) {
            let step = source.step().unwrap_or_default();
            assert!(CLIENT_STEPS.contains(&step), "{} uses kube::Client", source.file);
            steps.insert(step);
        }
    }
    assert_eq!(steps.len(), CLIENT_STEPS.len(), "a step of CLIENT_STEPS needs no client any more");
}

#[test]
fn the_program_only_calls_the_command_line() {
    let main = sources("src").into_iter().find(|source| source.module == ["main"]).expect("src/main.rs");
    for path in main.paths.iter().filter(|path| path[0] == "runready") {
        assert_eq!(path[1], "cli", "src/main.rs uses {}", path.join("::"));
    }
}

#[test]
fn files_are_short_open_with_what_they_do_and_have_names_that_say_something() {
    let mut faults = Vec::new();
    for source in SHORT.into_iter().flat_map(sources) {
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!("{} has {lines} lines, more than {MOST_LINES}: split it", source.file));
        }
        if !source.text.starts_with("//!") {
            faults.push(format!("{} does not open with //!", source.file));
        }
        if source.module.iter().any(|name| EMPTY_NAMES.contains(&name.as_str())) {
            faults.push(format!("{} has a name that says nothing", source.file));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn paths_are_found_in_use_trees_expressions_and_macros_but_not_in_comments_and_tests() {
    let text = r#"
        //! crate::comment::x
        use crate::{a::{B, c::D as E}, f};
        fn g() { tracing::info!(x = std::fs::read("crate::text::x"), "{}", super::h::i::<u8>()); }
        #[cfg(test)]
        mod tests { use crate::only::tests; }
        fn after() { crate::k::l() }
    "#;
    let mut found = BTreeSet::new();
    collect(text.parse().expect("Rust"), &mut found);
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        ["crate::a::B", "crate::a::c::D", "crate::f", "crate::k::l", "std::fs::read", "super::h::i", "tracing::info"]
    );
}
