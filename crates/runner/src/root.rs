//! A root of its own for a command: this machine as it is, or with trees of programs laid over it, or the root file
//! system of an image, with folders shown at chosen places.
//!
//! [`enter`] runs in a process that already has a mount namespace of its own (`unshare --mount` gives it one), makes the
//! root there and becomes the command. Nothing of it is seen outside; what the command writes into folders that are its
//! own lies below [`Root::base`] afterwards.

mod confine;
mod laid;
mod remove;
mod resolve;
mod seclude;

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::{fs::symlink, process::CommandExt},
    path::{Component, Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::{CWD, StatVfsMountFlags, statvfs},
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change, mount_remount, unmount,
    },
    process::{chdir, pivot_root},
};
use serde::{Deserialize, Serialize};

use self::laid::Entry;
use self::seclude::Mapper;
pub use self::{
    laid::fingerprint,
    remove::remove,
    resolve::resolve,
    seclude::{MAP_WORD, map_users},
};
use crate::{host, tree::MARKER, user::User};

/// What every command needs of this machine, whatever its image holds.
const MACHINE_FOLDERS: [&str; 3] = ["/proc", "/dev", "/sys"];
/// How names are found on the network here.
const NETWORK_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// What a root is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// A folder that does not exist, or is empty; it becomes `/`.
    pub base: PathBuf,
    /// Whether what is made in the base lies in memory: it stays empty for everybody else, and many commands may use the
    /// same one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_memory: bool,
    /// Trees of files that are seen at their places below `/` instead of, or besides, those of this machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub laid_over: Vec<PathBuf>,
    /// A root file system to be seen instead of this machine's.
    pub image: Option<Image>,
    /// What is shown where.
    pub mounts: Vec<Mount>,
    /// Absolute paths that the command will write to; the folders that hold them are its own.
    pub own: Vec<PathBuf>,
    /// All of the command's environment, where it is not that of the process that makes the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<(String, String)>>,
    /// Who the command runs as, where that is not the user of the process that makes the root. The root and the folders that
    /// are the command's own belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

/// A root file system that stays as it is: what is written lies in a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The unpacked image.
    pub rootfs: PathBuf,
    /// Folder for what is written.
    pub upper: PathBuf,
    /// Folder for the kernel, on the same file system.
    pub work: PathBuf,
}

/// One thing that is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// A file or folder of this machine.
    pub source: PathBuf,
    /// Absolute path at which it is shown.
    pub destination: PathBuf,
    /// Who may write.
    pub mode: Mode,
}

/// What a command may do with a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Read.
    ReadOnly,
    /// Read and write: the source is changed.
    Writable,
    /// Read and write: what is written lies in a layer, the source stays as it is.
    Layered {
        /// Folder for what is written.
        upper: PathBuf,
        /// Folder for the kernel, on the same file system.
        work: PathBuf,
    },
    /// Nothing: an empty folder takes the place of what is there, and of the source nothing is seen. Who is root in there
    /// cannot uncover it.
    Hidden,
}

impl Root {
    /// Whether the command must not get around it: it hides something, or all of the machine.
    fn is_closed(&self) -> bool {
        self.image.is_some() || self.mounts.iter().any(|mount| mount.mode == Mode::Hidden)
    }
}

/// Makes the root and becomes the command. Returns only if that cannot be done. `word` is the one by which our own program is asked
/// for this; followed by [`MAP_WORD`] and a number, it asks for [`map_users`].
///
/// # Errors
/// What could not be done, and why.
pub fn enter(root: &Root, command: &[String], word: &str) -> io::Error {
    let mapper = if root.is_closed() { Mapper::start(word) } else { None };
    if let Err(error) = make(root) {
        return error;
    }
    if let Some(Err(error)) = mapper.map(Mapper::seclude) {
        return io::Error::new(error.kind(), format!("cannot make a user namespace: {error}"));
    }
    if root.is_closed()
        && let Err(error) = confine::confine()
    {
        return io::Error::new(error.kind(), format!("cannot give up the rights that would uncover hidden folders: {error}"));
    }
    if let Some(user) = &root.user
        && let Err(error) = user.become_it()
    {
        return io::Error::new(error.kind(), format!("cannot become user `{}`: {error}", user.name));
    }
    let Some((program, arguments)) = command.split_first() else { return io::Error::other("there is no command to run") };
    let mut start = Command::new(program);
    start.args(arguments);
    if let Some(env) = &root.env {
        let marker = std::env::var_os(MARKER);
        start.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        // By it the processes of an attempt are found.
        start.envs(marker.map(|marker| (MARKER, marker)));
    }
    let error = start.exec();
    io::Error::new(error.kind(), format!("cannot start `{program}`: {error}"))
}

