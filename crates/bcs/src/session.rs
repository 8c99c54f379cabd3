//! What a command works with: the person's configuration and caches, the terminal, the service and the store.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::{
    api::{Account, Service},
    cache::Cache,
    config::Config,
    failure::Failure,
    grammar::{help::Look, parse::Arguments},
    oss::{
        location::Location,
        store::{Store, StoreAccount},
        transfer::Transfers,
    },
    terminal::Terminal,
};

/// Everything from outside that a command may depend on.
pub struct Surroundings {
    /// The person's folder, in which `.batchcompute` lies.
    pub home: PathBuf,
    /// The working directory.
    pub folder: PathBuf,
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Where things are printed and answers come from.
    pub terminal: Terminal,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    ///
    /// When there is no home or no working directory.
    pub fn of_process() -> Result<Surroundings, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let home = std::env::home_dir().ok_or_else(|| Failure::told("there is no home directory; set HOME"))?;
        let folder = std::env::current_dir().map_err(Failure::file("find", "."))?;
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        Ok(Surroundings { home, folder, variables, terminal: Terminal::standard(&variable) })
    }
}

/// One run of the program.
pub struct Session {
    /// Where things are printed.
    pub terminal: Terminal,
    /// The person's configuration.
    pub config: Config,
    /// Ids of the last lists.
    pub cache: Cache,
    /// `~/.batchcompute`.
    pub state: PathBuf,
    /// The person's folder.
    pub home: PathBuf,
    /// The working directory.
    pub folder: PathBuf,
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    endpoint: Option<String>,
    oss_endpoint: Option<String>,
    insecure: bool,
    service: Option<Rc<Service>>,
    store: Option<Rc<Store>>,
}

impl Session {
    /// Reads the configuration; `~/.batchcompute` is made when it is missing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or the configuration not be read.
    pub fn open(surroundings: Surroundings) -> Result<Session, (Failure, Terminal)> {
        let Surroundings { home, folder, variables, terminal } = surroundings;
        let state = home.join(".batchcompute");
        let made = fs::create_dir_all(&state).map_err(Failure::file("make", &state));
        match made.and_then(|()| Config::load(&state)) {
            Ok(config) => Ok(Session {
                terminal,
                config,
                cache: Cache::new(state.clone()),
                state,
                home,
                folder,
                variables,
                endpoint: None,
                oss_endpoint: None,
                insecure: false,
                service: None,
                store: None,
            }),
            Err(failure) => Err((failure, terminal)),
        }
    }

    /// Takes the options that every command knows.
    pub fn take_common(&mut self, arguments: &Arguments) {
        self.endpoint = arguments.filled("endpoint").map(str::to_owned);
        self.oss_endpoint = arguments.filled("oss-endpoint").map(str::to_owned);
        self.insecure = arguments.has("insecure");
        self.forget_connections();
    }

    /// After a change of the configuration.
    pub fn forget_connections(&mut self) {
        self.service = None;
        self.store = None;
    }

    /// How help is shown.
    pub fn look(&self) -> Look {
        Look { language: self.config.language(), paint: self.terminal.paint, god: self.config.god() }
    }

