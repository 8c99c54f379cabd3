//! The system user that a task runs as, where the server is root and its account has one.
//!
//! What a task has left is then somebody else's: it is opened with that user's rights ([`User::act`]), so that a link to a
//! file that the user may not read leads nowhere.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use rustix::{
    fs::{Gid, Mode, OFlags, Uid, XattrFlags},
    io::Errno,
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use serde::{Deserialize, Serialize};

use crate::host;

/// Most supplementary groups, as many as the kernel takes.
const MAX_GROUPS: usize = 65_536;
/// Name of the attribute that holds the rights of single users.
const ACL: &str = "system.posix_acl_access";

/// A user of this machine, never root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name; the number where it has none.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its first group.
    pub gid: u32,
    /// All of its groups.
    pub groups: Vec<u32>,
    /// Its home folder.
    pub home: PathBuf,
}

/// Why there is no such user to run as.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum UserError {
    #[error("there is no user `{0}` on this machine: make it (`useradd`), or give the number of a user")]
    Unknown(String),
    #[error("`{0}` is root: give a user without its rights")]
    Root(String),
    #[error("only root can run tasks as other users: start the server as root, or leave the user out")]
    NotRoot,
    #[error("cannot ask for the user `{name}`: `{program}`: {source}")]
    Ask { name: String, program: &'static str, source: io::Error },
    #[error("`{program}` is not there, by which tasks are run as other users: install `util-linux`")]
    NoProgram { program: &'static str },
    #[error("user `{user}` may not enter `{}`: let it in (`chmod o+x`), or keep the server's state elsewhere (`home`)", folder.display())]
    Closed { user: String, folder: PathBuf },
}

impl User {
    /// The user of this name or number, as the system knows it now. A number needs no name.
    ///
    /// # Errors
    /// [`UserError`]; this process must be root.
    pub fn find(text: &str) -> Result<User, UserError> {
        if !is_root() {
            return Err(UserError::NotRoot);
        }
        if host::find_program("setpriv").is_none() {
            return Err(UserError::NoProgram { program: "setpriv" });
        }
        // What it asks could take it for an option, or for several.
        let is_name = !text.is_empty() && !text.starts_with('-') && text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let unknown = || UserError::Unknown(text.to_owned());
        if !is_name {
            return Err(unknown());
        }
        let known = ask("getent", &["passwd", text])?;
        let user = match known.lines().next().map(|line| line.split(':').collect::<Vec<_>>()).as_deref() {
            Some([name, _, uid, gid, _, home, ..]) => {
                let groups = ask("id", &["-G", name])?;
                let groups = groups.split_ascii_whitespace().filter_map(|group| group.parse().ok()).take(MAX_GROUPS).collect();
                let number = |text: &str| text.parse().map_err(|_| unknown());
                User { name: (*name).to_owned(), uid: number(uid)?, gid: number(gid)?, groups, home: PathBuf::from(home) }
            }
            _ => {
                // The last number means nobody at all.
                let uid = text.parse().ok().filter(|uid| *uid != u32::MAX).ok_or_else(unknown)?;
                User { name: text.to_owned(), uid, gid: uid, groups: vec![uid], home: PathBuf::from("/") }
            }
        };
        if user.uid == 0 || user.gid == 0 || user.groups.contains(&0) { Err(UserError::Root(text.to_owned())) } else { Ok(user) }
    }

    /// Words before a program that make it run as this user.
    pub fn words(&self) -> Vec<String> {
        let program = host::find_program("setpriv").map_or_else(|| "setpriv".to_owned(), |path| path.to_string_lossy().into_owned());
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        let groups = if groups.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={}", groups.join(",")) };
        let (uid, gid) = (format!("--reuid={}", self.uid), format!("--regid={}", self.gid));
        [program, uid, gid, groups, "--inh-caps=-all".to_owned(), "--".to_owned()].into()
    }

    /// This process becomes the user. It must have one thread.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn become_it(&self) -> io::Result<()> {
        set_thread_groups(&self.all_groups())?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_res_gid(gid, gid, gid)?;
        Ok(set_thread_res_uid(uid, uid, uid)?)
    }

    /// Does something with files as the user, on a thread of its own. Everything else of this process stays root's, and
    /// nobody can signal or trace it meanwhile.
    ///
    /// # Errors
    /// The system does not allow it, or what is done fails.
    pub fn act<V: Send>(&self, act: impl FnOnce() -> io::Result<V> + Send) -> io::Result<V> {
        let as_user = || {
            set_thread_groups(&self.all_groups())?;
            set_thread_res_gid(None, Gid::from_raw(self.gid), None)?;
            set_thread_res_uid(None, Uid::from_raw(self.uid), None)?;
            act()
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("as-user".into()).spawn_scoped(scope, as_user)?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("what was done as another user has failed")))
        })
    }

    /// Opens a regular file for reading with the rights of the user. Links are followed.
    ///
    /// # Errors
    /// There is none, or the user may not read it.
    pub fn open(&self, path: &Path) -> io::Result<fs::File> {
        self.act(|| {
            // A pipe would keep us waiting for whoever writes to it.
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
            if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")) }
        })
    }

    /// Gives a file or folder to the user; a link itself, not what it leads to.
    ///
    /// # Errors
    /// It is not there.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
    }

    /// Gives a file or folder to the user, with these permissions.
    ///
    /// # Errors
    /// It is not there.
    pub fn give_with(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.give(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    /// Makes a folder for root and this user alone. The user may enter it and read what is there, and with `write` make
    /// files of its own, but not touch those of root.
    ///
    /// On a file system that keeps no rights of single users its first group is let in.
    ///
    /// # Errors
    /// It is not there.
    pub fn admit(&self, folder: &Path, write: bool) -> io::Result<()> {
        // In a sticky folder only its owner may remove what belongs to somebody else.
        let (mode, right) = if write { (0o1700, 7) } else { (0o700, 5) };
        rustix::fs::chmod(folder, Mode::from_raw_mode(mode))?;
        match rustix::fs::setxattr(folder, ACL, &access_list(self.uid, right), XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => {
                std::os::unix::fs::chown(folder, None, Some(self.gid))?;
                Ok(rustix::fs::chmod(folder, Mode::from_raw_mode(mode | u32::from(right) << 3))?)
            }
            done => Ok(done?),
        }
    }

    /// Whether the user may enter all folders down to this one, as far as their permissions tell.
    ///
    /// # Errors
    /// The first folder that it may not enter.
    pub fn check_way(&self, folder: &Path) -> Result<(), UserError> {
        let mut ways: Vec<&Path> = folder.ancestors().collect();
        ways.reverse();
        for way in ways.into_iter().filter(|way| !way.as_os_str().is_empty()) {
            let Ok(about) = fs::metadata(way) else { continue };
            let shift = match () {
                () if about.uid() == self.uid => 6,
                () if about.gid() == self.gid || self.groups.contains(&about.gid()) => 3,
                () => 0,
            };
            if about.mode() >> shift & 1 == 0 {
                return Err(UserError::Closed { user: self.name.clone(), folder: way.to_owned() });
            }
        }
        Ok(())
    }

    fn all_groups(&self) -> Vec<Gid> {
        self.groups.iter().map(|group| Gid::from_raw(*group)).collect()
    }
}

/// Whether this process may run tasks as other users.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What a program of the system answers; an error status is an empty answer.
fn ask(program: &'static str, words: &[&str]) -> Result<String, UserError> {
    let answer = Command::new(program).args(words).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let name = || words.last().copied().unwrap_or_default().to_owned();
    let answer = answer.map_err(|source| UserError::Ask { name: name(), program, source })?;
    Ok(if answer.status.success() { String::from_utf8_lossy(&answer.stdout).into_owned() } else { String::new() })
}

/// The owner may do everything, one user what `right` says, all others nothing: as the kernel wants it.
fn access_list(uid: u32, right: u16) -> Vec<u8> {
    const VERSION: u32 = 2;
    const OWNER: u16 = 0x01;
    const USER: u16 = 0x02;
    const GROUP: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    const NO_ID: u32 = u32::MAX;
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, rights, id) in [(OWNER, 7, NO_ID), (USER, right, uid), (GROUP, 0, NO_ID), (MASK, 7, NO_ID), (OTHER, 0, NO_ID)] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> User {
        User { name: "70001".into(), uid: 70_001, gid: 70_001, groups: vec![70_001, 70_002], home: "/".into() }
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        if !is_root() {
            assert!(matches!(User::find("nobody"), Err(UserError::NotRoot)));
            return;
        }
        let nobody = User::find("nobody").unwrap();
        assert_eq!((nobody.uid, nobody.groups.contains(&nobody.gid)), (65_534, true));
        assert_eq!(User::find("65534").unwrap(), nobody);
        assert_eq!(User::find("70001").unwrap(), User { groups: vec![70_001], ..somebody() });
        for name in ["no-such-user", "", "-x", "a b", "4294967295", "5000000000"] {
            assert!(matches!(User::find(name), Err(UserError::Unknown(_))), "{name}");
        }
        assert!(matches!(User::find("root"), Err(UserError::Root(_))));
        assert!(matches!(User::find("0"), Err(UserError::Root(_))));
    }

    #[test]
    fn a_user_acts_with_its_own_rights() {
        if !is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let user = somebody();
        let (secret, own, link) = (dir.path().join("secret"), dir.path().join("own"), dir.path().join("link"));
        fs::write(&secret, "x").unwrap();
        fs::write(&own, "y").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        user.give_with(&own, 0o600).unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(user.check_way(&own), Err(UserError::Closed { folder, .. }) if folder == dir.path()));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        user.check_way(dir.path()).unwrap();
        assert_eq!(io::read_to_string(user.open(&own).unwrap()).unwrap(), "y");
        for path in [&secret, &link] {
            assert_eq!(user.open(path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        assert_eq!(user.open(Path::new("/dev/null")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        // This thread is who it was.
        assert_eq!(fs::read_to_string(&secret).unwrap(), "x");
    }

    #[test]
    fn an_admitted_user_cannot_touch_what_is_roots() {
        if !is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (user, other) = (somebody(), User { uid: 70_009, gid: 70_009, groups: vec![], ..somebody() });
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("kill"), "of root").unwrap();
        user.admit(&folder, true).unwrap();
        user.act(|| fs::write(folder.join("own"), "x")).unwrap();
        assert!(user.act(|| fs::write(folder.join("kill"), "x")).is_err());
        assert!(user.act(|| fs::remove_file(folder.join("kill"))).is_err());
        assert!(user.act(|| fs::rename(folder.join("own"), folder.join("kill"))).is_err());
        assert!(user.act(|| fs::read(folder.join("kill")).map(drop)).is_ok());
        assert_eq!(other.act(|| fs::read(folder.join("own")).map(drop)).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        user.admit(&folder, false).unwrap();
        assert!(user.act(|| fs::write(folder.join("more"), "x")).is_err());
        user.act(|| fs::read_dir(&folder).map(drop)).unwrap();
    }
}
