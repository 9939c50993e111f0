//! How a request proves who sends it. Data only; no secret shows in Debug output.

use hyper::header::HeaderValue;

/// Where the value of the Authorization header comes from.
#[derive(Clone, Debug)]
pub enum AuthPlan {
    /// It is known: a user and password, or a token from a Secret. Marked sensitive.
    Known(HeaderValue),
}
