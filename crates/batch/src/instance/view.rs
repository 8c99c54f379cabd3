//! What an attempt sees at the absolute paths that its job names.
//!
//! Inputs are gathered in a folder of the attempt and shown at their places; a place that can be written to is a layer
//! over them. Folders on the way to such places are the attempt's own, so that this machine stays untouched and what the
//! command leaves there is found afterwards. An image stays as it is too: what is written lies in a layer over it. A
//! container that an engine runs gets folders of the attempt at the places of its outputs.

mod links;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use batchyard_runner::{
    User,
    container::EngineKind,
    root::{Image, Mode, Mount, Root, resolve},
};

use super::{Access, Attempt, CONTAINED_WORK, PlaceError, Privacy, WORK, mounts::is_stored, owner, world::World};
use crate::wire::MountEntry;

/// Folders of an attempt.
const VIEWS: &str = "views";
const LAYERS: &str = "layers";
const ROOT: &str = "root";
const OUTPUTS: &str = "outputs";
/// Those that hold second names of files of others: of objects, and of inputs of calls.
pub(super) const SHARED: [&str; 2] = [VIEWS, "inputs"];
/// Those that are shown at other places, where nobody else looks into them.
pub(super) const FOLDERS: [&str; 3] = [VIEWS, LAYERS, OUTPUTS];
/// Names in the folder of a layer.
const UPPER: &str = "upper";
const KERNEL: &str = "work";
/// File that says what the attempt's root is made of.
const ROOT_FILE: &str = "root.json";

/// One input.
#[derive(Clone, Debug)]
struct Input {
    source: String,
    destination: String,
    writable: bool,
    /// Where its files are gathered, or the folder of this machine that it is.
    gathered: PathBuf,
}

/// A folder of the attempt at a place where a container leaves something.
#[derive(Clone, Debug)]
struct Holder {
    destination: PathBuf,
    here: PathBuf,
}

/// All that an attempt sees.
#[derive(Clone, Debug)]
pub struct View {
    dir: PathBuf,
    world: World,
    inputs: Vec<Input>,
    /// Absolute places of outputs and logs.
    leaves: Vec<String>,
    /// Of a container.
    holders: Vec<Holder>,
    /// What of the server's folder it must not find.
    privacy: Privacy,
    user: Option<User>,
}

impl View {
    /// What this attempt is to see.
    pub fn of(attempt: &Attempt, world: World) -> Result<View, PlaceError> {
        let description = &attempt.task.description;
        let privacy = attempt.surroundings.privacy.clone();
        let mapped = description.input_mapping.iter().map(|(source, destination)| MountEntry {
            source: source.clone(),
            destination: destination.clone(),
            write_support: description.write_support,
        });
        let own =
            mapped.chain(description.mounts.entries.iter().cloned()).chain(description.auto_cluster.configs.mounts.entries.iter().cloned());
        let mut inputs: Vec<Input> = Vec::new();
        // Of two for the same place the task's own counts.
        for entry in own.chain(attempt.seat.mounts.iter().cloned()) {
            if inputs.iter().any(|input| input.destination.trim_end_matches('/') == entry.destination.trim_end_matches('/')) {
                continue;
            }
            let gathered = match entry.source.strip_prefix("file://") {
                Some(path) => {
                    check_folder(Path::new(path), &privacy, attempt.user.as_ref())?;
                    PathBuf::from(path)
                }
                None => attempt.dir.join(VIEWS).join(inputs.len().to_string()),
            };
            inputs.push(Input { source: entry.source, destination: entry.destination, writable: entry.write_support, gathered });
        }
        let named = description.output_mapping.keys().chain(description.log_mapping.keys());
        let leaves = named.filter(|path| path.starts_with('/')).cloned().collect();
        let mut view = View { dir: attempt.dir.clone(), world, inputs, leaves, holders: Vec::new(), privacy, user: attempt.user.clone() };
        if let World::Engine { .. } = view.world {
            view.holders = view.holders_of_leaves()?;
        }
        Ok(view)
    }

