//! What keeps a command that is root on this machine from going around its root: by other processes of root, by disks, and by what
//! the kernel does when it is told so in a file.
//!
//! Its rights hold in a user namespace of its own, in which all users are who they are outside. So it may do with files what root may,
//! and nothing with the processes of others, which all are outside.

use std::{
    fs, io,
    io::{Read, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{mount::mount_bind, thread::UnshareFlags};

use super::{about, is_in_user_namespace, make_read_only};

/// The word by which our own program is asked to be the [`Mapper`].
pub const MAP_WORD: &str = "--map";
/// What the mapper says when it runs, and what it waits for.
const READY: [u8; 2] = *b"ok";
const GO: [u8; 2] = *b"go";
/// All users and groups, as they are.
const EVERYBODY: &str = "0 0 4294967295\n";
/// Devices that are disks, or lead to disks or memory, by other names. Those of blocks are found by their kind.
const DOORS: [&str; 3] = ["mem", "kmem", "port"];
const DOOR_PREFIXES: [&str; 3] = ["sg", "ng", "nvme"];
const DOOR_FOLDERS: [&str; 2] = ["bsg", "raw"];
/// Folders inside each other that are looked through for devices.
const MAX_DEPTH: usize = 3;
/// What the kernel obeys; closed to writing as far as it is there.
const ORDERS: [&str; 4] = ["proc/sys", "proc/sys/fs/binfmt_misc", "proc/sysrq-trigger", "sys"];

/// Our own program, outside of the namespace that is to be made: only from there users can be mapped to it.
pub(super) struct Mapper(Child);

impl Mapper {
    /// Started before the root is made: afterwards the program may not be found. None where this process is no root of this machine,
    /// or cannot be started.
    pub(super) fn start(word: &str) -> Option<Mapper> {
        if is_in_user_namespace() || !rustix::process::geteuid().is_root() {
            return None;
        }
        let me = std::process::id().to_string();
        let mut command = Command::new("/proc/self/exe");
        let mut mapper = command.args([word, MAP_WORD, &me]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        // Until it says so it may be looking for its libraries, which are not in the root that is about to be made.
        let ready = mapper.stdout.take()?.read_exact(&mut [0; READY.len()]);
        if ready.is_ok() {
            return Some(Mapper(mapper));
        }
        // It has ended.
        let _ = mapper.wait();
        None
    }

    /// Gives this process a user namespace. Where the kernel does not, everything stays as it was.
    pub(super) fn seclude(mut self) -> io::Result<()> {
        #[expect(deprecated, reason = "what is unsafe about it concerns tables of files, which stay as they are")]
        let made = rustix::thread::unshare(UnshareFlags::NEWUSER);
        let go = self.0.stdin.take();
        if made.is_err() {
            drop(go);
            return self.0.wait().map(drop);
        }
        if let Some(mut go) = go {
            go.write_all(&GO)?;
        }
        let mapped = self.0.wait()?;
        if mapped.success() { Ok(()) } else { Err(io::Error::other("its users cannot be mapped")) }
    }
}

/// What the [`Mapper`] does: waits for the word, then maps all users and groups of the process to themselves.
///
/// # Errors
/// There is no such process, or it has no namespace of its own.
pub fn map_users(process: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(&READY).and_then(|()| out.flush())?;
    let mut word = [0; GO.len()];
    if io::stdin().read_exact(&mut word).is_err() {
        // There is nothing to map.
        return Ok(());
    }
    let process: u32 = process.parse().map_err(io::Error::other)?;
    for map in ["gid_map", "uid_map"] {
        let path = PathBuf::from(format!("/proc/{process}/{map}"));
        fs::write(&path, EVERYBODY).map_err(about("write", &path))?;
    }
    Ok(())
}

/// Closes disks and what gives orders to the kernel, below a root that is being made. Who is root only in a namespace has no right to
/// them anyway.
pub(super) fn close_machine(base: &Path) -> io::Result<()> {
    if is_in_user_namespace() {
        return Ok(());
    }
    let mut doors = Vec::new();
    find_doors(&base.join("dev"), 0, &mut doors)?;
    for door in doors {
        mount_bind("/dev/null", &door).map_err(|e| about("close", &door)(e.into()))?;
    }
    for path in ORDERS.map(|inner| base.join(inner)).into_iter().filter(|path| path.exists()) {
        // What is mounted already is closed as it is; a file or folder of a mount becomes one first.
        if make_read_only(&path).is_err() {
            mount_bind(&path, &path).and_then(|()| make_read_only(&path)).map_err(|e| about("close", &path)(e.into()))?;
        }
    }
    Ok(())
}

fn find_doors(folder: &Path, depth: usize, doors: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(about("read", folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(about("read", folder))?;
        let (kind, name) = (entry.file_type().map_err(about("look at", &entry.path()))?, entry.file_name());
        let name = name.to_string_lossy();
        let is_named = depth == 0 && (DOORS.contains(&&*name) || DOOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        let is_inside = folder.file_name().is_some_and(|folder| DOOR_FOLDERS.iter().any(|door| folder == *door));
        if kind.is_block_device() || kind.is_char_device() && (is_named || is_inside) {
            doors.push(entry.path());
        } else if kind.is_dir() && depth < MAX_DEPTH {
            find_doors(&entry.path(), depth + 1, doors)?;
        }
    }
    Ok(())
}
