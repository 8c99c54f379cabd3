//! Where a path leads inside a root, without being led out of it.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    path::{Component, Path, PathBuf},
};

/// Links that are followed for one path, as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// Where a path leads in a root that is made of layers, the uppermost first: the path there without its first slash.
/// Links are followed within the root, `..` stops at its top, and what does not exist is taken as it is spelled.
///
/// # Errors
/// More links than the kernel would follow.
pub fn resolve(layers: &[&Path], path: &Path) -> io::Result<PathBuf> {
    let mut waiting = steps(path);
    let mut found = PathBuf::new();
    let mut links = 0;
    while let Some(step) = waiting.pop() {
        if step == ".." {
            found.pop();
            continue;
        }
        found.push(&step);
        let Some(target) = link_at(layers, &found) else { continue };
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other(format!("`{}` leads through more than {MAX_LINKS} links", path.display())));
        }
        found.pop();
        if target.is_absolute() {
            found = PathBuf::new();
        }
        waiting.extend(steps(&target));
    }
    Ok(found)
}

/// Names on the way, the last first.
fn steps(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

fn link_at(layers: &[&Path], path: &Path) -> Option<PathBuf> {
    let one = layers.len() == 1;
    // The uppermost layer that has it decides.
    let (layer, about) = layers.iter().find_map(|layer| Some((layer, if one { raw(layer, path) } else { look(layer, path) }?)))?;
    about.is_symlink().then(|| fs::read_link(layer.join(path)).ok()).flatten()
}

fn raw(layer: &Path, path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(layer.join(path)).ok()
}

/// What a layer has at exactly this path: a folder that is a link in this layer, while an upper one has made it a real
/// folder, would lead elsewhere.
pub(crate) fn look(layer: &Path, path: &Path) -> Option<Metadata> {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    folders.reverse();
    folders.into_iter().all(|folder| raw(layer, folder).is_some_and(|about| about.is_dir())).then(|| raw(layer, path)).flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_never_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("run/lock")).unwrap();
        fs::create_dir_all(root.join("var")).unwrap();
        for (target, name) in
            [("/run", "var/run"), ("../../../..", "var/up"), ("/etc", "outside"), ("loop", "loop"), ("../outside/x/..", "var/far")]
        {
            symlink(target, root.join(name)).unwrap();
        }
        let lead = |path: &str| resolve(&[&root], Path::new(path)).map(|path| path.to_string_lossy().into_owned());
        for (path, place) in [
            ("/var/run/lock/x", "run/lock/x"),
            ("/var/up/etc/passwd", "etc/passwd"),
            ("/outside/shadow", "etc/shadow"),
            ("/../../etc", "etc"),
            ("/var/far/y", "etc/y"),
            ("/none/a/../b", "none/b"),
            ("/", ""),
        ] {
            assert_eq!(lead(path).unwrap(), place, "{path}");
        }
        assert!(lead("/loop/x").unwrap_err().to_string().contains("more than 40 links"));
    }

    #[test]
    fn the_upper_layer_decides() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, lower) = (dir.path().join("upper"), dir.path().join("lower"));
        fs::create_dir_all(upper.join("a")).unwrap();
        fs::create_dir_all(&lower).unwrap();
        symlink("/etc", lower.join("a")).unwrap();
        symlink("/real", lower.join("b")).unwrap();
        let layers = [upper.as_path(), lower.as_path()];
        assert_eq!(resolve(&layers, Path::new("/a/passwd")).unwrap(), Path::new("a/passwd"));
        assert_eq!(resolve(&layers, Path::new("/b/x")).unwrap(), Path::new("real/x"));
        // In the lower layer alone the same path is behind a link.
        assert!(look(&lower, Path::new("a/passwd")).is_none());
    }
}