    /// An environment variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned().filter(|v| !v.is_empty())
    }

    /// The service, as configured.
    ///
    /// # Errors
    ///
    /// `You need to login first`.
    pub fn service(&mut self) -> Result<Rc<Service>, Failure> {
        if let Some(service) = &self.service {
            return Ok(Rc::clone(service));
        }
        let service = Rc::new(Service::new(self.account()?));
        self.service = Some(Rc::clone(&service));
        Ok(service)
    }

    /// The object store, as configured.
    ///
    /// # Errors
    ///
    /// `You need to login first`.
    pub fn store(&mut self) -> Result<Rc<Store>, Failure> {
        if let Some(store) = &self.store {
            return Ok(Rc::clone(store));
        }
        let login = || Failure::told("You need to login first");
        let either = |one: &str, other: &str| self.config.get(one).or_else(|| self.config.get(other));
        let region = either("oss_region", "region").ok_or_else(login)?;
        let inner = if self.is_vpc() { "-internal" } else { "" };
        let account = StoreAccount {
            endpoint: match self.chosen(&self.oss_endpoint, "BCS_OSS_ENDPOINT", "oss_endpoint") {
                Some(endpoint) => self.with_scheme(&endpoint),
                None => format!("{}://oss-{{region}}{inner}.aliyuncs.com", self.scheme()),
            },
            region,
            id: either("oss_id", "accesskeyid").ok_or_else(login)?,
            secret: either("oss_key", "accesskeysecret").ok_or_else(login)?,
            insecure: self.is_insecure(),
        };
        let store = Rc::new(Store::new(account));
        self.store = Some(Rc::clone(&store));
        Ok(store)
    }

    /// A path of the object store.
    ///
    /// # Errors
    ///
    /// As [`Location::parse`].
    pub fn location(&self, path: &str) -> Result<Location, Failure> {
        Location::parse(path, || self.config.oss_path())
    }

    /// A path of this machine.
    pub fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => self.folder.join(path),
        }
    }

    /// Carries files with `work`, showing how far it is.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub fn transfer<T>(
        &mut self,
        shown: bool,
        work: impl FnOnce(&Transfers<'_>, Option<&mut dyn std::io::Write>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let store = self.store()?;
        self.terminal.flush()?;
        let transfers = Transfers::new(&store, self.state.join("transfers"));
        let mut out = std::io::stdout();
        let out: Option<&mut dyn std::io::Write> = if shown && self.terminal.live { Some(&mut out) } else { None };
        work(&transfers, out)
    }

    /// The id that a word stands for.
    ///
    /// # Errors
    ///
    /// When nobody reads what is printed.
    pub fn id(&mut self, title: &str, word: &str) -> Result<String, Failure> {
        let looked = self.cache.look(title, word);
        if let Some(note) = &looked.note {
            self.terminal.note(note)?;
        }
        Ok(looked.id)
    }

    /// The id that a word stands for where something is changed: a mistyped number must not hit the wrong thing.
    ///
    /// # Errors
    ///
    /// `Invalid id`, unless in god mode.
    pub fn id_to_change(&mut self, title: &str, word: &str) -> Result<String, Failure> {
        if !self.config.god() && !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) {
            return Err(Failure::told(format!("Invalid id: {word}")));
        }
        self.id(title, word)
    }

    /// The ids of a comma list where something is changed; `2-5` is a range of numbers.
    ///
    /// # Errors
    ///
    /// As [`Session::id_to_change`].
    pub fn ids_to_change(&mut self, title: &str, words: &str) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        for word in words.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            match range(word) {
                Some((from, to)) => {
                    for number in from..=to {
                        ids.push(self.id_to_change(title, &number.to_string())?);
                    }
                }
                None => ids.push(self.id_to_change(title, word)?),
            }
        }
        if ids.is_empty() {
            return Err(Failure::Argument("no id is given".to_owned()));
        }
        Ok(ids)
    }

    /// An id looked up, in one call for callers that hold the words.
    fn account(&self) -> Result<Account, Failure> {
        let login = || Failure::told("You need to login first");
        let id = self.config.get("accesskeyid").ok_or_else(login)?;
        let secret = self.config.get("accesskeysecret").ok_or_else(login)?;
        let region = self.config.get("region").ok_or_else(login)?;
        let (host, suffix) = if self.is_vpc() { ("batchcompute-vpc", "_VPC") } else { ("batchcompute", "") };
        let base = match self.chosen(&self.endpoint, "BCS_ENDPOINT", "endpoint") {
            Some(endpoint) => self.with_scheme(&endpoint),
            None => format!("{}://{host}.{region}.aliyuncs.com", self.scheme()),
        };
        let region = format!("{region}{suffix}");
        Ok(Account { base, region, id, secret, version: self.config.get("version"), insecure: self.is_insecure() })
    }

    fn chosen(&self, given: &Option<String>, variable: &str, key: &str) -> Option<String> {
        let chosen = given.clone().or_else(|| self.variable(variable)).or_else(|| self.config.get(key));
        chosen.map(|endpoint| endpoint.trim_end_matches('/').to_owned())
    }

    fn is_vpc(&self) -> bool {
        self.config.get("localhostnetworktype").as_deref() == Some("VPC")
    }

    fn is_insecure(&self) -> bool {
        self.insecure || self.variable("BCS_INSECURE").is_some() || self.config.get("insecure").is_some()
    }

    fn scheme(&self) -> &'static str {
        if self.config.get("ssl").is_some() { "http" } else { "https" }
    }

    /// This machine and numbers are spoken to in plain HTTP unless the address says otherwise.
    fn with_scheme(&self, endpoint: &str) -> String {
        if endpoint.contains("://") {
            return endpoint.to_owned();
        }
        let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
        let near = host == "localhost" || host.parse::<IpAddr>().is_ok();
        format!("{}://{endpoint}", if near { "http" } else { self.scheme() })
    }
}

