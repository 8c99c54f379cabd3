//! Files from the web: fetched once, kept, and asked for again only whether they have changed.

mod memo;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use batchyard_workflow::{
    fetch::{Beside, Fetch, Unfound},
    identity::{mtime_ns, text_hash},
};

use self::memo::{Age, Memo};

/// Time until a server answers.
const ANSWER: Duration = Duration::from_secs(30);
/// Time in which something of a file must come, however long all of it takes.
const STALL: Duration = Duration::from_secs(60);
/// Tries when the network fails.
const TRIES: u32 = 3;
/// Ending of the folder of texts that say which folder of the web a folder here stands for.
const PLACES: &str = ".places";
/// Folder of marks, beside the files.
const MARKS: &str = ".marks";
/// What files on their way are called, before a number.
const PART: &str = ".part-";
/// Longest name of a file here; a longer one is cut.
const MAX_NAME_CHARS: usize = 200;
/// Pause before a further try.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps what was fetched below a folder: `<hash of the URL's folder>/<file name>`, so that an index is found beside its file.
/// The server's mark of its state lies in a folder of its own.
///
/// Which folder of the web each of them stands for is noted outside of what is shown to jobs, for the server alone: a query may be a secret,
/// and what lies beside a file is fetched from there.
#[derive(Clone, Debug)]
pub struct Downloads {
    folder: PathBuf,
    places: PathBuf,
    stall: Duration,
    /// The folder under its true name, once that was asked for.
    canonical: OnceLock<PathBuf>,
}

impl Downloads {
    /// Downloads below this folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        let mut places = folder.clone().into_os_string();
        places.push(PLACES);
        Downloads { folder, places: places.into(), stall: STALL, canonical: OnceLock::new() }
    }

    fn bring(&self, url: &str) -> Result<PathBuf, Trouble> {
        let name = file_name(url);
        if is_own_name(&name) {
            return Err(Trouble::Final(format!("cannot be fetched: `{name}` is a name that this program uses itself")));
        }
        let place = folder_of(url);
        let folder = self.folder.join(text_hash(&place));
        let (file, mark) = (folder.join(&name), folder.join(MARKS).join(&name));
        let known = fs::read_to_string(&mark).ok().filter(|mark| is_as_left(&file, mark));
        let config = ureq::Agent::config_builder().timeout_recv_response(Some(ANSWER)).timeout_connect(Some(ANSWER));
        let config = config.timeout_per_read(Some(self.stall)).tls_config(batchyard_trust::tls()).build();
        let mut request = ureq::Agent::new_with_config(config).get(url);
        let asked = known.as_deref().and_then(|mark| mark.split_once('\n'));
        if let Some((name, rest)) = asked {
            request = request.header(name, rest.lines().next().unwrap_or_default());
        }
        let mut response = request.call().map_err(|error| match error {
            ureq::Error::StatusCode(code) => refusal(code),
            error => Trouble::Passing(format!("cannot be fetched: {error}")),
        })?;
        let kept = |error: io::Error| Trouble::Final(format!("cannot be kept in `{}`: {error}", folder.display()));
        if response.status().as_u16() == 304 {
            self.note(&place);
            if let Some((name, value)) = asked.filter(|(_, rest)| rest.lines().nth(1).is_none()) {
                // It was kept by a version that did not tell whether it was changed.
                stamp(&file).and_then(|stamp| write_mark(&mark, &format!("{name}\n{value}\n{stamp}"))).map_err(kept)?;
            }
            return Ok(file);
        }
        self.keep(&mut response, &place, (&folder, &file, &mark))?;
        Ok(file)
    }

    /// Keeps what a server sends, and its state.
    fn keep(
        &self,
        response: &mut ureq::http::Response<ureq::Body>,
        place: &str,
        (folder, file, mark): (&Path, &Path, &Path),
    ) -> Result<(), Trouble> {
        let kept = |error: io::Error| Trouble::Final(format!("cannot be kept in `{}`: {error}", folder.display()));
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let state = header("etag").map(|tag| format!("If-None-Match\n{tag}"));
        let state = state.or_else(|| header("last-modified").map(|at| format!("If-Modified-Since\n{at}")));
        fs::create_dir_all(folder).map_err(kept)?;
        self.note(place);
        // A file that others may use already is replaced as a whole, never written into.
        let part = folder.join(format!("{PART}{}", batchyard_model::RunId::random()));
        let received = receive(response, &part).map_err(|error| Trouble::Passing(format!("cannot be fetched: {error}")));
        if let Err(trouble) = received {
            let _ = fs::remove_file(&part);
            return Err(trouble);
        }
        // Of this file and no other: somebody else may put another one there at the same time.
        let stamp = stamp(&part).map_err(kept)?;
        fs::rename(&part, file).map_err(kept)?;
        match state {
            Some(state) => write_mark(mark, &format!("{state}\n{stamp}")).map_err(kept),
            // Without a mark it is fetched again the next time.
            None => {
                let _ = fs::remove_file(mark);
                Ok(())
            }
        }
    }

    /// Notes which folder of the web a folder here stands for, unless that is known. Where that fails (the notes are another user's) the
    /// file is as good, and who looks for what lies beside it is told that nobody knows.
    fn note(&self, place: &str) {
        let _ = self.write_note(place);
    }

    fn write_note(&self, place: &str) -> io::Result<()> {
        let file = self.places.join(text_hash(place));
        // One that was written by halves is written again.
        if fs::read_to_string(&file).is_ok_and(|known| known == place) {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.places)?;
        let part = self.places.join(format!("{PART}{}", batchyard_model::RunId::random()));
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let kept = written.and_then(|mut written| written.write_all(place.as_bytes())).and_then(|()| fs::rename(&part, file));
        kept.inspect_err(|_| drop(fs::remove_file(&part)))
    }

    /// The folder of the web that a folder here stands for.
    fn place(&self, folder: &Path) -> Option<String> {
        let hash = folder.file_name()?.to_str()?;
        fs::read_to_string(self.places.join(hash)).ok().filter(|place| text_hash(place) == hash)
    }

    fn is_own(&self, folder: &Path) -> bool {
        let canonical = || match self.canonical.get() {
            Some(known) => Some(known),
            // It is there as soon as a file in it is.
            None => self.folder.canonicalize().ok().map(|found| self.canonical.get_or_init(|| found)),
        };
        folder == self.folder || canonical().is_some_and(|canonical| folder == canonical)
    }

    /// Fetches with further tries where they may help.
    fn insist(&self, url: &str) -> Result<PathBuf, Trouble> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.bring(url) {
                Err(Trouble::Passing(_)) if tries > 0 => std::thread::sleep(PAUSE),
                found => return found,
            }
        }
    }
}

