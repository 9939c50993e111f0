//! OAuth 2.0 client credentials (RFC 6749, section 4.4). Does network I/O.

use jiff::Timestamp;

use super::issued::{Issued, access_token};
use super::{Attempt, ask};
use crate::evidence::Failure;
use crate::plan::kinds::HttpAction;

/// Asks a token endpoint for an access token.
pub async fn client_credentials(attempt: &mut Attempt<'_>, action: &HttpAction) -> Result<Issued, Failure> {
    let answer = ask(attempt, action, action.body.clone()).await?;
    access_token(answer.status, &answer.body, Timestamp::now())
}
