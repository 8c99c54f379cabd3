//! A workflow as boxes and arrows, before it is written in some notation.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::free_names;
use crate::{
    ast::{Call, Conditional, Expr, Node as Element, Scatter, Workflow},
    module::{Callee, Module},
};

/// Longest text of an expression in a label, in characters.
const LONGEST_TEXT: usize = 60;

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A call of a task.
    Task,
    /// A call of a workflow.
    Workflow,
    /// The variable of a scatter.
    Variable,
}

/// A box: a call or a variable.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) shape: Shape,
    /// Indices of the clusters around it, outermost first.
    pub(super) inside: Vec<usize>,
}

/// A scatter or a clause of a conditional.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) label: String,
    pub(super) parts: Vec<Part>,
}

/// What stands in a cluster or at the top, in textual order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Box(usize),
    Cluster(usize),
}

/// An arrow between two boxes.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The cluster it really points at, when a whole block waits.
    pub(super) head: Option<usize>,
    /// The outermost cluster it leaves.
    pub(super) tail: Option<usize>,
}

/// The whole picture.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) boxes: Vec<Figure>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) top: Vec<Part>,
    pub(super) links: Vec<Link>,
}

impl Drawing {
    /// Draws a workflow. Declarations are not drawn: arrows go through them.
    pub(super) fn new(module: &Arc<Module>, workflow: &Workflow) -> Drawing {
        let mut artist = Artist {
            module,
            drawing: Drawing::default(),
            ids: HashSet::new(),
            values: HashMap::new(),
            users: Vec::new(),
            variables: Vec::new(),
        };
        for input in &workflow.inputs {
            let uses = artist.uses(input.value.iter());
            artist.values.entry(Arc::clone(&input.name.text)).or_default().push(Value::Decl(uses));
        }
        let top = artist.body(&workflow.body, &[]);
        artist.drawing.top = top;
        artist.link();
        artist.drawing
    }

    /// The first box inside a cluster.
    fn first_box(&self, cluster: usize) -> Option<usize> {
        self.clusters.get(cluster)?.parts.iter().find_map(|part| match part {
            Part::Box(index) => Some(*index),
            Part::Cluster(index) => self.first_box(*index),
        })
    }
}

/// Something an expression needs.
#[derive(Clone, Debug)]
enum Use {
    /// The variable of an enclosing scatter.
    Variable(usize),
    /// A declaration or call by name.
    Name(Arc<str>),
}

/// What a name stands for.
#[derive(Debug)]
enum Value {
    Call(usize),
    Decl(Vec<Use>),
}

/// Who needs something.
#[derive(Debug)]
enum User {
    Box(usize),
    Cluster(usize),
}

struct Artist<'m> {
    module: &'m Arc<Module>,
    drawing: Drawing,
    ids: HashSet<String>,
    values: HashMap<Arc<str>, Vec<Value>>,
    users: Vec<(User, Vec<Use>)>,
    /// Variables of the enclosing scatters with their boxes.
    variables: Vec<(Arc<str>, usize)>,
}

