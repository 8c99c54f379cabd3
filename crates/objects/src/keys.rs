//! What a server must say about its accounts.

/// What the owner of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything, with everybody's buckets.
    Admin,
    /// Everything with buckets of the own account, and what others allow everybody.
    User,
    /// Reading what a user could read.
    Viewer,
}

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The secret half.
    pub secret: String,
    /// Account that owns what is made with it.
    pub account: String,
    /// What may be done with it.
    pub role: Role,
}

impl std::fmt::Debug for Key {
    /// Secrets do not get into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("account", &self.account).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Knows the access keys. Asked at every request, so a disabled key is refused at once.
pub trait Keyring: Send + Sync {
    /// The key with this id, if it exists and is not disabled.
    fn secret(&self, access_key_id: &str) -> Option<Key>;
}