    /// What the command runs in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A container must find a folder of the attempt wherever it leaves something that is to be kept.
    fn holders_of_leaves(&self) -> Result<Vec<Holder>, PlaceError> {
        let is_shown =
            |path: &Path| self.inputs.iter().any(|input| path.starts_with(&input.destination)) || path.starts_with(CONTAINED_WORK);
        let mut folders: Vec<(&Path, &str)> = Vec::new();
        for leaf in self.leaves.iter().filter(|leaf| !is_shown(Path::new(leaf))) {
            let folder = folder_of(leaf);
            if is_of_the_system(folder) {
                let folder = folder.display();
                let text =
                    format!("`{leaf}` cannot be kept: a container needs its own `{folder}`; write it to a folder that is for it alone");
                return Err(PlaceError::Impossible(text));
            }
            folders.push((folder, leaf));
        }
        // One inside another is in its folder: a mount of its own could not be moved or removed by the command.
        let outermost = |folder: &&Path| !folders.iter().any(|(other, _)| folder.starts_with(other) && folder != other);
        let mut kept: Vec<&Path> = folders.iter().map(|(folder, _)| *folder).filter(outermost).collect();
        kept.sort_unstable();
        kept.dedup();
        let holder = |(number, folder): (usize, &Path)| {
            let here = self.dir.join(OUTPUTS).join(number.to_string());
            Holder { destination: folder.to_owned(), here }
        };
        Ok(kept.into_iter().enumerate().map(holder).collect())
    }

    /// What the command may do with an input.
    fn mode(&self, number: usize, input: &Input) -> Mode {
        let layer = self.dir.join(LAYERS).join(number.to_string());
        match (input.writable, self.is_layered(input)) {
            (false, _) => Mode::ReadOnly,
            (true, false) => Mode::Writable,
            (true, true) => Mode::Layered { upper: layer.join(UPPER), work: layer.join(KERNEL) },
        }
    }

    /// Whether what is written to an input lies in a layer over the objects.
    fn is_layered(&self, input: &Input) -> bool {
        input.is_shared() && !self.copies(input)
    }

    /// Whether the files of an input must be copies: what can be written to where the engine keeps no layers, and everything
    /// where a command has all rights of this machine's root.
    fn copies(&self, input: &Input) -> bool {
        match self.world {
            World::Engine { kind: EngineKind::Apptainer, .. } => true,
            World::Engine { kind: EngineKind::Docker, .. } => input.writable,
            _ => false,
        }
    }

    /// Gathers the files of all inputs.
    pub fn fill(&self, access: &Access) -> Result<(), PlaceError> {
        for input in self.inputs.iter().filter(|input| is_stored(&input.source)) {
            let target = &input.gathered;
            let what = || format!("mount `{}` at `{}`", input.source, input.destination);
            if input.is_folder() {
                access.link_folder(&input.source, target)?;
                if self.copies(input) {
                    links::break_up(target).map_err(|source| PlaceError::File { what: what(), source })?;
                }
            } else if input.writable || self.copies(input) {
                // A layer cannot lie over a single file, so it gets one of its own.
                access.copy_file(&input.source, target)?;
            } else {
                access.link_file(&input.source, target)?;
            }
        }
        let made = |path: PathBuf| fs::create_dir_all(&path).map_err(|source| about_making(&path, source));
        if self.world == World::Machine {
            for leaf in self.leaves.iter().filter(|leaf| leaf.ends_with('/')) {
                made(self.host_path(leaf)?)?;
            }
        }
        for holder in &self.holders {
            made(holder.here.clone())?;
            // A folder such as `/tmp` is everybody's.
            let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
            fs::set_permissions(&holder.here, everybody).map_err(|source| about_making(&holder.here, source))?;
            for folder in self.leaves.iter().map(|leaf| folder_of(leaf)) {
                if let Ok(inner) = folder.strip_prefix(&holder.destination) {
                    made(holder.here.join(inner))?;
                }
            }
        }
        if let World::Engine { .. } = self.world {
            for (number, input) in self.inputs.iter().enumerate() {
                if let Mode::Layered { upper, work } = self.mode(number, input) {
                    made(upper)?;
                    made(work)?;
                }
            }
        }
        Ok(())
    }

    fn is_needed(&self) -> bool {
        self.world.is_contained() || !self.leaves.is_empty() || !self.inputs.is_empty()
    }

