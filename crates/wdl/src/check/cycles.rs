//! Things that need each other before they can be computed.

use std::{collections::HashMap, sync::Arc};

use super::Checker;
use crate::{
    ast::{Decl, Expr, Node, Workflow},
    graph::visit_names,
    source::Span,
};

/// Most circles reported for one scope.
const MOST_CYCLES: usize = 20;

/// Something that is computed, with what it needs.
struct Item<'m> {
    /// Shown in messages; empty for blocks.
    name: &'m str,
    span: Span,
    /// Names it uses.
    uses: Vec<&'m Arc<str>>,
    /// The block around it.
    block: Option<usize>,
}

impl<'m> Item<'m> {
    fn of_decl(decl: &'m Decl, block: Option<usize>) -> Self {
        Item { name: &decl.name.text, span: decl.name.span, uses: names(decl.value.iter()), block }
    }
}

fn names<'m>(exprs: impl Iterator<Item = &'m Expr>) -> Vec<&'m Arc<str>> {
    let mut list = Vec::new();
    for expr in exprs {
        visit_names(expr, &mut |name, _| list.push(name));
    }
    list
}

impl Checker<'_> {
    /// Checks declarations that may use each other in any order. One that hides a name further out means that one
    /// when it uses its own name.
    pub(super) fn check_cycles(&mut self, decls: &[&Decl], hides: &dyn Fn(&str) -> bool) {
        let mut items: Vec<Item<'_>> = decls.iter().map(|decl| Item::of_decl(decl, None)).collect();
        for item in items.iter_mut().filter(|item| hides(item.name)) {
            let name = item.name;
            item.uses.retain(|used| &***used != name);
        }
        self.report_cycles(&items);
    }

    /// Checks declarations, calls and blocks of a workflow.
    pub(super) fn check_workflow_cycles(&mut self, workflow: &Workflow) {
        let mut items: Vec<Item<'_>> = workflow.inputs.iter().map(|decl| Item::of_decl(decl, None)).collect();
        collect(&workflow.body, None, &mut Vec::new(), &mut items);
        self.report_cycles(&items);
    }

    fn report_cycles(&mut self, items: &[Item<'_>]) {
        let mut order = Order::new(items);
        for _ in 0..MOST_CYCLES {
            let Some(cycle) = order.next_cycle() else { return };
            self.report_cycle(items, &cycle);
        }
    }

    fn report_cycle(&mut self, items: &[Item<'_>], cycle: &[usize]) {
        let named = cycle.iter().filter_map(|i| items.get(*i)).filter(|item| !item.name.is_empty());
        let named: Vec<&Item<'_>> = named.collect();
        let Some(first) = named.first() else { return };
        let names: Vec<&str> = named.iter().map(|item| item.name).chain([first.name]).collect();
        let message = match names.as_slice() {
            [name, _] => format!("`{name}` needs itself"),
            _ => format!("circle of things that need each other: `{}`", names.join("` -> `")),
        };
        let span = first.span;
        let error = self.error(span, message).hint("break the circle: one of them must be known before the others");
        self.findings.push(error);
    }
}

fn collect<'m>(body: &'m [Node], block: Option<usize>, variables: &mut Vec<&'m str>, items: &mut Vec<Item<'m>>) {
    for node in body {
        let first = items.len();
        match node {
            Node::Decl(decl) => items.push(Item::of_decl(decl, block)),
            Node::Call(call) => {
                let mut uses = names(call.inputs.iter().filter_map(|(_, value)| value.as_ref()));
                uses.extend(call.inputs.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| &name.text));
                uses.extend(call.after.iter().map(|name| &name.text));
                items.push(Item { name: &call.name().text, span: call.name().span, uses, block });
            }
            Node::Scatter(scatter) => {
                items.push(Item { name: "", span: scatter.collection.span, uses: names([&scatter.collection].into_iter()), block });
                variables.push(&scatter.variable.text);
                collect(&scatter.body, Some(first), variables, items);
                variables.pop();
                continue;
            }
            Node::If(conditional) => {
                // The clauses are tried in order, so each needs all conditions before it.
                let uses = names(conditional.clauses.iter().filter_map(|clause| clause.condition.as_ref()));
                items.push(Item { name: "", span: conditional.span, uses, block });
                for clause in &conditional.clauses {
                    collect(&clause.body, Some(first), variables, items);
                }
                if let Some(item) = items.get_mut(first) {
                    item.uses.retain(|name| !variables.contains(&&***name));
                }
                continue;
            }
        }
        // The variable of an enclosing scatter is no other item.
        if let Some(item) = items.get_mut(first) {
            item.uses.retain(|name| !variables.contains(&&***name));
        }
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
    fn new(items: &[Item<'_>]) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, item) in items.iter().enumerate().filter(|(_, item)| !item.name.is_empty()) {
            by_name.entry(item.name).or_default().push(i);
        }
        let needs = |item: &Item<'_>| {
            let mut list: Vec<usize> = item.block.into_iter().collect();
            list.extend(item.uses.iter().filter_map(|name| by_name.get(&***name)).flatten());
            list.sort_unstable();
            list.dedup();
            list
        };
        let needs: Vec<Vec<usize>> = items.iter().map(needs).collect();
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
        for (i, list) in needs.iter().enumerate() {
            for needed in list {
                if let Some(users) = needed_by.get_mut(*needed) {
                    users.push(i);
                }
            }
        }
        let open: Vec<usize> = needs.iter().map(Vec::len).collect();
        let ready: Vec<usize> = open.iter().enumerate().filter(|(_, n)| **n == 0).map(|(i, _)| i).collect();
        let mut order = Order { needs, needed_by, open, done: vec![false; items.len()] };
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
