//! Takes a part of the test bed, or the reason why this machine lacks it. Returns the part, or says on standard error
//! that the test is skipped; with RUNREADY_REQUIRE_ALL=1 a skip is a failure.

use std::io::Write;

/// The part if it is there. Usage: `let Some(api) = require(ApiServer::shared()) else { return };`
#[track_caller]
pub fn require<T>(part: Result<T, String>) -> Option<T> {
    let strict = std::env::var("RUNREADY_REQUIRE_ALL").is_ok_and(|value| value == "1");
    // Written past the test harness's capture: a skip must show although the test passes.
    judge(part, strict, &mut std::io::stderr())
}

/// [`require`] with its setting and its way out as arguments.
#[track_caller]
pub fn judge<T>(part: Result<T, String>, strict: bool, out: &mut impl Write) -> Option<T> {
    match part {
        Ok(part) => Some(part),
        Err(why) if strict => {
            panic!("this test may not be skipped (RUNREADY_REQUIRE_ALL=1): {why}")
        }
        Err(why) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(out, "skipped: {test}: {why}");
            None
        }
    }
}