impl Artist<'_> {
    fn body(&mut self, body: &[Element], inside: &[usize]) -> Vec<Part> {
        let mut parts = Vec::new();
        for element in body {
            match element {
                Element::Decl(decl) => {
                    let uses = self.uses(decl.value.iter());
                    self.values.entry(Arc::clone(&decl.name.text)).or_default().push(Value::Decl(uses));
                }
                Element::Call(call) => parts.push(Part::Box(self.call(call, inside))),
                Element::Scatter(scatter) => parts.push(Part::Cluster(self.scatter(scatter, inside))),
                Element::If(conditional) => self.conditional(conditional, inside, &mut parts),
            }
        }
        parts
    }

    fn add_box(&mut self, id: String, label: String, shape: Shape, inside: &[usize]) -> usize {
        // Clauses of a conditional may repeat the name of a call.
        let id = if self.ids.contains(&id) { format!("{id}_{}", self.drawing.boxes.len()) } else { id };
        self.ids.insert(id.clone());
        self.drawing.boxes.push(Figure { id, label, shape, inside: inside.to_vec() });
        self.drawing.boxes.len() - 1
    }

    fn call(&mut self, call: &Call, inside: &[usize]) -> usize {
        let name = &call.name().text;
        let shape = match self.module.callee(&call.target) {
            Some(Callee::Workflow(..)) => Shape::Workflow,
            _ => Shape::Task,
        };
        let index = self.add_box(format!("CALL_{name}"), format!("call {name}"), shape, inside);
        let mut uses = self.uses(call.inputs.iter().filter_map(|(_, value)| value.as_ref()));
        let passed = call.inputs.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
        for name in passed.chain(&call.after) {
            uses.push(self.name_use(Arc::clone(&name.text)));
        }
        self.users.push((User::Box(index), uses));
        self.values.entry(Arc::clone(name)).or_default().push(Value::Call(index));
        index
    }

    fn add_cluster(&mut self, label: String) -> usize {
        self.drawing.clusters.push(Cluster { label, parts: Vec::new() });
        self.drawing.clusters.len() - 1
    }

    fn scatter(&mut self, scatter: &Scatter, inside: &[usize]) -> usize {
        let name = &scatter.variable.text;
        let over = self.text(&scatter.collection);
        let cluster = self.add_cluster(format!("scatter ({name} in {over})"));
        let inside = [inside, &[cluster]].concat();
        let id = format!("SCATTER_{cluster}_VARIABLE_{name}");
        let variable = self.add_box(id, format!("scatter over {over} as {name}"), Shape::Variable, &inside);
        let uses = self.uses([&scatter.collection]);
        self.users.push((User::Box(variable), uses));
        self.variables.push((Arc::clone(name), variable));
        let mut parts = vec![Part::Box(variable)];
        parts.extend(self.body(&scatter.body, &inside));
        self.variables.pop();
        if let Some(cluster) = self.drawing.clusters.get_mut(cluster) {
            cluster.parts = parts;
        }
        cluster
    }

    fn conditional(&mut self, conditional: &Conditional, inside: &[usize], parts: &mut Vec<Part>) {
        let mut uses = Vec::new();
        for (i, clause) in conditional.clauses.iter().enumerate() {
            let word = if i == 0 { "if" } else { "else if" };
            let label = match &clause.condition {
                Some(condition) => format!("{word} ({})", self.text(condition)),
                None => "else".to_owned(),
            };
            uses.extend(self.uses(clause.condition.iter()));
            let cluster = self.add_cluster(label);
            self.users.push((User::Cluster(cluster), uses.clone()));
            let inner = self.body(&clause.body, &[inside, &[cluster]].concat());
            if let Some(cluster) = self.drawing.clusters.get_mut(cluster) {
                cluster.parts = inner;
            }
            parts.push(Part::Cluster(cluster));
        }
    }

    fn uses<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> Vec<Use> {
        let mut names = Vec::new();
        for expr in exprs {
            free_names(expr, &mut names);
        }
        names.into_iter().map(|name| self.name_use(name)).collect()
    }

    fn name_use(&self, name: Arc<str>) -> Use {
        match self.variables.iter().rev().find(|(variable, _)| *variable == name) {
            Some((_, index)) => Use::Variable(*index),
            None => Use::Name(name),
        }
    }

    /// The source of an expression on one line.
    fn text(&self, expr: &Expr) -> String {
        let text = self.module.document.source.slice(expr.span);
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(LONGEST_TEXT) {
            Some((end, _)) => format!("{}...", line.get(..end).unwrap_or("")),
            None => line,
        }
    }

    fn link(&mut self) {
        let mut seen = HashSet::new();
        for (user, uses) in &self.users {
            let (to, head) = match user {
                User::Box(index) => (*index, None),
                User::Cluster(cluster) => match self.drawing.first_box(*cluster) {
                    Some(index) => (index, Some(*cluster)),
                    None => continue,
                },
            };
            for from in self.sources(uses) {
                let Some((source, target)) = self.drawing.boxes.get(from).zip(self.drawing.boxes.get(to)) else { continue };
                let inside = |cluster: usize| head == Some(cluster) || target.inside.contains(&cluster);
                let tail = source.inside.iter().copied().find(|cluster| !inside(*cluster));
                if from != to && seen.insert((from, to, head)) {
                    self.drawing.links.push(Link { from, to, head, tail });
                }
            }
        }
    }

    /// The boxes that values come from, through declarations.
    fn sources(&self, uses: &[Use]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut waiting: Vec<&Use> = uses.iter().rev().collect();
        while let Some(item) = waiting.pop() {
            match item {
                Use::Variable(index) => found.push(*index),
                Use::Name(name) if seen.insert(name) => {
                    for value in self.values.get(name).into_iter().flatten() {
                        match value {
                            Value::Call(index) => found.push(*index),
                            Value::Decl(uses) => waiting.extend(uses.iter().rev()),
                        }
                    }
                }
                Use::Name(_) => {}
            }
        }
        found
    }
}
