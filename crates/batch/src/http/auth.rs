//! Who asks: the signature of a request.

use batchyard_objects::{
    keys::Keyring,
    sign::{Message, SignError, acs},
};

use super::Asked;
use crate::{accounts::Caller, engine::now_ms, error::ApiError, service::Service};

/// The owner of the key that a request is signed with.
///
/// # Errors
/// It is not signed, not rightly, or not now.
pub fn caller(service: &Service, asked: &Asked) -> Result<Caller, ApiError> {
    let message =
        Message { method: &asked.method, path: &asked.path, bucket: None, key: "", query: &asked.query.0, headers: &asked.headers };
    let (key, _) = acs::claimed(&message).map_err(refused)?;
    let found = service.accounts.secret(key);
    let found = found
        .ok_or_else(|| ApiError::new(403, "InvalidAccessKeyId.NotFound", format!("There is no access key `{key}`, or it is disabled.")))?;
    acs::verify(&message, &asked.target, &found.secret, now_ms() / 1000).map_err(refused)?;
    // Only now: who has no key cannot use up the nonces of somebody who has.
    if let Some(nonce) = asked.header("x-acs-signature-nonce").filter(|nonce| !nonce.is_empty())
        && !service.nonces.is_new(key, nonce, now_ms() / 1000)
    {
        let text = "The nonce of this request was used before: sign each request with a nonce (`x-acs-signature-nonce`) of its own.";
        return Err(ApiError::bad("SignatureNonceUsed", text));
    }
    Ok(Caller { account: found.account, key: key.into(), role: found.role })
}

fn refused(error: SignError) -> ApiError {
    match &error {
        SignError::Skewed { .. } => ApiError::bad("RequestTimeTooSkewed", format!("{error}; set the clock of the client.")),
        SignError::Malformed(_) => ApiError::bad("InvalidAuthorization", format!("{error}.")),
        SignError::Mismatch { .. } => {
            ApiError::bad("SignatureNotMatch", "The signature is not what the secret of this key gives; check the secret.")
        }
        _ => ApiError::bad("InvalidAuthorization", format!("{error}.")),
    }
}
