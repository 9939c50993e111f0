//! Reads the manifests that a command was given. Reads files; returns their checks and Secrets, or every fault in them.

use std::path::{Path, PathBuf};

use crate::api::Cause;
use crate::manifest::validate::is_namespace;
use crate::manifest::{Contents, DeclaredCheck, Fault, declared_twice, manifests_in, read};
use crate::plan::{self, CheckPlan, Limits, Secrets};
use crate::resolve::secret_names;
use crate::source::folder::secrets::Store;
use crate::source::folder::state::uid;

/// A check and what is to be done for it.
pub struct Planned {
    /// As declared.
    pub check: DeclaredCheck,
    /// What to do.
    pub plan: CheckPlan,
}

/// The name of a namespace, as an argument.
///
/// # Errors
/// What it must be.
pub fn namespace(text: &str) -> Result<String, String> {
    if is_namespace(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} must be the name of a namespace: lower-case letters, digits and '-', at most 63 characters"
        ))
    }
}

/// Reads files, directories or standard input (`-`). Objects without a namespace go to `namespace`.
pub fn contents(paths: &[PathBuf], namespace: &str) -> (Contents, Vec<Fault>) {
    let mut all = Contents::default();
    for path in paths {
        let (texts, faults) = read(path);
        all.faults.extend(faults);
        texts.iter().for_each(|text| all.extend(Contents::of(text, namespace)));
    }
    let mut faults = all.all_faults();
    faults.extend(declared_twice(&all.checks));
    (all, faults)
}

/// Plans every check.
///
/// # Errors
/// Every fault of the manifests, those included that only show when a plan is made: a schedule or a regular expression that
/// is none. A missing Secret is no such fault.
pub fn plans(
    paths: &[PathBuf],
    namespace: &str,
    secrets: Option<PathBuf>,
    limits: &Limits,
) -> Result<Vec<Planned>, Vec<Fault>> {
    let (contents, mut faults) = contents(paths, namespace);
    let mut store = Store::new(secrets);
    let specs = contents.checks.iter().filter_map(|check| Some((&check.id, check.spec.as_ref()?)));
    specs.for_each(|(id, spec)| store.note_keys(&id.namespace, spec));
    store.set_manifests(contents.secrets);
    let planned: Vec<Planned> =
        contents.checks.into_iter().filter_map(|check| planned(check, &store, limits)).collect();
    for Planned { check, plan } in &planned {
        let invalid = plan.faults.iter().filter(|fault| fault.cause == Cause::InvalidSpec);
        faults.extend(invalid.map(|fault| check.fault(&fault.field, format!("Invalid value: {}", fault.message))));
    }
    if planned.is_empty() && faults.is_empty() {
        faults.extend(paths.iter().map(|path| nothing_in(path)));
    }
    if faults.is_empty() { Ok(planned) } else { Err(faults) }
}

fn planned(check: DeclaredCheck, store: &Store, limits: &Limits) -> Option<Planned> {
    let spec = check.spec.as_ref()?;
    let mut secrets = Secrets::default();
    for name in secret_names(spec) {
        secrets.insert(name.to_owned(), store.lookup(&check.id.namespace, name));
    }
    let mut plan = plan::compile(check.id.clone(), uid(&check.id).into(), 1, spec, &secrets);
    limits.hold(&mut plan);
    Some(Planned { check, plan })
}

/// A file, directory or standard input without a check.
fn nothing_in(path: &Path) -> Fault {
    let hold = "no ConnectivityCheck is declared here: one begins with apiVersion: runready.dev/v1alpha1 and kind: \
                ConnectivityCheck (runready demo --keep DIR writes an example)";
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let hold = if path.is_dir() && manifests_in(path).files.is_empty() {
        "holds no manifest: in a directory, files named *.yaml, *.yml and *.json are read"
    } else {
        hold
    };
    Fault::of_file(&name.into(), hold)
}