/// What to put before a command so that it gets a root: a namespace from `unshare`, then our own program, which is told
/// the file that holds the [`Root`] as next word.
pub fn unshare(own_program: &[String]) -> Vec<String> {
    // An absolute path: the search path of the command may be that of an image.
    let program = host::find_program("unshare").map_or_else(|| "unshare".to_owned(), |path| path.to_string_lossy().into_owned());
    let mut words = vec![program];
    words.extend(["--mount", "--propagation", "private"].map(str::to_owned));
    if !rustix::process::geteuid().is_root() {
        words.extend(["--map-root-user".to_owned()]);
    }
    words.push("--".into());
    words.extend(own_program.iter().cloned());
    words
}

fn make(root: &Root) -> io::Result<()> {
    let old = std::env::current_dir()?;
    fs::create_dir_all(&root.base).map_err(about("make", &root.base))?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(|e| about("change", Path::new("/"))(e.into()))?;
    if root.in_memory {
        mount("tmpfs", &root.base, "tmpfs", MountFlags::empty(), Some(c"mode=755")).map_err(|e| about("use", &root.base)(e.into()))?;
    } else {
        mount_bind(&root.base, &root.base).map_err(|e| about("use", &root.base)(e.into()))?;
    }
    match &root.image {
        Some(image) => lay(image, root)?,
        None => {
            let beneath = Path::new("/");
            let laid = laid::entries(&root.laid_over, beneath)?;
            let mut own = own_folders(root, beneath)?;
            own.extend(laid.iter().flat_map(|entry| entry.place.ancestors().skip(1).map(Path::to_path_buf)));
            copy_tree(beneath, Path::new(""), &own, &laid, root)?;
        }
    }
    if root.is_closed() {
        seclude::close_machine(&root.base)?;
    }
    if let Some(user) = &root.user {
        give_own_folders(root, user)?;
    }
    let mut mounts: Vec<&Mount> = root.mounts.iter().collect();
    // Outer ones first, so that inner ones are seen.
    mounts.sort_by_key(|mount| mount.destination.components().count());
    for one in &mounts {
        show(one, &root.base)?;
        if let (Mode::Layered { .. }, Some(user)) = (&one.mode, &root.user) {
            let place = root.base.join(resolve(&[&root.base], &one.destination)?);
            user.give(&place).map_err(about("give away", &one.destination))?;
        }
    }
    // Only now: places of others may lie in them.
    for one in mounts.iter().filter(|mount| mount.mode == Mode::Hidden) {
        let place = root.base.join(resolve(&[&root.base], &one.destination)?);
        make_read_only(&place).map_err(|e| about("close", &one.destination)(e.into()))?;
    }
    change_to(&root.base)?;
    chdir(&old).map_err(|e| about("enter", &old)(e.into()))
}

/// The image as `/`, with what a command needs of the machine.
fn lay(image: &Image, root: &Root) -> io::Result<()> {
    overlay(&image.rootfs, &image.upper, &image.work, &root.base)?;
    for folder in MACHINE_FOLDERS.map(Path::new) {
        let place = root.base.join(resolve(&[&root.base], folder)?);
        make_place(&place, true)?;
        mount_bind_recursive(folder, &place).map_err(|e| about("show", folder)(e.into()))?;
    }
    for file in NETWORK_FILES.map(Path::new).into_iter().filter(|file| file.is_file()) {
        show(&Mount { source: file.into(), destination: file.into(), mode: Mode::ReadOnly }, &root.base)?;
    }
    for path in &root.own {
        let folder = folder_of(path);
        plain(folder)?;
        let folder = root.base.join(resolve(&[&root.base], folder)?);
        fs::create_dir_all(&folder).map_err(about("make", &folder))?;
    }
    Ok(())
}

