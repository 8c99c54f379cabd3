//! What there is to run for an attempt: our own script, or the script and commands of a provider.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use batchyard_runner::{
    Control, Job, Launch, Order, Trace,
    dispatch::{self, JobIdPattern},
    local::trace_given,
    root::Root,
    script::{Elsewhere, quote},
    trace,
};
use batchyard_wdl::{types::Type, value::Value};

use super::{Attempt, Failed, SCRATCH};
use crate::{
    documents::Failure,
    glob,
    identity::text_hash,
    provider::{Desk, Mode, Site},
    settings::{Place, Settings},
};

/// What there is to run.
#[derive(Debug)]
pub(super) enum Work {
    /// A process that this thread waits for.
    Here(Box<Job>),
    /// A job that a scheduler runs.
    Elsewhere(Order, Arc<Desk>),
}

impl Place {
    /// Looks for what an earlier engine has left of an attempt here.
    pub(crate) fn trace(&self, execution_dir: &Path) -> Trace {
        match (self.mode(), self.job_id_pattern()) {
            (Mode::Dispatched, Some(pattern)) => dispatch::trace(execution_dir, pattern),
            (Mode::Background, _) => trace_given(execution_dir),
            _ => trace(execution_dir),
        }
    }

    fn job_id_pattern(&self) -> Option<&JobIdPattern> {
        self.site.as_ref()?.provider().job_id_pattern()
    }
}

impl Attempt {
    /// Looks for what an earlier engine has left of it.
    pub(super) fn trace(&self) -> Trace {
        self.place.trace(self.frame.host.execution_dir())
    }

    /// Puts everything in place and says what there is to run.
    pub(super) fn work(&mut self, settings: &Settings, control: &Control) -> Result<Work, Failed> {
        let tag = self.tag.clone();
        let failed = |failure: Failure| Failed::for_good(Failure { call: Some(tag.clone()), ..failure });
        if self.frame.host.has_begun && !matches!(self.trace(), Trace::Running | Trace::Ended) {
            // It has gone since it was prepared, and was brought nothing for another start.
            let failure = Failure::new(format!("job {tag} is gone and left no exit status"));
            return Err(Failed { vanished: true, ..failed(failure) });
        }
        self.put_in_place(settings, control).map_err(failed)?;
        let command = self.frame.command().map_err(failed)?;
        let mut env = self.frame.environment().map_err(failed)?;
        // Only now: the command and the environment may have read something, too.
        self.has_changed = self.originals.as_ref().is_some_and(|then| !self.frame.host.is_as_it_was(then));
        let site = self.place.site.clone().filter(|site| site.provider().mode() != Mode::BuiltIn);
        let Some(site) = site else {
            env.push(("TMPDIR".to_owned(), self.temporary_folder().map_err(failed)?));
            env.extend(self.place.env.iter().cloned());
            let root = self.root_words(settings).map_err(failed)?;
            return Ok(Work::Here(Box::new(Job { root, ..self.job(settings, command, env, Launch::Own) })));
        };
        env.extend(self.place.env.iter().cloned());
        self.at_site(settings, &site, command, env).map_err(failed)
    }

    fn temporary_folder(&self) -> Result<String, Failure> {
        let folder = if self.place.container.is_some() {
            let folder = self.frame.host.call_dir().join(SCRATCH);
            fs::create_dir_all(&folder).map_err(|e| Failure::new(format!("cannot make `{}`: {e}", folder.display())))?;
            folder
        } else {
            self.scratch.clone()
        };
        Ok(folder.to_string_lossy().into_owned())
    }

    /// What gives the command a root of its own, where a tree of programs is laid over this machine's. All attempts of the run
    /// with the same tree share the description, and the folder that each covers for itself.
    fn root_words(&self, settings: &Settings) -> Result<Option<Vec<String>>, Failure> {
        let Some(tree) = self.place.tree.as_deref() else { return Ok(None) };
        let problem = |error: io::Error| Failure::new(format!("cannot make a root for {}: {error}", self.tag));
        if settings.root_words.is_empty() {
            return Err(problem(io::Error::other("nothing that makes roots is known here")));
        }
        let root = Root {
            base: self.scratch.join("root"),
            in_memory: true,
            laid_over: vec![tree.to_owned()],
            image: None,
            mounts: Vec::new(),
            own: Vec::new(),
            env: None,
            user: None,
        };
        let text = serde_json::to_string(&root).map_err(|error| problem(error.into()))?;
        let file = self.scratch.join(format!("root-{}.json", text_hash(&text)));
        if !file.exists() {
            write_whole(&file, &text).map_err(problem)?;
        }
        let file = file.to_string_lossy().into_owned();
        Ok(Some(settings.root_words.iter().cloned().chain([file]).collect()))
    }

