//! Things that need each other before they can be computed.
//!
//! A block counts twice: its begin (the collection or the conditions) comes before everything inside, its end after it. What
//! stands inside waits for names outside one by one, but names inside are known outside only from the end on.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::Checker;
use crate::{
    ast::{Decl, Expr, Name, Node, Workflow},
    graph::visit_names,
    source::Span,
};

/// Most circles reported for one scope.
const MOST_CYCLES: usize = 20;
/// Most things of one name that are looked at: more than one is an error or a warning of its own.
const MOST_NAMESAKES: usize = 8;

/// Something that is computed, with what it needs.
struct Item<'m> {
    /// Shown in messages; empty for the begin of a block.
    name: Cow<'m, str>,
    span: Span,
    /// Names it uses.
    uses: Vec<&'m Arc<str>>,
    /// Items it needs whatever names it uses.
    needs: Vec<usize>,
    /// The scope around it.
    scope: usize,
    /// For the end of a block its begin.
    begin: Option<usize>,
}

fn names<'m>(exprs: impl Iterator<Item = &'m Expr>) -> Vec<&'m Arc<str>> {
    let mut list = Vec::new();
    for expr in exprs {
        visit_names(expr, &mut |name, _| list.push(name));
    }
    list
}

/// A body: of the whole, of a scatter or of a clause.
#[derive(Clone, Copy)]
struct Scope {
    outer: usize,
    /// Number of scopes around it.
    depth: usize,
    /// Items for begin and end of its block; `None` for the outermost.
    block: Option<(usize, usize)>,
}

/// Where a used name comes from.
#[derive(Clone, Copy)]
struct Origin {
    /// The item that has the name.
    item: usize,
    /// The item to wait for: the same one, or the end of a block around it.
    provider: usize,
    /// Depth of the scope in which the name was found.
    depth: usize,
}

/// Items and the scopes they are in; scope 0 is the outermost.
struct Items<'m> {
    list: Vec<Item<'m>>,
    scopes: Vec<Scope>,
    by_name: HashMap<&'m str, Vec<usize>>,
    /// Variables of the scatters around the current body.
    variables: Vec<&'m str>,
}

impl<'m> Items<'m> {
    fn new(decls: impl Iterator<Item = &'m Decl>) -> Self {
        let outermost = Scope { outer: 0, depth: 0, block: None };
        let mut items = Items { list: Vec::new(), scopes: vec![outermost], by_name: HashMap::new(), variables: Vec::new() };
        decls.for_each(|decl| items.declare(decl, 0));
        items
    }

    fn declare(&mut self, decl: &'m Decl, scope: usize) {
        self.named(&decl.name, names(decl.value.iter()), scope);
    }

    fn named(&mut self, name: &'m Name, uses: Vec<&'m Arc<str>>, scope: usize) {
        let index = self.add(Cow::Borrowed(&name.text), name.span, uses, scope);
        self.by_name.entry(&name.text).or_default().push(index);
    }

    fn add(&mut self, name: Cow<'m, str>, span: Span, mut uses: Vec<&'m Arc<str>>, scope: usize) -> usize {
        // The variable of an enclosing scatter is no other item.
        uses.retain(|name| !self.variables.contains(&&***name));
        let index = self.list.len();
        let mut needs = Vec::new();
        if let Some((begin, end)) = self.scopes.get(scope).and_then(|scope| scope.block) {
            needs.push(begin);
            if let Some(end) = self.list.get_mut(end) {
                end.needs.push(index);
            }
        }
        self.list.push(Item { name, span, uses, needs, scope, begin: None });
        index
    }

    /// Adds begin and end of a block.
    fn block(&mut self, title: String, span: Span, uses: Vec<&'m Arc<str>>, scope: usize) -> (usize, usize) {
        let begin = self.add(Cow::Borrowed(""), span, uses, scope);
        let end = self.add(Cow::Owned(title), span, Vec::new(), scope);
        if let Some(item) = self.list.get_mut(end) {
            item.needs.push(begin);
            item.begin = Some(begin);
        }
        (begin, end)
    }

    fn enter(&mut self, outer: usize, block: (usize, usize)) -> usize {
        let depth = self.scopes.get(outer).map_or(0, |scope| scope.depth + 1);
        self.scopes.push(Scope { outer, depth, block: Some(block) });
        self.scopes.len() - 1
    }