/// What the command writes to belongs to it. All these folders were made for this root.
fn give_own_folders(root: &Root, user: &User) -> io::Result<()> {
    // Seen from outside, nobody else may look into it.
    user.give_with(&root.base, 0o700).map_err(about("give away", &root.base))?;
    for path in &root.own {
        let folder = root.base.join(resolve(&[&root.base], folder_of(path))?);
        user.give(&folder).map_err(about("give away", &folder))?;
    }
    Ok(())
}

/// The folder that something is left in, or that is left itself.
fn folder_of(path: &Path) -> &Path {
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if is_folder { path } else { path.parent().unwrap_or(path) }
}

/// `/` becomes `base`, and nothing of the old root can be reached by another way.
fn change_to(base: &Path) -> io::Result<()> {
    let failed = |e: rustix::io::Errno| about("change to", base)(e.into());
    chdir(base).map_err(failed)?;
    pivot_root(".", ".").map_err(failed)?;
    unmount(".", UnmountFlags::DETACH).map_err(failed)?;
    chdir("/").map_err(failed)
}

fn about(what: &'static str, path: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = path.to_owned();
    move |error| io::Error::new(error.kind(), format!("cannot {what} `{}`: {error}", path.display()))
}

/// Folders, without the first slash, that must be made anew because something is added to them: `""` is `/`.
fn own_folders(root: &Root, beneath: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut own = BTreeSet::from([PathBuf::new()]);
    let places = root.mounts.iter().map(|mount| (&mount.destination, !inside(beneath, &mount.destination).exists()));
    for (path, needed) in places.chain(root.own.iter().map(|path| (path, true))) {
        if !needed {
            continue;
        }
        let plain = plain(path)?;
        let holder = if path.as_os_str().as_encoded_bytes().ends_with(b"/") && !inside(beneath, path).exists() {
            plain.as_path()
        } else {
            plain.parent().unwrap_or(Path::new(""))
        };
        own.extend(holder.ancestors().map(Path::to_path_buf));
        // A folder that is written to as a whole is its own too, so that the machine's stays as it is.
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") && root.own.contains(path) {
            own.insert(plain);
        }
    }
    Ok(own)
}

/// The path without its first slash; it must not climb.
fn plain(path: &Path) -> io::Result<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => plain.push(name),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::other(format!("`{}` climbs out of its folder", path.display())));
            }
        }
    }
    Ok(plain)
}

fn inside(beneath: &Path, path: &Path) -> PathBuf {
    beneath.join(path.strip_prefix("/").unwrap_or(path))
}

/// Shows what is in a folder of the machine in the folder of the same name in the new root, folder by folder where
/// something is added.
fn copy_tree(beneath: &Path, folder: &Path, own: &BTreeSet<PathBuf>, laid: &[Entry], root: &Root) -> io::Result<()> {
    let (from, to) = (beneath.join(folder), root.base.join(folder));
    fs::create_dir_all(&to).map_err(about("make", &to))?;
    // What is laid over comes first, and what is there already is left alone.
    for entry in laid.iter().filter(|entry| entry.place.parent() == Some(folder)) {
        let place = root.base.join(&entry.place);
        copy_entry(&entry.source, &place)?;
        if !entry.source.is_symlink() {
            make_read_only(&place).map_err(|e| about("protect", &entry.source)(e.into()))?;
        }
    }
    let mut names: Vec<_> = match fs::read_dir(&from) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(about("read", &from)(error)),
    };
    // The folder that holds the new root first: later it would show what has been mounted there.
    names.sort_by_key(|name| (!root.base.starts_with(from.join(name)), name.clone()));
    for name in &names {
        let inner = folder.join(name);
        if own.contains(&inner) && from.join(name).is_dir() {
            copy_tree(beneath, &inner, own, laid, root)?;
        } else if !laid.iter().any(|entry| entry.place == inner) {
            copy_entry(&from.join(name), &to.join(name))?;
        }
    }
    for inner in own.iter().filter(|inner| inner.parent() == Some(folder) && !inner.as_os_str().is_empty()) {
        if inner.file_name().is_some_and(|name| !names.iter().any(|known| known == name)) {
            copy_tree(beneath, inner, own, laid, root)?;
        }
    }
    if let Ok(known) = fs::metadata(&from) {
        // A folder such as `/tmp` is everybody's.
        fs::set_permissions(&to, known.permissions()).map_err(about("change", &to))?;
    }
    Ok(())
}

