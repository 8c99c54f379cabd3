//! The `database` stanza: JDBC URLs become locations of ours.

use std::path::PathBuf;

use batchyard_hocon::Problem;
use batchyard_store::Location;

use super::{Note, reader::Reader};

/// Where the configuration wants the state to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseChoice {
    /// The configuration does not say.
    Unsaid,
    /// In memory: nothing is to be found again by a later process, so a private file will do.
    Private,
    /// There.
    At(Location),
}

const URL: &str = "database.db.url";
const METADATA_URL: &str = "database.metadata.db.url";
const SERVERS: &str = "write `jdbc:mysql://host:3306/database` or `jdbc:postgresql://host:5432/database`";

impl DatabaseChoice {
    pub(super) fn read(reader: &Reader<'_>) -> DatabaseChoice {
        // What the profile says, the URL says better.
        reader.text("database.profile");
        let (user, password) = (reader.text("database.db.user"), reader.text("database.db.password"));
        let Some(url) = reader.text(URL) else { return DatabaseChoice::Unsaid };
        if reader.origin(URL).is_some_and(super::is_built_in) {
            return DatabaseChoice::Unsaid;
        }
        let account = Account { key: URL, user, password };
        match account.convert(&url) {
            Ok((choice, notes)) => {
                for (message, hint) in notes {
                    reader.note_at(URL, message, hint);
                }
                choice
            }
            Err((message, hint)) => {
                reader.problem_at(URL, message, hint);
                DatabaseChoice::Unsaid
            }
        }
    }
}

/// Where the original keeps its metadata, when that is a database of its own.
#[derive(Clone, Debug)]
pub struct MetadataDatabase {
    /// The place, or why it cannot be used.
    pub location: Result<Location, Problem>,
    /// What its author should know.
    pub notes: Vec<Note>,
}

impl MetadataDatabase {
    /// Only earlier workflows are looked for there: what cannot be used is no obstacle to anything else, and is told to who looks.
    pub(super) fn read(reader: &Reader<'_>) -> Option<MetadataDatabase> {
        let url = reader.text(METADATA_URL);
        let account = Account {
            key: METADATA_URL,
            user: reader.text("database.metadata.db.user"),
            password: reader.text("database.metadata.db.password"),
        };
        let origin = reader.origin(METADATA_URL);
        let place = match account.convert(&url?) {
            Ok((DatabaseChoice::At(location @ Location::Url(_)), notes)) => Ok((location, notes)),
            Ok(_) => Err((format!("`{METADATA_URL}` names HSQLDB or SQLite, which earlier workflows are not read from"), SERVERS)),
            Err(refusal) => Err(refusal),
        };
        let (location, notes) = match place {
            Ok((location, notes)) => (Ok(location), notes),
            Err((message, hint)) => {
                let problem = origin.map_or_else(|| Problem::new(&message), |origin| Problem::at(origin, &message));
                (Err(problem.hint(hint)), Notes::new())
            }
        };
        let note = |(message, hint): (String, &str)| Note { message, origin: origin.cloned(), hint: Some(hint.into()) };
        Some(MetadataDatabase { location, notes: notes.into_iter().map(note).collect() })
    }
}