/// `2-5`.
fn range(word: &str) -> Option<(u32, u32)> {
    let (from, to) = word.split_once('-')?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    // More numbers than a list has lines help nobody.
    (from <= to && to - from < 10_000).then_some((from, to))
}

/// Reads a file of the person as text.
///
/// # Errors
///
/// [`Failure::File`].
pub fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::file("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(config: &str) -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".batchcompute")).unwrap();
        fs::write(folder.path().join(".batchcompute/cliconfig"), config).unwrap();
        let terminal = Terminal::prepared(Box::new(std::io::sink()), Box::new(std::io::empty()));
        let surroundings =
            Surroundings { home: folder.path().to_owned(), folder: folder.path().to_owned(), variables: BTreeMap::new(), terminal };
        let session = Session::open(surroundings).map_err(|(failure, _)| failure).unwrap();
        (folder, session)
    }

    const KEYS: &str = "[common]\nregion = cn-test\naccesskeyid = id\naccesskeysecret = secret\n";

    #[test]
    fn the_service_is_found_as_the_original_finds_it() {
        let base = |config: &str| session(config).1.account().unwrap();
        assert_eq!(base(KEYS).base, "https://batchcompute.cn-test.aliyuncs.com");
        assert_eq!(base(&format!("{KEYS}ssl = false\n")).base, "http://batchcompute.cn-test.aliyuncs.com");
        let vpc = base(&format!("{KEYS}localhostnetworktype = VPC\n"));
        assert_eq!((vpc.base.as_str(), vpc.region.as_str()), ("https://batchcompute-vpc.cn-test.aliyuncs.com", "cn-test_VPC"));
        assert_eq!(base(&format!("{KEYS}[batchyard]\nendpoint = 127.0.0.1:8001/\n")).base, "http://127.0.0.1:8001");
        assert_eq!(session("").1.account().unwrap_err().to_string(), "You need to login first");
    }

    #[test]
    fn plain_numbers_change_nothing() {
        let (_folder, mut session) = session(KEYS);
        session.cache.remember("jobs", &["job-a".to_owned(), "job-b".to_owned(), "job-c".to_owned()]).unwrap();
        assert_eq!(session.id("jobs", "2").unwrap(), "job-b");
        assert_eq!(session.ids_to_change("jobs", "2").unwrap_err().to_string(), "Invalid id: 2");
        assert_eq!(session.ids_to_change("jobs", "job-x,job-y").unwrap(), ["job-x", "job-y"]);
        session.config.set("god", "1");
        assert_eq!(session.ids_to_change("jobs", "2-3").unwrap(), ["job-b", "job-c"]);
    }
}
