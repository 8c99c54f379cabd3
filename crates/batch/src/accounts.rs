//! Accounts and their access keys.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use batchyard_objects::keys::{Key, Keyring, Role};
use batchyard_runner::{User, UserError};
use batchyard_store::{AuditRecord, BatchWrite, ResourceKind, ResourceRecord, Store, StoreError, Write};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::now_ms;

/// Age at which what is known of keys is read again, so that one that another process has made or disabled is noticed.
const FRESH: Duration = Duration::from_secs(1);
/// Age at which a user of the machine is looked up again.
const USERS_FRESH: Duration = Duration::from_secs(60);
/// Most keys.
const MAX_KEYS: u32 = 10_000;
/// Letters of ids and secrets.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// State of a key that can be used.
const ENABLED: &str = "enabled";
/// State of a key that cannot.
const DISABLED: &str = "disabled";

/// A limit and what it is where an account has none of its own.
pub const QUOTAS: [(&str, u64); 5] =
    [("ActiveJobs", 100_000), ("Clusters", 100), ("ClusterInstances", 10_000), ("Images", 1000), ("Apps", 1000)];

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeyDoc {
    secret: String,
    role: String,
}

/// What is kept of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct AccountDoc {
    #[serde(default)]
    quotas: BTreeMap<String, u64>,
    /// Name or number of the system user that its instances run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_as: Option<String>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Id of the account, a number as text.
    pub account: String,
    /// Id of the key.
    pub key: String,
    /// What the key allows.
    pub role: Role,
}

/// A key without its secret, for lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySummary {
    /// Its id.
    pub id: String,
    /// Id of its account.
    pub account: String,
    /// Name of its account.
    pub name: String,
    /// The system user that instances of the account run as; nothing for the server's own.
    pub run_as: Option<String>,
    /// `admin`, `user` or `viewer`.
    pub role: &'static str,
    /// Whether it can be used.
    pub enabled: bool,
    /// When it was made, epoch milliseconds.
    pub created_ms: i64,
}

/// Accounts and keys.
pub struct Accounts {
    store: Arc<Store>,
    known: Mutex<Known>,
    /// Users by what they were looked up by.
    users: Mutex<HashMap<String, (Instant, User)>>,
}

struct Known {
    read: Instant,
    keys: HashMap<String, Key>,
    accounts: HashMap<String, AccountDoc>,
    /// By id.
    names: HashMap<String, String>,
}

