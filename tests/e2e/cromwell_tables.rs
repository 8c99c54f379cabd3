//! A database as a Cromwell leaves it: its tables, and events as it writes them.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use crate::{databases::Server, yard::Yard};

/// A moment of the day on which everything happened.
pub fn at(time: &str) -> String {
    format!("2026-02-05T{time}Z")
}

/// One of the two kinds of database, with tables of Cromwell in it.
pub struct Database {
    pub server: Server,
    pub is_mysql: bool,
}

/// Events of one workflow as they are told, one every millisecond.
pub struct Events<'d> {
    database: &'d Database,
    workflow: String,
    pub rows: Vec<String>,
}

/// Which attempt: full name, index, attempt.
pub type Place<'p> = (&'p str, Option<i64>, i64);

impl Database {
    pub fn new(server: Server, is_mysql: bool) -> Database {
        let database = Database { server, is_mysql };
        // As the migrations of its last release leave them.
        let (id, text, moment) = match is_mysql {
            true => ("BIGINT AUTO_INCREMENT", "LONGTEXT", "DATETIME(6)"),
            false => ("BIGSERIAL", "TEXT", "TIMESTAMP"),
        };
        database.sql(&format!(
            "CREATE TABLE \"WORKFLOW_METADATA_SUMMARY_ENTRY\" (\"WORKFLOW_METADATA_SUMMARY_ENTRY_ID\" {id} PRIMARY KEY, \
               \"WORKFLOW_EXECUTION_UUID\" VARCHAR(100) NOT NULL UNIQUE, \"WORKFLOW_NAME\" VARCHAR(100), \"WORKFLOW_STATUS\" VARCHAR(50), \
               \"START_TIMESTAMP\" {moment} NULL, \"END_TIMESTAMP\" {moment} NULL, \"SUBMISSION_TIMESTAMP\" {moment} NULL, \
               \"PARENT_WORKFLOW_EXECUTION_UUID\" VARCHAR(100), \"ROOT_WORKFLOW_EXECUTION_UUID\" VARCHAR(100), \"METADATA_ARCHIVE_STATUS\" VARCHAR(30));\n\
             CREATE INDEX \"IX_WORKFLOW_METADATA_SUMMARY_ENTRY_WS\" ON \"WORKFLOW_METADATA_SUMMARY_ENTRY\" (\"WORKFLOW_STATUS\");\n\
             CREATE TABLE \"METADATA_ENTRY\" (\"METADATA_JOURNAL_ID\" {id} PRIMARY KEY, \"WORKFLOW_EXECUTION_UUID\" VARCHAR(255) NOT NULL, \
               \"METADATA_KEY\" VARCHAR(255) NOT NULL, \"CALL_FQN\" VARCHAR(255), \"JOB_SCATTER_INDEX\" INT, \"JOB_RETRY_ATTEMPT\" INT, \
               \"METADATA_VALUE\" {text}, \"METADATA_TIMESTAMP\" {moment} NOT NULL, \"METADATA_VALUE_TYPE\" VARCHAR(10));\n\
             CREATE INDEX \"IX_METADATA_ENTRY_WEU_MK\" ON \"METADATA_ENTRY\" (\"WORKFLOW_EXECUTION_UUID\", \"METADATA_KEY\");\n\
             CREATE TABLE \"CUSTOM_LABEL_ENTRY\" (\"CUSTOM_LABEL_ENTRY_ID\" {id} PRIMARY KEY, \"CUSTOM_LABEL_KEY\" VARCHAR(255) NOT NULL, \
               \"CUSTOM_LABEL_VALUE\" VARCHAR(255) NOT NULL, \"WORKFLOW_EXECUTION_UUID\" VARCHAR(100) NOT NULL);\n"
        ));
        database
    }

    /// Host, port, user and password of the server.
    fn account(&self) -> (String, String, String, String) {
        let (_, rest) = self.server.url.split_once("://").unwrap();
        let (account, place) = rest.split_once('@').unwrap();
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let (host, port) = place.split('/').next().unwrap().split_once(':').unwrap();
        (host.into(), port.into(), user.into(), password.into())
    }

