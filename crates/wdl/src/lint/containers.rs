//! Container images of tasks.

use super::Linter;
use crate::{
    ast::{Expr, ExprKind, StringPart, Task},
    rule::Rule,
    version::Version,
};

impl Linter<'_> {
    pub(super) fn container(&mut self, task: &Task) {
        let mut images = task.runtime.iter().chain(&task.requirements).filter(|(key, _)| matches!(&*key.text, "container" | "docker"));
        let Some((_, image)) = images.next_back() else {
            if !is_empty(task) {
                let (section, key) =
                    if self.module.document.version >= Version::V1_2 { ("requirements", "container") } else { ("runtime", "docker") };
                let message = format!("task `{}` names no container image", task.name.text);
                self.warn(Rule::NoContainer, task.name.span, message, format!("add `{key}` to its `{section}`"));
            }
            return;
        };
        self.images(task, image);
    }

    fn images(&mut self, task: &Task, image: &Expr) {
        match &image.kind {
            ExprKind::Array(items) => items.iter().for_each(|item| self.images(task, item)),
            // An input's default is what mostly runs.
            ExprKind::Ident(name) => {
                let decl = task.inputs.iter().chain(&task.decls).find(|decl| decl.name.text == *name);
                if let Some(value) = decl.and_then(|decl| decl.value.as_ref())
                    && let ExprKind::String(parts) = &value.kind
                {
                    self.image(value, parts);
                }
            }
            ExprKind::String(parts) => self.image(image, parts),
            _ => {}
        }
    }

    fn image(&mut self, at: &Expr, parts: &[StringPart]) {
        let [StringPart::Text(image)] = parts else { return };
        let name = image.rsplit('/').next().unwrap_or(image);
        if image == "*" || image.is_empty() || image.contains('@') || image.starts_with('/') {
            return;
        }
        let what = match name.split_once(':') {
            None => "has no tag",
            Some((_, "latest")) => "has the tag `latest`",
            Some(_) => return,
        };
        let message = format!("image `{image}` {what}: it may be another one tomorrow");
        self.warn(Rule::UnpinnedContainer, at.span, message, "name a version, or the digest as in `image@sha256:...`");
    }
}

/// Whether a task has nothing to run.
fn is_empty(task: &Task) -> bool {
    task.command.parts.iter().all(|part| matches!(part, StringPart::Text(text) if text.trim().is_empty()))
}