    fn collect(&mut self, body: &'m [Node], scope: usize) {
        for node in body {
            match node {
                Node::Decl(decl) => self.declare(decl, scope),
                Node::Call(call) => {
                    let mut uses = names(call.inputs.iter().filter_map(|(_, value)| value.as_ref()));
                    uses.extend(call.inputs.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| &name.text));
                    uses.extend(call.after.iter().map(|name| &name.text));
                    self.named(call.name(), uses, scope);
                }
                Node::Scatter(scatter) => {
                    let title = format!("scatter ({})", scatter.variable.text);
                    let uses = names([&scatter.collection].into_iter());
                    let block = self.block(title, scatter.collection.span, uses, scope);
                    let inner = self.enter(scope, block);
                    self.variables.push(&scatter.variable.text);
                    self.collect(&scatter.body, inner);
                    self.variables.pop();
                }
                Node::If(conditional) => {
                    // The clauses are tried in order, so each needs all conditions before it.
                    let uses = names(conditional.clauses.iter().filter_map(|clause| clause.condition.as_ref()));
                    let block = self.block("if".to_owned(), conditional.span, uses, scope);
                    for clause in &conditional.clauses {
                        let inner = self.enter(scope, block);
                        self.collect(&clause.body, inner);
                    }
                }
            }
        }
    }

    /// What a name means in a scope: what is found furthest inside.
    fn origins(&self, name: &str, from: usize) -> Vec<Origin> {
        let namesakes = self.by_name.get(name).into_iter().flatten().take(MOST_NAMESAKES);
        let found: Vec<Origin> = namesakes.filter_map(|item| self.origin(*item, from)).collect();
        let deepest = found.iter().map(|origin| origin.depth).max();
        found.into_iter().filter(|origin| Some(origin.depth) == deepest).collect()
    }

    fn origin(&self, item: usize, from: usize) -> Option<Origin> {
        let (mut theirs, mut ours) = (self.list.get(item)?.scope, from);
        let mut provider = item;
        while theirs != ours {
            let (inner, user) = (self.scopes.get(theirs)?, self.scopes.get(ours)?);
            if inner.depth >= user.depth {
                // The name leaves this block.
                provider = inner.block?.1;
                theirs = inner.outer;
            } else {
                ours = user.outer;
            }
        }
        Some(Origin { item, provider, depth: self.scopes.get(ours)?.depth })
    }

    fn needs(&self, item: &Item<'m>) -> Vec<usize> {
        let mut list: Vec<usize> = item.needs.clone();
        list.extend(item.uses.iter().flat_map(|name| self.origins(name, item.scope)).map(|origin| origin.provider));
        list.sort_unstable();
        list.dedup();
        list
    }

    /// Names of the items of a circle, beginning with one that is no block; whether a block that is not begun by the circle
    /// itself is among them, and the item inside that it waits for.
    fn shown(&self, cycle: &[usize]) -> Option<Shown<'_>> {
        let start = cycle.iter().position(|i| self.list.get(*i).is_some_and(|item| !item.name.is_empty() && item.begin.is_none()))?;
        let around: Vec<usize> = cycle.iter().cycle().skip(start).take(cycle.len()).copied().collect();
        let span = self.list.get(*around.first()?)?.span;
        let mut shown = Shown { span, names: Vec::new(), waiting: None };
        let members: HashSet<usize> = cycle.iter().copied().collect();
        let mut user = None;
        for (place, index) in around.iter().enumerate() {
            let item = self.list.get(*index)?;
            let waits = item.begin.is_some_and(|begin| !members.contains(&begin));
            if waits {
                shown.waiting = around.get(place + 1).or(around.first()).and_then(|i| self.list.get(*i)).map(|item| &*item.name);
                shown.names.push(&item.name);
            } else if item.begin.is_some() {
                // The name in the block says more than the block.
                let used = user.and_then(|user| self.used(user, *index)).and_then(|i| self.list.get(i));
                shown.names.extend(used.map(|item| &*item.name));
            } else if !item.name.is_empty() {
                shown.names.push(&item.name);
            }
            user = Some(*index);
        }
        Some(shown)
    }

    /// The item whose name makes `user` wait for the end of a block.
    fn used(&self, user: usize, end: usize) -> Option<usize> {
        let user = self.list.get(user)?;
        let origins = user.uses.iter().flat_map(|name| self.origins(name, user.scope));
        origins.filter(|origin| origin.provider == end).map(|origin| origin.item).next()
    }
}