impl Accounts {
    /// The accounts that are recorded.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn open(store: Arc<Store>) -> Result<Accounts, StoreError> {
        let known = Mutex::new(read(&store)?);
        Ok(Accounts { store, known, users: Mutex::default() })
    }

    /// Makes sure that there is a first key: the one given, or a new one when there is none at all. Returns a new one, which
    /// is not told again.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn ensure_first(&self, given: Option<(String, String)>) -> Result<Option<(String, String)>, StoreError> {
        let present = self.store.list_resources(ResourceKind::Key, None, "", 1)?;
        match given {
            Some((id, secret)) => {
                let doc = key_doc(&secret, Role::Admin);
                match self.store.load_resource(ResourceKind::Key, &id)? {
                    Some(record) if record.doc == doc && record.state == ENABLED => {}
                    Some(record) => {
                        let record = ResourceRecord { doc, state: ENABLED.into(), version: record.version + 1, ..record };
                        self.write("UpdateKey", &id, BatchWrite::UpdateResource(record))?;
                    }
                    None => self.insert_key(&id, &secret, "admin", Role::Admin)?,
                }
                Ok(None)
            }
            None if present.is_empty() => self.create_key("admin", Role::Admin).map(Some),
            None => Ok(None),
        }
    }

    /// A new key of an account, which is made if need be: its id and secret.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn create_key(&self, account: &str, role: Role) -> Result<(String, String), StoreError> {
        let (id, secret) = (chance(24), chance(30));
        self.insert_key(&id, &secret, account, role)?;
        Ok((id, secret))
    }

    fn insert_key(&self, id: &str, secret: &str, account: &str, role: Role) -> Result<(), StoreError> {
        let owner = self.account(account)?;
        let record = ResourceRecord {
            kind: ResourceKind::Key,
            id: id.into(),
            owner,
            name: account.into(),
            state: ENABLED.into(),
            version: 1,
            created_ms: now_ms(),
            doc: key_doc(secret, role),
        };
        self.write("CreateKey", id, BatchWrite::InsertResource(record))
    }

    /// Id of the account of this name, which is made if need be.
    fn account(&self, name: &str) -> Result<String, StoreError> {
        let accounts = self.store.list_resources(ResourceKind::Account, None, "", MAX_KEYS)?;
        if let Some(known) = accounts.iter().find(|account| account.name == name) {
            return Ok(known.id.clone());
        }
        // The first is 1; ids are numbers because clients take them for such.
        let id = accounts.iter().filter_map(|account| account.id.parse::<u64>().ok()).max().unwrap_or(0) + 1;
        let record = ResourceRecord {
            kind: ResourceKind::Account,
            id: id.to_string(),
            owner: String::new(),
            name: name.into(),
            state: String::new(),
            version: 1,
            created_ms: now_ms(),
            doc: "{}".into(),
        };
        self.write("CreateAccount", name, BatchWrite::InsertResource(record))?;
        Ok(id.to_string())
    }

    /// Id of the account that was made first; nothing when there is none.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn first(&self) -> Result<Option<String>, StoreError> {
        let accounts = self.store.list_resources(ResourceKind::Account, None, "", MAX_KEYS)?;
        let first = accounts.iter().filter_map(|account| account.id.parse::<u64>().ok()).min();
        Ok(first.map(|id| id.to_string()))
    }

    /// The accounts: id and name.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn names(&self) -> Result<Vec<(String, String)>, StoreError> {
        let accounts = self.store.list_resources(ResourceKind::Account, None, "", MAX_KEYS)?;
        Ok(accounts.into_iter().map(|account| (account.id, account.name)).collect())
    }

    /// The name of an account, if there is one of this id.
    pub fn name(&self, id: &str) -> Option<String> {
        self.fresh(|known| known.names.get(id).cloned())
    }

    /// All keys.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn keys(&self) -> Result<Vec<KeySummary>, StoreError> {
        let keys = self.store.list_resources(ResourceKind::Key, None, "", MAX_KEYS)?;
        let users = read(&self.store)?.accounts;
        let summary = |record: ResourceRecord| KeySummary {
            run_as: users.get(&record.owner).and_then(|doc| doc.run_as.clone()),
            role: role_name(role_of(&record.doc)),
            id: record.id,
            account: record.owner,
            name: record.name,
            enabled: record.state == ENABLED,
            created_ms: record.created_ms,
        };
        Ok(keys.into_iter().map(summary).collect())
    }

    /// A key cannot be used any more.
    ///
    /// # Errors
    /// There is no such key, or the store does not answer.
    pub fn disable(&self, id: &str) -> Result<(), StoreError> {
        let absent = || StoreError::Absent { what: "key", id: id.into() };
        let record = self.store.load_resource(ResourceKind::Key, id)?.ok_or_else(absent)?;
        let record = ResourceRecord { state: DISABLED.into(), version: record.version + 1, ..record };
        self.write("DisableKey", id, BatchWrite::UpdateResource(record))
    }

    /// An account gets a limit of its own.
    ///
    /// # Errors
    /// There is no such account, or the store does not answer.
    pub fn set_quota(&self, account: &str, quota: &str, value: u64) -> Result<(), StoreError> {
        self.change(account, "SetQuota", |doc| {
            doc.quotas.insert(quota.into(), value);
        })
    }

    /// A limit of an account.
    pub fn quota(&self, account: &str, name: &str) -> u64 {
        let own = self.fresh(|known| known.accounts.get(account).and_then(|doc| doc.quotas.get(name).copied()));
        own.unwrap_or_else(|| QUOTAS.iter().find(|(known, _)| *known == name).map_or(u64::MAX, |(_, value)| *value))
    }

    /// From now on instances of an account run as this user of the machine, or again as the server's own.
    ///
    /// # Errors
    /// There is no such account, or the store does not answer.
    pub fn set_run_as(&self, account: &str, user: Option<&str>) -> Result<(), StoreError> {
        self.change(account, "SetRunAs", |doc| doc.run_as = user.map(str::to_owned))
    }

    /// What [`Accounts::set_run_as`] has set for an account, by its name.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn run_as(&self, account: &str) -> Result<Option<String>, StoreError> {
        let accounts = self.store.list_resources(ResourceKind::Account, None, "", MAX_KEYS)?;
        Ok(accounts.into_iter().find(|known| known.name == account).and_then(|record| doc_of(&record).run_as))
    }

    /// Whether instances of an account, by its id, run as another user.
    pub fn is_mapped(&self, account: &str) -> bool {
        self.fresh(|known| known.accounts.get(account).is_some_and(|doc| doc.run_as.is_some()))
    }

    /// Users that instances of accounts run as.
    pub fn mapped(&self) -> Vec<String> {
        self.fresh(|known| known.accounts.values().filter_map(|doc| doc.run_as.clone()).collect())
    }

    /// The user that instances of an account run as, by the account's id; nothing for the server's own.
    ///
    /// # Errors
    /// There is no such user now, or this process cannot run anything as somebody else.
    pub fn user(&self, account: &str) -> Result<Option<User>, UserError> {
        let named = self.fresh(|known| known.accounts.get(account).and_then(|doc| doc.run_as.clone()));
        let Some(name) = named else { return Ok(None) };
        let users = || self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, user)) = users().get(&name).filter(|(at, _)| at.elapsed() < USERS_FRESH) {
            return Ok(Some(user.clone()));
        }
        let user = User::find(&name)?;
        users().insert(name, (Instant::now(), user.clone()));
        Ok(Some(user))
    }

    fn change(&self, account: &str, action: &str, change: impl FnOnce(&mut AccountDoc)) -> Result<(), StoreError> {
        let accounts = self.store.list_resources(ResourceKind::Account, None, "", MAX_KEYS)?;
        let absent = || StoreError::Absent { what: "account", id: account.into() };
        let record = accounts.into_iter().find(|known| known.name == account).ok_or_else(absent)?;
        let mut doc = doc_of(&record);
        change(&mut doc);
        let record = ResourceRecord { doc: serde_json::to_string(&doc).unwrap_or_default(), version: record.version + 1, ..record };
        self.write(action, account, BatchWrite::UpdateResource(record))
    }

    fn write(&self, action: &str, resource: &str, write: BatchWrite) -> Result<(), StoreError> {
        let noted = audit("", action, resource, "");
        self.store.write(vec![Write::Batch(write), Write::Batch(noted)]).wait()?;
        let fresh = read(&self.store)?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Looks at what is known, read again if it is old.
    fn fresh<V>(&self, look: impl FnOnce(&Known) -> V) -> V {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.read.elapsed() > FRESH {
            // With a store that does not answer nothing could be done with a key anyway.
            if let Ok(fresh) = read(&self.store) {
                *known = fresh;
            }
        }
        look(&known)
    }
}