    /// Writes down what the root of the attempt is made of, where it needs one of its own: not in a container. `env` is the
    /// environment of the command in an image.
    pub fn root_file(&self, env: &[(String, String)]) -> Result<Option<String>, PlaceError> {
        if !self.is_needed() || matches!(self.world, World::Engine { .. }) {
            return Ok(None);
        }
        let layer = self.dir.join(LAYERS).join(ROOT);
        let image = self.world.rootfs().map(|rootfs| Image { rootfs: rootfs.clone(), upper: layer.join(UPPER), work: layer.join(KERNEL) });
        let mut mounts = self.shown();
        if image.is_some() {
            mounts.extend(self.own_places());
        }
        mounts.push(Mount { source: self.dir.clone(), destination: self.dir.clone(), mode: Mode::Writable });
        mounts.extend(self.hidden(image.is_some()));
        let env = image.is_some().then(|| env.to_vec());
        let root = Root {
            in_memory: false,
            laid_over: Vec::new(),
            base: self.dir.join(ROOT),
            image,
            mounts,
            own: self.leaves.iter().map(PathBuf::from).collect(),
            env,
            user: self.user.clone(),
        };
        let path = self.dir.join(ROOT_FILE);
        let text = serde_json::to_vec(&root).map_err(|e| PlaceError::Impossible(e.to_string()))?;
        owner::write_private(&path, &text).map_err(|source| PlaceError::File { what: format!("write `{}`", path.display()), source })?;
        Ok(Some(path.to_string_lossy().into_owned()))
    }

    /// What a container must see besides the attempt's folder.
    pub fn volumes(&self) -> Vec<Mount> {
        let holders = self.holders.iter();
        let held =
            holders.map(|holder| Mount { source: holder.here.clone(), destination: holder.destination.clone(), mode: Mode::Writable });
        if let World::Engine { .. } = self.world {
            self.shown().into_iter().chain(self.own_places()).chain(held).collect()
        } else {
            Vec::new()
        }
    }

    /// What the command must not find: the gathered inputs, which are second names of the store's files and are seen at their
    /// places alone; and where there is no image, which hides the machine, what the server keeps.
    fn hidden(&self, has_image: bool) -> Vec<Mount> {
        let in_place = |folder: &Path, mode: Mode| Mount { source: folder.to_owned(), destination: folder.to_owned(), mode };
        let mut mounts = Vec::new();
        if !has_image {
            mounts.push(in_place(&self.privacy.hidden, Mode::Hidden));
            let is_inside = |folder: &Path| folder != self.privacy.hidden && folder.starts_with(&self.privacy.hidden) && folder.is_dir();
            let shown = self.privacy.shown.iter().filter(|folder| is_inside(folder));
            mounts.extend(shown.map(|folder| in_place(folder, Mode::Writable)));
        }
        let views = self.dir.join(VIEWS);
        if views.is_dir() {
            mounts.push(in_place(&views, Mode::Hidden));
        }
        mounts
    }

    fn shown(&self) -> Vec<Mount> {
        let shown = self.inputs.iter().enumerate().map(|(number, input)| Mount {
            source: input.gathered.clone(),
            destination: PathBuf::from(&input.destination),
            mode: self.mode(number, input),
        });
        shown.collect()
    }

    /// The working directory where the original had it; and the gathered inputs, which are objects, not to be written to.
    fn own_places(&self) -> Vec<Mount> {
        let work = Mount { source: self.dir.join(WORK), destination: PathBuf::from(CONTAINED_WORK), mode: Mode::Writable };
        let views = self.dir.join(VIEWS);
        let gathered = self.inputs.iter().any(|input| input.gathered.starts_with(&views));
        let views = gathered.then(|| Mount { source: views.clone(), destination: views, mode: Mode::ReadOnly });
        [work].into_iter().chain(views).collect()
    }