/// A circle in words.
struct Shown<'a> {
    span: Span,
    names: Vec<&'a str>,
    /// What is inside a block and waits for something that waits for the whole block.
    waiting: Option<&'a str>,
}

impl Checker<'_> {
    /// Checks declarations that may use each other in any order. One that hides a name further out means that one
    /// when it uses its own name.
    pub(super) fn check_cycles(&mut self, decls: &[&Decl], hides: &dyn Fn(&str) -> bool) {
        let mut items = Items::new(decls.iter().copied());
        for item in items.list.iter_mut().filter(|item| hides(&item.name)) {
            let name = item.name.clone();
            item.uses.retain(|used| ***used != *name);
        }
        self.report_cycles(&items);
    }

    /// Checks declarations, calls and blocks of a workflow.
    pub(super) fn check_workflow_cycles(&mut self, workflow: &Workflow) {
        let mut items = Items::new(workflow.inputs.iter());
        items.collect(&workflow.body, 0);
        self.report_cycles(&items);
    }

    fn report_cycles(&mut self, items: &Items<'_>) {
        let mut order = Order::new(items);
        for _ in 0..MOST_CYCLES {
            let Some(cycle) = order.next_cycle() else { return };
            if let Some(shown) = items.shown(&cycle) {
                self.report_cycle(&shown);
            }
        }
    }

    fn report_cycle(&mut self, shown: &Shown<'_>) {
        let Some(first) = shown.names.first() else { return };
        let message = match shown.names.as_slice() {
            [name] => format!("`{name}` needs itself"),
            names => format!("circle of things that need each other: `{}` -> `{first}`", names.join("` -> `")),
        };
        let error = self.error(shown.span, message);
        self.findings.push(match shown.waiting {
            Some(inside) if !inside.is_empty() => error.hint(format!(
                "what a block defines is known outside only when the whole block is done: move `{inside}` into another block"
            )),
            _ => error.hint("break the circle: one of them must be known before the others"),
        });
    }
}

/// The order in which items can be computed, as far as there is one.
struct Order {
    /// What each item needs.
    needs: Vec<Vec<usize>>,
    /// The items that need each item.
    needed_by: Vec<Vec<usize>>,
    /// How many needs of each item are not done.
    open: Vec<usize>,
    done: Vec<bool>,
}

impl Order {
    fn new(items: &Items<'_>) -> Self {
        let needs: Vec<Vec<usize>> = items.list.iter().map(|item| items.needs(item)).collect();
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
        for (i, list) in needs.iter().enumerate() {
            for needed in list {
                if let Some(users) = needed_by.get_mut(*needed) {
                    users.push(i);
                }
            }
        }
        let open: Vec<usize> = needs.iter().map(Vec::len).collect();
        let ready: Vec<usize> = open.iter().enumerate().filter(|(_, n)| **n == 0).map(|(i, _)| i).collect();
        let done = vec![false; needs.len()];
        let mut order = Order { needs, needed_by, open, done };
        order.finish(ready);
        order
    }

    /// Marks items as done, and everything that then has all it needs.
    fn finish(&mut self, mut ready: Vec<usize>) {
        while let Some(i) = ready.pop() {
            match self.done.get_mut(i) {
                Some(done) if !*done => *done = true,
                _ => continue,
            }
            for user in self.needed_by.get(i).into_iter().flatten() {
                if let Some(open) = self.open.get_mut(*user) {
                    *open = open.saturating_sub(1);
                    if *open == 0 {
                        ready.push(*user);
                    }
                }
            }
        }
    }

    /// Items that form a circle, each needing the next. They count as done afterwards, so that the next call finds
    /// another circle.
    fn next_cycle(&mut self) -> Option<Vec<usize>> {
        let mut at = self.done.iter().position(|done| !done)?;
        let mut path: Vec<usize> = Vec::new();
        let mut place: HashMap<usize, usize> = HashMap::new();
        let start = loop {
            if let Some(start) = place.get(&at) {
                break *start;
            }
            place.insert(at, path.len());
            path.push(at);
            // Everything that is not done waits for something that is not done.
            at = self.needs.get(at)?.iter().copied().find(|needed| self.done.get(*needed) == Some(&false))?;
        };
        let cycle = path.split_off(start);
        self.finish(cycle.clone());
        Some(cycle)
    }
}
