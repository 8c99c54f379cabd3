//! The environment of a command.

use batchyard_runner::User;

use super::{Attempt, CONTAINED_WORK, TEMPORARY, world::World};

/// Search path of commands on this machine, and of images that name none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Variables = Vec<(String, String)>;

impl Attempt {
    /// All of it, the later of two values counts.
    pub(super) fn environment(&self, world: &World) -> Variables {
        let mut env = base(world, self.user.as_ref());
        if !world.is_contained() {
            env.push(("TMPDIR".to_owned(), self.dir.join(TEMPORARY).to_string_lossy().into_owned()));
        }
        let number = self.number.to_string();
        let own = [
            ("BATCH_COMPUTE_DAG_JOB_ID", self.job.as_str()),
            ("BATCH_COMPUTE_DAG_TASK_ID", &self.task.name),
            ("BATCH_COMPUTE_DAG_INSTANCE_ID", &number),
            ("BATCH_COMPUTE_OSS_HOST", &self.surroundings.oss_endpoint),
            ("BATCH_COMPUTE_REGION", &self.surroundings.region),
            ("BATCH_COMPUTE_CLUSTER_ID", &self.seat.cluster),
            ("BATCH_COMPUTE_WORKER_ID", &self.seat.node),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.extend(self.seat.env.iter().cloned());
        let user_data = &self.task.description.auto_cluster.user_data;
        env.extend(user_data.iter().filter(|(name, _)| is_variable(name)).map(|(name, text)| (name.clone(), text.0.clone())));
        env.extend(self.task.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        let given = &self.task.description.parameters.command.env_vars;
        env.extend(given.iter().map(|(name, text)| (name.clone(), text.0.clone())));
        env
    }
}

/// What is there before anybody says anything.
pub fn base(world: &World, user: Option<&User>) -> Variables {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    // Images know nothing of the users here.
    let root = [("USER", user.map_or("root", |user| &user.name)), ("HOME", if user.is_some() { CONTAINED_WORK } else { "/root" })];
    let root = root.map(pair);
    match world {
        World::Machine => {
            let own = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
            let (home, user) = match user {
                Some(user) => (user.home.to_string_lossy().into_owned(), user.name.clone()),
                None => (own("HOME", "/root"), own("USER", "root")),
            };
            [("PATH", PATH), ("HOME", &home), ("USER", &user), ("LANG", "C.UTF-8"), ("SHELL", "/bin/bash")].map(pair).into()
        }
        // The engine adds what the image says, below ours.
        World::Engine { .. } => root.into(),
        World::Image(image) => {
            let mut env = vec![pair(("PATH", PATH))];
            env.extend(image.env.iter().cloned());
            env.extend(root);
            env
        }
    }
}

pub(crate) fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.as_bytes().first().is_none_or(u8::is_ascii_digit)
}