    /// A client of the database.
    pub fn client(&self) -> Command {
        let (host, port, user, password) = self.account();
        let mut command = match self.is_mysql {
            true => Command::new("mariadb"),
            false => Command::new("psql"),
        };
        match self.is_mysql {
            true => {
                command.args(["-h", &host, "-P", &port, "-u", &user, "-N", "--unbuffered", "batchyard"]).env("MYSQL_PWD", password);
                command.arg("--init-command=SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_BACKSLASH_ESCAPES')")
            }
            false => command.args(["-h", &host, "-p", &port, "-U", &user, "-qAt", "-v", "ON_ERROR_STOP=1", "batchyard"]),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What statements answer.
    pub fn sql(&self, statements: &str) -> String {
        let mut client = self.client().spawn().unwrap();
        client.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
        let Output { status, stdout, stderr } = client.wait_with_output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }

    /// A workflow in the summary, with nothing told of it yet.
    pub fn workflow(&self, id: &str, name: &str, status: &str) -> Events<'_> {
        self.sql(&format!(
            "INSERT INTO \"WORKFLOW_METADATA_SUMMARY_ENTRY\" (\"WORKFLOW_EXECUTION_UUID\", \"WORKFLOW_NAME\", \"WORKFLOW_STATUS\") \
             VALUES ('{id}', '{name}', '{status}');\n"
        ));
        Events { database: self, workflow: id.into(), rows: Vec::new() }
    }

    /// The configuration of the Cromwell that has worked with it.
    pub fn configuration(&self, yard: &Yard) {
        let (host, port, user, password) = self.account();
        let engine = if self.is_mysql { "mysql" } else { "postgresql" };
        let password = if password.is_empty() { "none" } else { &password };
        yard.write(
            "c.conf",
            &format!(
                "include required(classpath(\"application\"))\nwebservice.interface = 127.0.0.1\n\
                 database.db {{ url = \"jdbc:{engine}://{host}:{port}/batchyard?useSSL=false\", user = \"{user}\", password = \"{password}\" }}\n"
            ),
        );
    }
}

impl Events<'_> {
    /// An event at this millisecond.
    pub fn tell_at(&mut self, millisecond: usize, place: Option<Place<'_>>, key: &str, value: Option<(&str, &str)>) {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let number = |number: Option<i64>| number.map_or("NULL".into(), |number| number.to_string());
        let call = place.map_or("NULL".into(), |(name, ..)| quoted(name));
        let (index, attempt) = (number(place.and_then(|(_, index, _)| index)), number(place.map(|(.., attempt)| attempt)));
        let text = match value {
            // An empty text is none with a type.
            None | Some((_, "")) => "NULL".into(),
            Some((_, text)) if self.database.is_mysql => quoted(text),
            Some((_, text)) => format!("CAST(lo_from_bytea(0, convert_to({}, 'UTF8')) AS TEXT)", quoted(text)),
        };
        let kind = value.map_or("NULL".into(), |(kind, _)| quoted(kind));
        let (id, key) = (&self.workflow, quoted(key));
        let moment = format!("2026-02-05 12:{:02}:{:02}.{:03}", millisecond / 60_000, millisecond / 1000 % 60, millisecond % 1000);
        self.rows.push(format!("('{id}', {call}, {index}, {attempt}, {key}, {text}, {kind}, '{moment}')"));
    }

    pub fn tell(&mut self, place: Option<Place<'_>>, key: &str, value: Option<(&str, &str)>) {
        self.tell_at(self.rows.len(), place, key, value);
    }

    pub fn texts(&mut self, place: Option<Place<'_>>, events: &[(&str, &str)]) -> &mut Self {
        for (key, text) in events {
            self.tell(place, key, Some(("string", text)));
        }
        self
    }

    pub fn store(&self) {
        for rows in self.rows.chunks(500) {
            self.database.sql(&format!(
                "INSERT INTO \"METADATA_ENTRY\" (\"WORKFLOW_EXECUTION_UUID\", \"CALL_FQN\", \"JOB_SCATTER_INDEX\", \"JOB_RETRY_ATTEMPT\", \
                 \"METADATA_KEY\", \"METADATA_VALUE\", \"METADATA_VALUE_TYPE\", \"METADATA_TIMESTAMP\") VALUES {};\n",
                rows.join(",\n")
            ));
        }
    }

    /// Its metadata were archived and deleted.
    pub fn archive(&self) {
        let id = &self.workflow;
        self.database.sql(&format!(
            "UPDATE \"WORKFLOW_METADATA_SUMMARY_ENTRY\" SET \"METADATA_ARCHIVE_STATUS\" = 'ArchivedAndDeleted' \
             WHERE \"WORKFLOW_EXECUTION_UUID\" = '{id}';\n"
        ));
    }

    pub fn label(&self, name: &str, value: &str) {
        let id = &self.workflow;
        self.database.sql(&format!(
            "INSERT INTO \"CUSTOM_LABEL_ENTRY\" (\"CUSTOM_LABEL_KEY\", \"CUSTOM_LABEL_VALUE\", \"WORKFLOW_EXECUTION_UUID\") \
             VALUES ('{name}', '{value}', '{id}');\n"
        ));
    }
}