    /// Where a path of the attempt lies on this machine, after its command has ended.
    ///
    /// # Errors
    /// It leads through too many links.
    pub fn host_path(&self, local: &str) -> Result<PathBuf, PlaceError> {
        let Some(inner) = local.strip_prefix('/') else { return Ok(self.dir.join(WORK).join(local)) };
        let path = Path::new(local);
        if let (true, Ok(rest)) = (self.world.is_contained(), path.strip_prefix(CONTAINED_WORK)) {
            return Ok(self.dir.join(WORK).join(rest));
        }
        let shown = self.inputs.iter().enumerate().filter_map(|(n, input)| {
            let rest = path.strip_prefix(&input.destination).ok()?;
            Some((Path::new(&input.destination).components().count(), self.written(n, input, rest)))
        });
        let held = self.holders.iter().filter_map(|holder| {
            let rest = path.strip_prefix(&holder.destination).ok()?;
            Some((holder.destination.components().count(), holder.here.join(rest)))
        });
        if let Some((_, found)) = shown.chain(held).max_by_key(|(length, _)| *length) {
            return Ok(found);
        }
        let Some(rootfs) = self.world.rootfs() else { return Ok(self.dir.join(ROOT).join(inner)) };
        let upper = self.dir.join(LAYERS).join(ROOT).join(UPPER);
        // Links of the image and of the command are those of its world.
        let place = resolve(&[&upper, rootfs], path).map_err(|source| PlaceError::File { what: format!("find `{local}`"), source })?;
        Ok(upper.join(place))
    }

    fn written(&self, number: usize, input: &Input, rest: &Path) -> PathBuf {
        if let Mode::Layered { upper, .. } = self.mode(number, input) {
            let written = upper.join(rest);
            if written.exists() {
                return written;
            }
        }
        input.gathered.join(rest)
    }

    /// Refuses what a command in a container could have left to be given files of this machine: links that lead out of
    /// the attempt's folder. `path` is a file or a folder of the attempt.
    pub fn check(&self, path: &Path) -> Result<(), PlaceError> {
        if !self.world.is_contained() {
            return Ok(());
        }
        let named = self.inputs.iter().map(|input| input.gathered.as_path());
        let allowed: Vec<&Path> = named.chain([self.dir.as_path()]).collect();
        match links::leading_out(path, &allowed) {
            Ok(None) => Ok(()),
            Ok(Some(link)) => {
                let name = link.strip_prefix(&self.dir).unwrap_or(&link).display().to_string();
                Err(PlaceError::Impossible(format!(
                    "cannot keep `{name}`: it is a link that leads out of its folder; write a file instead"
                )))
            }
            Err(source) => Err(PlaceError::File { what: format!("look at `{}`", path.display()), source }),
        }
    }
}

/// Whether a file or folder of this machine may be shown: what holds the server's own would give away the store.
fn check_folder(path: &Path, privacy: &Privacy, user: Option<&User>) -> Result<(), PlaceError> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (path, own) = (real(path), real(&privacy.hidden));
    let is_shown = privacy.shown.iter().any(|folder| path.starts_with(real(folder)));
    if own.starts_with(&path) || path.starts_with(&own) && !is_shown {
        let text = format!("`file://{}` cannot be mounted: it holds the server's own files; name a folder beside them", path.display());
        return Err(PlaceError::Impossible(text));
    }
    user.map_or(Ok(()), |user| Ok(user.check_way(path.parent().unwrap_or(&path))?))
}

fn about_making(path: &Path, source: io::Error) -> PlaceError {
    PlaceError::File { what: format!("make `{}`", path.display()), source }
}

/// The folder that something is left in, or that is left itself.
fn folder_of(leaf: &str) -> &Path {
    let path = Path::new(leaf);
    if leaf.ends_with('/') { path } else { path.parent().unwrap_or(path) }
}

/// Folders that hold what every command needs; an empty one in their place would take it away.
fn is_of_the_system(folder: &Path) -> bool {
    const TREES: [&str; 11] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/dev", "/proc", "/sys", "/boot"];
    const FOLDERS: [&str; 7] = ["/", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local/bin"];
    TREES.iter().any(|tree| folder.starts_with(tree)) || FOLDERS.iter().any(|other| folder == Path::new(other))
}

impl Input {
    fn is_folder(&self) -> bool {
        self.source.ends_with('/')
    }

    /// Whether its files are the store's own, which must not change.
    fn is_shared(&self) -> bool {
        self.is_folder() && is_stored(&self.source)
    }
}
