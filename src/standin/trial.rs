//! Connectivity tests and their long-running operations: made, run, read, deleted. No I/O.

use serde_json::{Value, json};

use super::answer::Request;
use super::refusal::Refusal;
use super::state::State;

const TYPE: &str = "type.googleapis.com/google.cloud.networkmanagement.v1";

/// Makes a test and runs it.
///
/// # Errors
/// When the test's id is missing or taken, or the test names no ends.
pub fn create(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    let id = request.asked("testId").ok_or_else(|| request.invalid("testId is required"))?;
    let name = format!("{}/{id}", request.call.name);
    if state.object(&name).is_some() {
        return Err(Refusal::exists(request.call.method, &name));
    }
    for end in ["source", "destination"] {
        if !request.body[end].is_object() {
            return Err(request.invalid(format!("{end} is required")));
        }
    }
    let mut test = request.body.clone();
    test["name"] = json!(name);
    test["createTime"] = json!(request.now.to_string());
    test["updateTime"] = json!(request.now.to_string());
    state.set(&name, test);
    Ok(begin(state, request, &name, "create"))
}

/// Runs a test once more.
///
/// # Errors
/// When there is no such test.
pub fn rerun(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    let name = request.call.name.clone();
    state.object(&name).ok_or_else(|| request.missing(&name))?;
    state.patch(&name, &json!({"reachabilityDetails": null, "probingDetails": null}));
    Ok(begin(state, request, &name, "rerun"))
}

/// Deletes a test.
///
/// # Errors
/// When there is no such test.
pub fn delete(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    let name = request.call.name.clone();
    state.remove(&name).ok_or_else(|| request.missing(&name))?;
    Ok(begin(state, request, &name, "delete"))
}

/// How an operation goes: it is done once it was asked for often enough.
///
/// # Errors
/// When there is no such operation.
pub fn operation(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    let name = &request.call.name;
    state.object(name).ok_or_else(|| request.missing(name))?;
    if state.poll(name) {
        end(state, request, name);
    }
    state.object(name).cloned().ok_or_else(|| request.missing(name))
}

fn begin(state: &mut State, request: &Request, target: &str, verb: &str) -> Value {
    let project = request.call.parameter("project");
    let operations = format!("projects/{project}/locations/global/operations");
    let name = format!("{operations}/operation-{}", state.below(&operations).count() + 1);
    let metadata = json!({
        "@type": format!("{TYPE}.OperationMetadata"), "createTime": request.now.to_string(), "target": target, "verb": verb,
        "cancelRequested": false, "apiVersion": "v1",
    });
    state.set(&name, json!({"name": name, "metadata": metadata, "done": false}));
    if state.test_polls == 0 {
        end(state, request, &name);
    } else {
        state.wait(&name, state.test_polls);
    }
    state.object(&name).cloned().unwrap_or_default()
}

/// Ends an operation, and gives the test what it came to.
fn end(state: &mut State, request: &Request, name: &str) {
    let target =
        state.object(name).and_then(|object| object["metadata"]["target"].as_str()).unwrap_or_default().to_owned();
    let mut response = json!({"@type": "type.googleapis.com/google.protobuf.Empty"});
    if state.object(&target).is_some() {
        let result = state.test_result.clone();
        state.patch(&target, &result);
        response = state.object(&target).cloned().unwrap_or_default();
        response["@type"] = json!(format!("{TYPE}.ConnectivityTest"));
    }
    let ended = json!({"done": true, "response": response, "metadata": {"endTime": request.now.to_string()}});
    state.patch(name, &ended);
}