    fn job(&self, settings: &Settings, command: String, env: Vec<(String, String)>, launch: Launch) -> Job {
        Job {
            call_dir: self.frame.host.call_dir().into(),
            execution_dir: self.frame.host.execution_dir().into(),
            command,
            env,
            clean_env: false,
            path_prefix: self.place.path.clone(),
            volumes: Vec::new(),
            root: None,
            shell: batchyard_runner::Shell::Bash,
            container: self.place.container.clone(),
            launch,
            cores: self.runtime.cores,
            memory_mib: self.memory_mib,
            time_limit: self.runtime.time_limit,
            grace: settings.grace,
            user: None,
            may_have_started: self.may_have_started,
        }
    }

    fn at_site(&mut self, settings: &Settings, site: &Site, command: String, env: Vec<(String, String)>) -> Result<Work, Failure> {
        let dir = self.frame.host.execution_dir().to_owned();
        let collecting = self.collecting(site);
        let root = self.root_words(settings)?;
        let script = Elsewhere {
            command: &command,
            execution_dir: &dir,
            shell: site.shell(),
            temporary_directory: site.temporary_directory(),
            env: &env,
            path_prefix: &self.place.path,
            root: root.as_deref(),
            container: site.in_container(),
            afterwards: &site.afterwards(collecting),
        }
        .render();
        let commands =
            site.commands(self.frame.host.call_dir(), &dir, &self.runtime, self.memory_bytes(), settings.remote.on_behalf.as_deref())?;
        let (definition, scripts) = (site.provider().definition(), commands.scripts);
        let (Mode::Dispatched, Some(job_id), Some(desk)) =
            (site.provider().mode(), site.provider().job_id_pattern().cloned(), settings.providers.desk().cloned())
        else {
            let launch = Launch::Given { script, submit: commands.submit, scripts };
            return Ok(Work::Here(Box::new(self.job(settings, command, env, launch))));
        };
        let order = Order {
            provider: site.provider().name().into(),
            execution_dir: dir,
            script,
            submit: commands.submit,
            job_id,
            scripts,
            alive_period: definition.exit_code_timeout.filter(|period| *period > Duration::ZERO),
            time_limit: self.runtime.time_limit,
            grace: settings.grace,
            may_have_started: self.may_have_started,
        };
        Ok(Work::Elsewhere(order, desk))
    }

    /// Memory of this attempt, in bytes.
    fn memory_bytes(&self) -> Option<u64> {
        // What earlier attempts have made it grow to is kept in MiB.
        let grown = self.runtime.memory_mib? != self.memory_mib;
        if grown { Some(self.memory_mib << 20) } else { self.runtime.memory_bytes }
    }

    /// Commands by which the script itself collects outputs, as far as they are known before it runs.
    fn collecting(&mut self, site: &Site) -> Vec<String> {
        let task = Arc::clone(self.frame.shared_task());
        let mut commands = Vec::new();
        let text = |value: &Value| match value {
            Value::String(text) | Value::File(text) | Value::Directory(text) => Some(text.to_string()),
            _ => None,
        };
        if let Some(link_command) = &site.provider().definition().glob_link_command {
            self.frame.host.listed_globs = true;
            let mut patterns = Vec::new();
            task.outputs.iter().filter_map(|decl| decl.value.as_ref()).for_each(|value| glob::patterns(value, &mut patterns));
            // A pattern that needs what the task makes is looked for afterwards, by us.
            let patterns = patterns.into_iter().filter_map(|pattern| text(&self.frame.eval(pattern).ok()?));
            commands.extend(patterns.map(|pattern| glob::commands(&pattern, link_command)));
        }
        for decl in &task.outputs {
            let directory = match self.frame.module().resolve(&decl.ty) {
                Ok(Type::Optional(inner)) => *inner == Type::Directory,
                Ok(ty) => ty == Type::Directory,
                Err(_) => false,
            };
            let Some(value) = decl.value.as_ref().filter(|_| directory) else { continue };
            if let Some(path) = self.frame.eval(value).ok().as_ref().and_then(text) {
                let path = quote(path.trim_end_matches('/'));
                commands.push(format!("[ ! -d {path} ] || find {path} -type f >{path}.list"));
            }
        }
        commands
    }
}

/// A file that is there as a whole or not at all.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let part = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(part.path(), text)?;
    part.persist(path)?;
    Ok(())
}