impl Keyring for Accounts {
    fn secret(&self, access_key_id: &str) -> Option<Key> {
        self.fresh(|known| known.keys.get(access_key_id).cloned())
    }
}

fn read(store: &Store) -> Result<Known, StoreError> {
    let mut keys = HashMap::new();
    for record in store.list_resources(ResourceKind::Key, None, "", MAX_KEYS)? {
        if record.state == ENABLED
            && let Ok(doc) = serde_json::from_str::<KeyDoc>(&record.doc)
        {
            keys.insert(record.id, Key { secret: doc.secret, account: record.owner, role: parse_role(&doc.role).unwrap_or(Role::Viewer) });
        }
    }
    let accounts = store.list_resources(ResourceKind::Account, None, "", MAX_KEYS)?;
    let names = accounts.iter().map(|record| (record.id.clone(), record.name.clone())).collect();
    let accounts = accounts.into_iter().map(|record| {
        let doc = doc_of(&record);
        (record.id, doc)
    });
    Ok(Known { read: Instant::now(), keys, accounts: accounts.collect(), names })
}

fn doc_of(account: &ResourceRecord) -> AccountDoc {
    serde_json::from_str(&account.doc).unwrap_or_default()
}

fn key_doc(secret: &str, role: Role) -> String {
    let doc = KeyDoc { secret: secret.into(), role: role_name(role).into() };
    serde_json::to_string(&doc).unwrap_or_default()
}

fn role_of(doc: &str) -> Role {
    serde_json::from_str::<KeyDoc>(doc).ok().and_then(|doc| parse_role(&doc.role)).unwrap_or(Role::Viewer)
}

/// The role of this name.
pub fn parse_role(name: &str) -> Option<Role> {
    [Role::Admin, Role::User, Role::Viewer].into_iter().find(|role| role_name(*role) == name)
}

/// Its name.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::User => "user",
        Role::Viewer => "viewer",
    }
}

/// Random letters and digits, from the system's own source.
fn chance(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in Uuid::new_v4().as_bytes() {
            // Beyond a multiple of 62 some letters would come more often; two bytes of a UUID are not random.
            if let Some(letter) = LETTERS.get(usize::from(*byte) % 64).filter(|_| text.len() < length) {
                text.push(char::from(*letter));
            }
        }
    }
    text
}

/// Notes a change that an account has made.
pub fn audit(account: &str, action: &str, resource: &str, detail: &str) -> BatchWrite {
    BatchWrite::InsertAudit(AuditRecord {
        id: Uuid::now_v7().to_string(),
        at_ms: now_ms(),
        account: account.into(),
        action: action.into(),
        resource: resource.into(),
        detail: detail.into(),
    })
}