type Notes = Vec<(String, &'static str)>;
type Refusal = (String, &'static str);

/// What stands beside a JDBC URL.
struct Account {
    /// The key of the URL.
    key: &'static str,
    user: Option<String>,
    password: Option<String>,
}

impl Account {
    /// Turns a JDBC URL into a choice. No text that comes out holds the password.
    fn convert(self, url: &str) -> Result<(DatabaseChoice, Notes), Refusal> {
        // Long URLs are written over several lines.
        let url: String = url.split_whitespace().collect();
        let unreadable = || (format!("`{}` is no JDBC URL that can be used", self.key), SERVERS);
        let rest = url.strip_prefix("jdbc:").ok_or_else(unreadable)?;
        let (engine, rest) = rest.split_once(':').ok_or_else(unreadable)?;
        match engine {
            "hsqldb" => embedded(self.key, rest),
            "mysql" | "mariadb" => self.server("mysql", rest),
            "postgresql" => self.server("postgres", rest),
            "sqlite" => Ok((DatabaseChoice::At(Location::Sqlite(PathBuf::from(rest))), Vec::new())),
            other => Err((format!("databases of the kind `{other}` are not supported"), SERVERS)),
        }
    }

    fn server(self, scheme: &str, rest: &str) -> Result<(DatabaseChoice, Notes), Refusal> {
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        // `jdbc:postgresql:name` is a database of this machine.
        let (host, database) = match place.strip_prefix("//") {
            Some(place) => place.split_once('/').unwrap_or((place, "")),
            None => ("localhost", place),
        };
        if host.contains([',', '(', '@']) {
            return Err((format!("`{}` must name one server and no user", self.key), "put the user into `user` beside it"));
        }
        if database.is_empty() {
            return Err((format!("`{}` names no database", self.key), SERVERS));
        }
        let parameters: Vec<(&str, &str)> = parameters.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let parameter =
            |name: &str| parameters.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| decode(value));
        let user = self.user.or_else(|| parameter("user"));
        let password = self.password.or_else(|| parameter("password"));
        let credentials = match (user, password) {
            (Some(user), Some(password)) => format!("{}:{}@", encode(&user), encode(&password)),
            (Some(user), None) => format!("{}@", encode(&user)),
            (None, _) => String::new(),
        };
        let host = if host.is_empty() { "localhost" } else { host };
        let mut notes = Vec::new();
        let wants_encryption = ["useSSL", "requireSSL", "ssl"].iter().any(|name| parameter(name).is_some_and(|value| value == "true"));
        let mode = parameter("sslMode").unwrap_or_default().to_lowercase();
        if wants_encryption || mode.starts_with("require") || mode.starts_with("verify") {
            let message = "the connection to the database is not encrypted, although the URL asks for it".to_string();
            notes.push((message, "use a database on this machine or in a network that you trust, or a tunnel"));
        }
        // Where tables lie that are named without a schema.
        let schema = parameter("currentSchema").filter(|_| scheme == "postgres");
        let schema = schema.map(|schema| format!("?options%5Bsearch_path%5D={}", encode(&schema))).unwrap_or_default();
        let location = Location::Url(format!("{scheme}://{credentials}{host}/{}{schema}", encode(&decode(database))));
        Ok((DatabaseChoice::At(location), notes))
    }
}

/// HSQLDB has no equal here; SQLite takes its place.
fn embedded(key: &str, rest: &str) -> Result<(DatabaseChoice, Notes), Refusal> {
    let (kind, place) = rest.split_once(':').unwrap_or((rest, ""));
    // What follows the first semicolon are settings of HSQLDB.
    let path = place.split(';').next().unwrap_or("");
    match kind {
        "mem" => Ok((DatabaseChoice::Private, Vec::new())),
        "file" if !path.is_empty() => {
            let file = PathBuf::from(format!("{path}.sqlite"));
            let message = format!("HSQLDB is not supported; the state is kept with SQLite in `{}`", file.display());
            let hint = "what the original has stored in its own files is not read";
            Ok((DatabaseChoice::At(Location::Sqlite(file)), vec![(message, hint)]))
        }
        _ => Err((format!("`{key}` names no HSQLDB database"), "write `jdbc:hsqldb:file:PATH` or `jdbc:hsqldb:mem:NAME`")),
    }
}

/// Percent encoding of everything that could end a part of a URL.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(url: &str, user: Option<&str>, password: Option<&str>) -> Result<(DatabaseChoice, Notes), Refusal> {
        Account { key: URL, user: user.map(str::to_owned), password: password.map(str::to_owned) }.convert(url)
    }

    fn at(url: &str, user: Option<&str>, password: Option<&str>) -> String {
        match convert(url, user, password) {
            Ok((DatabaseChoice::At(Location::Url(url)), _)) => url,
            Ok((DatabaseChoice::At(Location::Sqlite(path)), _)) => path.display().to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn servers() {
        let guide = "jdbc:mysql://localhost/db_cromwell?rewriteBatchedStatements=true&useSSL=false";
        assert_eq!(at(guide, Some("user_cromwell"), Some("xx")), "mysql://user_cromwell:xx@localhost/db_cromwell");
        assert_eq!(at("jdbc:mysql://h:3306/d", Some("u@x"), Some("p@ss:w/rd")), "mysql://u%40x:p%40ss%3Aw%2Frd@h:3306/d");
        assert_eq!(at("jdbc:mariadb://h/d?user=a&password=b%26c", None, None), "mysql://a:b%26c@h/d");
        assert_eq!(at("jdbc:postgresql://h:5432/d", Some("u"), None), "postgres://u@h:5432/d");
        assert_eq!(at("jdbc:postgresql:d", None, None), "postgres://localhost/d");
        let schema = at("jdbc:postgresql://h/d?ssl=false&currentSchema=a,b", None, None);
        assert_eq!(schema, "postgres://h/d?options%5Bsearch_path%5D=a%2Cb");
        assert_eq!(at("jdbc:mysql://h/d?currentSchema=a", None, None), "mysql://h/d");
    }

    #[test]
    fn embedded_databases() {
        assert_eq!(at("\n  jdbc:hsqldb:file:a/b/db;\n  shutdown=false;hsqldb.tx=mvcc\n", None, None), "a/b/db.sqlite");
        assert_eq!(convert("jdbc:hsqldb:mem:x;shutdown=false", None, None).unwrap().0, DatabaseChoice::Private);
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_password() {
        for url in
            ["mysql://h/d", "jdbc:oracle:thin:@h", "jdbc:mysql://h", "jdbc:mysql://u:s3cret@h/d", "jdbc:mysql://a,b/d", "jdbc:hsqldb:file:"]
        {
            let (message, hint) = convert(url, Some("u"), Some("s3cret")).unwrap_err();
            assert!(!message.contains("s3cret") && !hint.contains("s3cret"), "{message}");
        }
        let (_, notes) = convert("jdbc:mysql://h/d?useSSL=true", Some("u"), Some("s3cret")).unwrap();
        assert!(notes[0].0.contains("not encrypted") && !notes[0].0.contains("s3cret"));
    }
}
