//! `batchyard app run-local`: a command in an image as an instance of a job would run it, to try images before they are
//! used.

mod typed;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use batchyard_batch::{image::Images, instance::Trial};
use batchyard_runner::{
    Control, EndedBy,
    root::{Mode, Mount, remove, unshare},
};
use batchyard_workflow::settings::ContainerPolicy;
use clap::{Args, Subcommand};

use self::typed::Typed;
use super::{EXIT_FAILED, exec_root, say};
use crate::config::Config;

/// Time between two looks at what the command has written.
const PERIOD: Duration = Duration::from_millis(50);
/// Time between the polite signal and the hard one.
const GRACE: Duration = Duration::from_secs(5);

/// What to do with apps.
#[derive(Subcommand)]
pub enum AppCommand {
    /// Run a command in an image on this machine, as an instance of a job would
    RunLocal(RunLocalArgs),
}

/// Arguments of `app run-local`.
#[derive(Args)]
pub struct RunLocalArgs {
    /// What `docker save` has written (also compressed), an OCI archive or an OCI layout; otherwise a name for the container engine
    image: String,
    /// What the shell runs
    #[arg(long, value_name = "LINE", required_unless_present = "app")]
    command: Option<String>,
    /// Run the app that this file describes, as `bcs create_app --file` takes it, instead of a command
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    app: Option<PathBuf>,
    /// A value for a parameter of the app; a file or folder where it has a `LocalPath`
    #[arg(long = "input", value_name = "NAME=VALUE", requires = "app")]
    inputs: Vec<String>,
    /// Where to keep an output of the app
    #[arg(long = "output", value_name = "NAME=PATH", requires = "app")]
    outputs: Vec<String>,
    /// Show a file or folder to the command; `SRC:DST:rw` lets it be changed, a DST that ends with `/` must be a folder
    #[arg(long = "mount", value_name = "SRC:DST")]
    mounts: Vec<String>,
    /// Set a variable
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Keep what the command leaves in its working directory here; otherwise it is removed
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Name and tag, where the archive holds several images
    #[arg(long, value_name = "NAME:TAG")]
    name: Option<String>,
}

/// Does it.
pub fn app(command: &AppCommand, config: &Config) -> Result<u8> {
    let AppCommand::RunLocal(args) = command;
    let mut mounts = args.mounts.iter().map(|text| mount(text)).collect::<Result<Vec<_>>>()?;
    let pair = |text: &String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut env: Vec<(String, String)> =
        args.env.iter().map(|text| pair(text).with_context(|| format!("`--env {text}` must be NAME=VALUE"))).collect::<Result<_>>()?;
    let folder = Folder::new(&config.home.join("trials"))?;
    let typed = args.app.as_ref().map(|file| Typed::of(file, &args.inputs, &args.outputs, &folder.path)).transpose()?;
    if let Some(typed) = &typed {
        mounts.splice(0..0, typed.mounts.iter().cloned());
        env.splice(0..0, typed.env.iter().cloned());
    }
    let command = typed.as_ref().map(|typed| typed.command.clone()).or_else(|| args.command.clone()).unwrap_or_default();
    let work = match &args.workdir {
        Some(given) => given.clone(),
        None => folder.path.join("work"),
    };
    fs::create_dir_all(&work).with_context(|| format!("cannot make `{}`", work.display()))?;
    let trial = Trial {
        image: args.image.clone(),
        name: args.name.clone(),
        command,
        mounts,
        env,
        dir: folder.path.clone(),
        work: fs::canonicalize(&work)?,
    };
    let allowed = config.settings.containers != ContainerPolicy::Off;
    let engine = config.settings.engine.get().filter(|_| allowed).cloned();
    let wrapper = unshare(&exec_root::own_words()?);
    let control = Control::new(format!("trial-{}", folder.path.display()));
    let handle = end_by_signals(&control)?;
    let done = followed(&folder.path, || trial.run(&Images::new(config.home.join("images")), engine, &wrapper, &control));
    handle.close();
    let status = u8::try_from(done?.exit.number()).unwrap_or(EXIT_FAILED);
    if let Some(typed) = typed.filter(|_| status == 0) {
        typed.keep()?;
    }
    Ok(status)
}

fn mount(text: &str) -> Result<Mount> {
    let (text, mode) = text.strip_suffix(":rw").map_or((text, Mode::ReadOnly), |text| (text, Mode::Writable));
    let (source, destination) = text.split_once(':').with_context(|| format!("`--mount {text}` must be SRC:DST"))?;
    if !destination.starts_with('/') || destination.contains("..") || destination.contains(':') {
        bail!("`{destination}` in `--mount {text}` must be an absolute path without `..` and `:`");
    }
    let source = fs::canonicalize(source).with_context(|| format!("cannot show `{source}`"))?;
    if destination.ends_with('/') && !source.is_dir() {
        bail!("`{}` is a file, and `{destination}` would be a folder: leave the `/` at its end away", source.display());
    }
    Ok(Mount { source, destination: destination.into(), mode })
}

/// A folder of this trial, removed in the end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        let path = fs::canonicalize(parent)?.join(format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond()));
        fs::create_dir(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Folder { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            say(&format!("cannot remove `{}`: {error}", self.path.display()));
        }
    }
}

/// Ctrl-C ends the command, politely first.
fn end_by_signals(control: &Arc<Control>) -> Result<signal_hook::iterator::Handle> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot listen to signals")?;
    let handle = signals.handle();
    let control = Arc::clone(control);
    thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.forever().next().is_some() {
            control.end(EndedBy::Abort, GRACE);
        }
    })?;
    Ok(handle)
}

/// Passes on what the command writes while it runs.
fn followed<T>(dir: &Path, run: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut out, mut err) = (0, 0);
            loop {
                let last = ended.load(Ordering::Acquire);
                pass_on(&dir.join("stdout"), &mut out, &mut io::stdout());
                pass_on(&dir.join("stderr"), &mut err, &mut io::stderr());
                if last {
                    return;
                }
                thread::park_timeout(PERIOD);
            }
        });
        let _end = Ending(&ended);
        run()
    })
}

/// Says that it has ended, whatever way.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What cannot be read or written now is tried again, and lost only with the reader.
fn pass_on(path: &Path, passed: &mut u64, to: &mut impl Write) {
    use io::{Seek, SeekFrom};
    let mut pass = || -> io::Result<()> {
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::Start(*passed))?;
        *passed += io::copy(&mut file, to)?;
        to.flush()
    };
    let _ = pass();
}