/// Files from anywhere: from object stores whose URL it is, otherwise from the web.
#[derive(Debug)]
pub struct Everywhere {
    /// The web.
    web: Downloads,
    /// Object stores.
    objects: Option<Arc<dyn Fetch + Send + Sync>>,
    /// What a run knows already.
    memo: Option<Memo>,
}

impl Everywhere {
    /// The web, and object stores if there are any.
    pub fn new(web: Downloads, objects: Option<Arc<dyn Fetch + Send + Sync>>) -> Self {
        Everywhere { web, objects, memo: None }
    }

    fn found(&self, url: &str, on_behalf: Option<&str>, age: Age) -> Result<PathBuf, Unfound> {
        let find = || match self.objects.as_ref().filter(|objects| objects.knows(url)) {
            Some(objects) => objects.find(url, on_behalf),
            None => self.web.find(url, on_behalf),
        };
        match &self.memo {
            Some(memo) => memo.find(url, age, find),
            None => find(),
        }
    }
}

impl Fetch for Everywhere {
    fn knows(&self, url: &str) -> bool {
        self.web.knows(url) || self.objects.as_ref().is_some_and(|objects| objects.knows(url))
    }

    fn fetch(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, String> {
        self.found(url, on_behalf, Age::Fresh).map_err(|unfound| unfound.why)
    }

    fn find(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, Unfound> {
        self.found(url, on_behalf, Age::Recent)
    }

    fn kept(&self, url: &str, on_behalf: Option<&str>) -> Option<PathBuf> {
        match self.objects.as_ref().filter(|objects| objects.knows(url)) {
            Some(objects) => objects.kept(url, on_behalf),
            None => self.web.kept(url, on_behalf),
        }
    }

    fn beside(&self, file: &Path, name: &str) -> Beside {
        match (self.web.beside(file, name), &self.objects) {
            (Beside::Here, Some(objects)) => objects.beside(file, name),
            (found, _) => found,
        }
    }

    fn for_run(&self) -> Option<Arc<dyn Fetch + Send + Sync>> {
        let objects = self.objects.as_ref().map(|objects| objects.for_run().unwrap_or_else(|| Arc::clone(objects)));
        Some(Arc::new(Everywhere { web: self.web.clone(), objects, memo: Some(Memo::default()) }))
    }

    fn needs(&self, file: &Path) -> Result<(), String> {
        self.objects.as_ref().map_or(Ok(()), |objects| objects.needs(file))
    }

    fn takes(&self, url: &str) -> bool {
        self.objects.as_ref().is_some_and(|objects| objects.takes(url))
    }

    fn store(&self, file: &Path, url: &str, on_behalf: Option<&str>) -> Result<(), String> {
        let objects = self.objects.as_ref().ok_or("cannot be written to: there is no store")?;
        objects.store(file, url, on_behalf)
    }
}

/// What went wrong, and whether another try may help.
enum Trouble {
    Passing(String),
    Final(String),
    /// The server has answered that there is no such thing for us.
    Absent(String),
}

impl Trouble {
    fn unfound(self) -> Unfound {
        match self {
            Trouble::Absent(why) => Unfound { why, is_absent: true },
            Trouble::Passing(why) | Trouble::Final(why) => Unfound { why, is_absent: false },
        }
    }
}

impl Fetch for Downloads {
    fn fetch(&self, url: &str, _: Option<&str>) -> Result<PathBuf, String> {
        self.insist(url).map_err(|trouble| trouble.unfound().why)
    }

    fn find(&self, url: &str, _: Option<&str>) -> Result<PathBuf, Unfound> {
        self.insist(url).map_err(Trouble::unfound)
    }

    fn kept(&self, url: &str, _: Option<&str>) -> Option<PathBuf> {
        let name = Some(file_name(url)).filter(|name| !is_own_name(name))?;
        Some(self.folder.join(text_hash(&folder_of(url))).join(name)).filter(|file| file.is_file())
    }

    fn beside(&self, file: &Path, name: &str) -> Beside {
        let Some(folder) = file.parent().filter(|folder| folder.parent().is_some_and(|parent| self.is_own(parent))) else {
            return Beside::Here;
        };
        // Of a name that was cut nobody knows what others are made of it.
        let is_whole = |name: &str| name.chars().count() < MAX_NAME_CHARS;
        let own = file.file_name().and_then(|own| own.to_str());
        let place = self.place(folder).filter(|_| is_whole(name) && own.is_some_and(is_whole));
        place.and_then(|place| sibling(&place, name)).map_or(Beside::Unknown, Beside::At)
    }
}

fn receive(response: &mut ureq::http::Response<ureq::Body>, part: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(part)?);
    io::copy(&mut response.body_mut().as_reader(), &mut file)?;
    file.flush()
}

fn write_mark(mark: &Path, state: &str) -> io::Result<()> {
    mark.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(mark, state)
}

/// What it means that a server does not give a file.
fn refusal(code: u16) -> Trouble {
    let why = format!("cannot be fetched: the server answers {code}");
    match code {
        // Some refuse what is not there, unless one may list what is.
        403 | 404 | 410 => Trouble::Absent(why),
        408 | 425 | 429 | 500.. => Trouble::Passing(why),
        _ => Trouble::Final(why),
    }
}

/// Whether a file is as it was when its mark was made: a task that runs as the server's own user could have written to what it got a
/// second name of. Marks of older versions say nothing about that.
fn is_as_left(file: &Path, mark: &str) -> bool {
    match (stamp(file), mark.lines().nth(2)) {
        (Ok(now), Some(then)) => now == then,
        (Ok(_), None) => true,
        (Err(_), _) => false,
    }
}

/// What changes when a file is written to, but not when it gets another name.
fn stamp(file: &Path) -> io::Result<String> {
    let about = fs::metadata(file)?;
    Ok(format!("{} {} {}", about.len(), mtime_ns(&about), about.ino()))
}

/// A URL without its last name: the same for files that lie beside each other. A query says more than where a file is, so that
/// one with a query lies alone.
fn folder_of(url: &str) -> String {
    match url.split_once(['?', '#']) {
        Some(_) => url.to_owned(),
        None => url.rsplit_once('/').map_or(url, |(folder, _)| folder).to_owned(),
    }
}

/// The URL of a name beside the files of a place, which is a folder, or with a query the whole URL of a file: the query holds for the
/// other as well (it may say who asks). `None` where no file can have the name.
fn sibling(place: &str, name: &str) -> Option<String> {
    let (folder, query) = match place.find(['?', '#']) {
        Some(at) => (place.get(..at)?.rsplit_once('/')?.0, place.get(at..)?),
        None => (place, ""),
    };
    let has_host = folder.split_once("://").is_some_and(|(_, rest)| !rest.is_empty());
    if !has_host || matches!(name, "" | "." | "..") {
        return None;
    }
    let mut url = format!("{folder}/");
    for c in name.chars() {
        match c {
            // The rest is as it stands in the URL of the other file.
            '?' | '#' | ' ' => url.push_str(&format!("%{:02X}", u32::from(c))),
            c if c.is_control() => return None,
            c => url.push(c),
        }
    }
    url.push_str(query);
    Some(url)
}

/// Whether this program uses a name itself beside the files.
fn is_own_name(name: &str) -> bool {
    name == MARKS || name.starts_with(PART)
}

/// The name of the file behind a URL; task commands look at its ending.
fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = path.split_once('/').map_or("", |(_, rest)| rest).rsplit('/').next().unwrap_or("");
    match name {
        "" | "." | ".." => "file".into(),
        name => name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::canned::{answer, server};

    #[test]
    fn a_file_is_fetched_once_while_it_does_not_change() {
        let dir = tempfile::tempdir().unwrap();
        let downloads = Downloads::new(dir.path().join("downloads"));
        let first = || answer("200 OK", &["ETag: \"one\""], "abc");
        let same = answer("304 Not Modified", &[], "");
        let (address, served) = server(vec![first(), same, first(), answer("200 OK", &[], "xyz")]);
        let url = format!("http://{address}/data/reads.fq.gz?x=1");
        let file = downloads.fetch(&url, None).unwrap();
        assert!(file.ends_with("reads.fq.gz"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "abc");
        // As a version has left it that knew nothing of changes.
        let mark = file.parent().unwrap().join(MARKS).join("reads.fq.gz");
        fs::write(&mark, "If-None-Match\n\"one\"").unwrap();
        assert_eq!(downloads.fetch(&url, None).unwrap(), file);
        fs::write(&file, "abc and more").unwrap();
        assert_eq!(fs::read_to_string(downloads.fetch(&url, None).unwrap()).unwrap(), "abc", "what was changed here is fetched again");
        assert_eq!(fs::read_to_string(downloads.fetch(&url, None).unwrap()).unwrap(), "xyz");
        let asked = served.join().unwrap();
        let conditional: Vec<bool> = asked.iter().map(|head| head.to_lowercase().contains("if-none-match: \"one\"")).collect();
        assert_eq!(conditional, [false, true, false, true], "{asked:?}");
    }

    #[test]
    fn neighbours_stay_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let answers = ["bam", "bai", "oth"].map(|text| answer("200 OK", &["ETag: \"1\""], text));
        let (address, _served) = server(answers.into());
        let downloads = Downloads::new(dir.path().join("downloads"));
        let fetch = |path: &str| downloads.fetch(&format!("http://{address}{path}"), None).unwrap();
        let (file, index, other) = (fetch("/a/x.bam"), fetch("/a/x.bam.bai"), fetch("/b/x.bam"));
        assert_eq!(file.parent(), index.parent());
        assert_ne!(file, other);
        assert_eq!(fs::read_to_string(file).unwrap(), "bam");
    }

    #[test]
    fn what_lies_beside_a_file_has_its_url() {
        let dir = tempfile::tempdir().unwrap();
        let x = || answer("200 OK", &[], "x");
        let (address, _served) = server(vec![x(), x(), answer("403 Forbidden", &[], "")]);
        let url = format!("http://{address}");
        let downloads = Downloads::new(dir.path().join("downloads"));
        let beside = |path: &str, name: &str| downloads.beside(&downloads.fetch(&format!("{url}{path}"), None).unwrap(), name);
        assert_eq!(beside("/a/x.bam", "x.bai"), Beside::At(format!("{url}/a/x.bai")));
        assert_eq!(beside("/a/x.bam?key=1/2", "x y"), Beside::At(format!("{url}/a/x%20y?key=1/2")));
        assert_eq!(downloads.beside(Path::new("/elsewhere/x.bam"), "x.bai"), Beside::Here);
        assert_eq!(downloads.beside(&dir.path().join("downloads/none/x.bam"), "x.bai"), Beside::Unknown);
        assert_eq!(sibling("https://", "x"), None);
        assert_eq!(sibling("https://h/a", ".."), None);
        let unfound = downloads.find(&format!("{url}/a/x.bai"), None).unwrap_err();
        assert_eq!(unfound, Unfound { why: "cannot be fetched: the server answers 403".into(), is_absent: true });
        let nobody = downloads.find("http://127.0.0.1:1/x", None).unwrap_err();
        assert!(!nobody.is_absent, "{nobody:?}");
    }

    #[test]
    fn only_an_answer_that_nothing_is_there_says_so() {
        let absent = |code| refusal(code).unfound().is_absent;
        assert_eq!([403, 404, 410].map(absent), [true; 3]);
        assert_eq!([400, 401, 407, 408, 425, 429, 451, 500, 503].map(absent), [false; 9]);
        let dir = tempfile::tempdir().unwrap();
        let answers = [("429 Too Many Requests", ""), ("200 OK", "x"), ("401 Unauthorized", "")];
        let (address, _served) = server(answers.map(|(status, body)| answer(status, &[], body)).into());
        let url = format!("http://{address}");
        let downloads = Downloads::new(dir.path().join("downloads"));
        assert!(downloads.find(&format!("{url}/x"), None).is_ok(), "who has no time is asked again");
        let unfound = downloads.find(&format!("{url}/y"), None).unwrap_err();
        assert_eq!(unfound, Unfound { why: "cannot be fetched: the server answers 401".into(), is_absent: false });
    }

    #[test]
    fn where_files_come_from_is_noted_for_the_server_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (address, _served) = server(vec![answer("200 OK", &["ETag: \"1\""], "x"), answer("304 Not Modified", &[], "")]);
        let url = format!("http://{address}");
        let downloads = Downloads::new(dir.path().join("downloads"));
        let fetch = || downloads.fetch(&format!("{url}/x.bam?key=secret"), None).unwrap();
        let file = fetch();
        let places = dir.path().join("downloads.places");
        let place = places.join(file.parent().unwrap().file_name().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&places), mode(&place)), (0o700, 0o600));
        // As after a loss of power, and as somebody who wants another file to be taken.
        fs::write(&place, "").unwrap();
        assert_eq!(downloads.beside(&file, "x.bai"), Beside::Unknown);
        fs::write(&place, "https://elsewhere/x.bam?key=secret").unwrap();
        assert_eq!(downloads.beside(&file, "x.bai"), Beside::Unknown);
        fetch();
        assert_eq!(downloads.beside(&file, "x.bai"), Beside::At(format!("{url}/x.bai?key=secret")));
    }

    #[test]
    fn names_that_are_used_here_or_are_cut_have_nothing_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let (address, _served) = server(vec![answer("200 OK", &[], "x")]);
        let url = format!("http://{address}");
        let downloads = Downloads::new(dir.path().join("downloads"));
        for name in [".marks", ".part-1"] {
            let unfound = downloads.find(&format!("{url}/{name}"), None).unwrap_err();
            assert!(!unfound.is_absent && unfound.why.contains("uses itself"), "{unfound:?}");
        }
        let cut = downloads.fetch(&format!("{url}/{}.bam", "x".repeat(MAX_NAME_CHARS)), None).unwrap();
        assert_eq!(downloads.beside(&cut, "x.bai"), Beside::Unknown);
    }

    #[test]
    fn a_server_that_falls_silent_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                let mut stream = stream;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
                open.push(stream);
            }
        });
        let downloads = Downloads { stall: Duration::from_millis(100), ..Downloads::new(dir.path().join("downloads")) };
        let begun = std::time::Instant::now();
        let unfound = downloads.find(&url, None).unwrap_err();
        assert!(!unfound.is_absent && begun.elapsed() < ANSWER, "{unfound:?}");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let (address, _served) = server(vec![answer("404 Not Found", &[], "")]);
        assert_eq!(
            Downloads::new(dir.path().join("downloads")).fetch(&format!("http://{address}/x"), None).unwrap_err(),
            "cannot be fetched: the server answers 404"
        );
        assert_eq!(file_name("https://h"), "file");
        assert_eq!(file_name("https://h/a/.."), "file");
    }
}