fn copy_entry(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from).map_err(about("look at", from))?.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(from).map_err(about("read", from))?;
        return match symlink(target, to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(about("make", to)(error)),
            _ => Ok(()),
        };
    }
    make_place(to, kind.is_dir())?;
    mount_bind_recursive(from, to).map_err(|e| about("show", from)(e.into()))
}

/// An empty folder or file to mount on.
fn make_place(path: &Path, folder: bool) -> io::Result<()> {
    if folder {
        return fs::create_dir_all(path).map_err(about("make", path));
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(about("make", parent))?;
    }
    if rustix::fs::statat(CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(());
    }
    fs::File::create(path).map(drop).map_err(about("make", path))
}

fn show(one: &Mount, base: &Path) -> io::Result<()> {
    plain(&one.destination)?;
    // A link on the way, such as `/var/run`, leads somewhere in the new root, not out of it.
    let place = base.join(resolve(&[base], &one.destination)?);
    make_place(&place, one.source.is_dir())?;
    let failed = |e: rustix::io::Errno| {
        io::Error::new(io::Error::from(e).kind(), format!("cannot show `{}` at `{}`: {e}", one.source.display(), one.destination.display()))
    };
    match &one.mode {
        // The folder that holds the new root does not show it again.
        Mode::Writable if base.starts_with(&one.source) => mount_bind(&one.source, &place).map_err(failed),
        Mode::Writable => mount_bind_recursive(&one.source, &place).map_err(failed),
        Mode::ReadOnly => {
            mount_bind(&one.source, &place).map_err(failed)?;
            make_read_only(&place).map_err(failed)
        }
        Mode::Layered { upper, work } => overlay(&one.source, upper, work, &place),
        Mode::Hidden => mount("tmpfs", &place, "tmpfs", MountFlags::empty(), Some(c"mode=755")).map_err(failed),
    }
}

fn make_read_only(place: &Path) -> rustix::io::Result<()> {
    mount_remount(place, MountFlags::BIND | MountFlags::RDONLY | restrictions(place)?, c"")
}

/// What may not be done with files of a mount: who is root only in a namespace must leave that as it is.
fn restrictions(place: &Path) -> rustix::io::Result<MountFlags> {
    let all = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    ];
    let found = statvfs(place)?.f_flag;
    Ok(all.into_iter().filter(|(flag, _)| found.contains(*flag)).fold(MountFlags::empty(), |flags, (_, flag)| flags | flag))
}

fn overlay(lower: &Path, upper: &Path, work: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir_all(upper).map_err(about("make", upper))?;
    fs::create_dir_all(work).map_err(about("make", work))?;
    let [lowerdir, upperdir, workdir] =
        [lower, upper, work].map(|path| path.to_string_lossy().replace('\\', r"\\").replace(':', r"\:").replace(',', r"\,"));
    let folders = format!("lowerdir={lowerdir},upperdir={upperdir},workdir={workdir}");
    // Files of the upper folder must be whole: they are read when the layer is not mounted any more.
    let whole = if is_in_user_namespace() { ",userxattr" } else { ",redirect_dir=off,metacopy=off" };
    let try_with = |more: &str| -> io::Result<()> {
        let options = std::ffi::CString::new(format!("{folders}{more}")).map_err(io::Error::other)?;
        Ok(mount("overlay", place, "overlay", MountFlags::empty(), options.as_c_str())?)
    };
    let done = match try_with(whole) {
        // An old kernel does not know these words, and does not do what they forbid.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => try_with(""),
        done => done,
    };
    done.map_err(|error| {
        let (from, to) = (lower.display(), place.display());
        io::Error::new(error.kind(), format!("cannot lay `{from}` at `{to}` under a layer for what is written: {error}"))
    })
}

/// Whether root is only called so: then the kernel keeps its notes about layers where everybody may write them.
fn is_in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().ne(["0", "0", "4294967295"])
}
