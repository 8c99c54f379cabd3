//! Requests that are harmless to repeat: a token stands for what was made with it the first time.

use batchyard_store::{BatchWrite, ResourceKind, ResourceRecord};
use xxhash_rust::xxh3::xxh3_128;

use super::Service;
use crate::{accounts::Caller, engine::now_ms, error::ApiError};

/// Longest token.
const MAX_TOKEN: usize = 64;

/// What is known of a token.
pub enum Token {
    /// None was given.
    None,
    /// It was used for the same request, which made this.
    Used(String),
    /// It is new: what records it, once the id is known.
    New(Box<ResourceRecord>),
}

impl Service {
    /// Looks a token up.
    ///
    /// # Errors
    /// It is no token, or was used for another request.
    pub fn token(&self, caller: &Caller, kind: &str, token: Option<&str>, body: &[u8]) -> Result<Token, ApiError> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(Token::None) };
        if token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(ApiError::bad(
                "InvalidIdempotentToken",
                format!("`IdempotentToken` must be 1 to {MAX_TOKEN} letters, digits and `_`"),
            ));
        }
        let id = format!("{:032x}", xxh3_128(format!("{}\0{kind}\0{token}", caller.account).as_bytes()));
        let content = format!("{:032x}", xxh3_128(body));
        match self.store.load_resource(ResourceKind::Token, &id)? {
            Some(known) if known.state == content => Ok(Token::Used(known.doc)),
            Some(_) => Err(ApiError::bad("IdempotentTokenMismatch", "The token was used before, with another body.")),
            None => Ok(Token::New(Box::new(ResourceRecord {
                kind: ResourceKind::Token,
                id,
                owner: caller.account.clone(),
                name: String::new(),
                state: content,
                version: 1,
                created_ms: now_ms(),
                doc: String::new(),
            }))),
        }
    }
}

impl Token {
    /// What records it for what was made.
    pub fn writes(self, made: &str) -> Vec<BatchWrite> {
        match self {
            Token::New(mut record) => {
                record.doc = made.into();
                vec![BatchWrite::InsertResource(*record)]
            }
            Token::None | Token::Used(_) => Vec::new(),
        }
    }
}
