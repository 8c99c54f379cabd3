//! The values of a run while it goes on: one frame per section instance. Pure dataflow, no I/O.
//!
//! A step becomes ready the moment the last slot it needs is filled. Finishing the last step of a scatter body or
//! branch fills the slots it exports into the enclosing frame, which may make further steps ready.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use batchyard_model::Shard;
use batchyard_wdl::{
    coerce::coerce,
    eval::Scope,
    types::Type,
    value::{ObjectValue, SHARED_BYTES, Value},
    version::Dialect,
};

use crate::plan::{Clause, Section, SlotKind, Step, StepKind};

/// Index of a frame; used again after the frame is gone.
pub type FrameId = usize;
/// Index of a run context.
pub type RunIndex = usize;

/// Who made a frame: the step, and which of its instances this is.
#[derive(Clone, Copy, Debug)]
struct Parent {
    frame: FrameId,
    step: usize,
    child: usize,
}

/// One instance of a section.
#[derive(Debug)]
struct Frame {
    section: Arc<Section>,
    parent: Option<Parent>,
    run: RunIndex,
    shard: Shard,
    slots: Vec<Option<Value>>,
    /// Unfilled needs of each step.
    missing: Vec<u32>,
    /// Steps that are not finished.
    unfinished: usize,
    /// Steps, here or further in, that wait for a slot.
    waiting: HashMap<usize, Vec<(FrameId, usize)>>,
    /// Scatters and branches of this frame that are going on, by step.
    gathers: HashMap<usize, Gather>,
}

#[derive(Debug)]
struct Gather {
    unfinished: usize,
    /// For a scatter the exported values of each instance; for a branch of one.
    results: Vec<Vec<Value>>,
    exports: Arc<[usize]>,
    /// For each export of a branch the type that it has with the other branches, where that is another.
    converted: Arc<[Option<Type>]>,
    scatter: bool,
}

/// All frames of an engine, and which steps are ready.
#[derive(Debug, Default)]
pub struct Frames {
    frames: Vec<Option<Frame>>,
    free: Vec<FrameId>,
    ready: VecDeque<(FrameId, usize)>,
}

impl Frames {
    /// The outermost frame of a run. `given` says which inputs have a value already, so that their defaults' needs
    /// do not matter.
    pub fn open(&mut self, section: &Arc<Section>, run: RunIndex, given: &dyn Fn(&str) -> bool) -> FrameId {
        self.make(section, None, run, Shard::default(), None, given)
    }

    /// The next step whose needs are met.
    pub fn next_ready(&mut self) -> Option<(FrameId, usize)> {
        self.ready.pop_front()
    }

    /// The section of a frame.
    pub fn section(&self, frame: FrameId) -> Arc<Section> {
        Arc::clone(&self.get(frame).section)
    }

    /// The run a frame belongs to.
    pub fn run(&self, frame: FrameId) -> RunIndex {
        self.get(frame).run
    }

    /// The position of a frame in the scatters around it.
    pub fn shard(&self, frame: FrameId) -> Shard {
        self.get(frame).shard.clone()
    }

    /// The names visible in a frame.
    pub fn scope(&self, frame: FrameId) -> FrameScope<'_> {
        FrameScope { frames: self, frame }
    }

    /// The value of a slot, if it is filled.
    pub fn value(&self, frame: FrameId, slot: usize) -> Option<&Value> {
        self.get(frame).slots.get(slot)?.as_ref()
    }

    /// Fills a slot and finishes the step that computed it (a step that is not a block fills one slot). Returns the root frame when that was its last step.
    pub fn complete(&mut self, frame: FrameId, slot: usize, value: Value) -> Option<FrameId> {
        self.fill(frame, slot, value);
        self.finish(frame)
    }

    /// About how many bytes one instance of a scatter takes, its `exports` with it.
    pub fn bytes_of(body: &Section, exports: usize) -> u64 {
        let values = size_of::<Value>() * (body.slots.len() + exports);
        (size_of::<Option<Frame>>() + values + size_of::<u32>() * body.steps.len() + size_of::<Vec<Value>>()) as u64 + 4 * SHARED_BYTES
    }

    /// Begins a scatter with one instance of its body per item. Returns the root frame when nothing was left to do.
    pub fn scatter(&mut self, frame: FrameId, step: usize, items: &[Value]) -> Option<FrameId> {
        let section = self.section(frame);
        let Some(Step { kind: StepKind::Scatter { body, exports, .. }, .. }) = section.steps.get(step) else { return None };
        let gather = Gather {
            unfinished: items.len(),
            results: vec![Vec::new(); items.len()],
            exports: exports.clone().into(),
            converted: Arc::default(),
            scatter: true,
        };
        if items.is_empty() {
            return self.close_gather(frame, &gather);
        }
        self.get_mut(frame).gathers.insert(step, gather);
        let (run, shard) = (self.run(frame), self.shard(frame));
        let mut ended = None;
        for (index, item) in items.iter().enumerate() {
            let parent = Parent { frame, step, child: index };
            let child = self.make(body, Some(parent), run, shard.child(index as u32), Some(item.clone()), &|_| false);
            if body.steps.is_empty() {
                ended = self.close(child);
            }
        }
        ended
    }

    /// Begins a branch, or skips all of them (`None`). Returns the root frame when nothing was left to do.
    pub fn branch(&mut self, frame: FrameId, step: usize, taken: Option<usize>) -> Option<FrameId> {
        let section = self.section(frame);
        let Some(Step { kind: StepKind::If { clauses }, .. }) = section.steps.get(step) else { return None };
        // What branches that are not taken would define is undefined; the one taken overwrites below.
        let taken = taken.and_then(|n| clauses.get(n));
        for clause in clauses {
            for slot in clause.exports.iter().filter(|slot| taken.is_none_or(|taken| !taken.exports.contains(slot))) {
                let absent = section.slots.get(*slot).map_or(Value::None, |s| absent(&s.kind));
                if self.value(frame, *slot).is_none() {
                    self.fill(frame, *slot, absent);
                }
            }
        }
        let Some(Clause { body, exports, converted, .. }) = taken else { return self.finish(frame) };
        let gather = Gather {
            unfinished: 1,
            results: vec![Vec::new()],
            exports: exports.clone().into(),
            converted: converted.clone().into(),
            scatter: false,
        };
        self.get_mut(frame).gathers.insert(step, gather);
        let (run, shard) = (self.run(frame), self.shard(frame));
        let child = self.make(body, Some(Parent { frame, step, child: 0 }), run, shard, None, &|_| false);
        if body.steps.is_empty() { self.close(child) } else { None }
    }

    /// Forgets a finished root frame.
    pub fn drop_root(&mut self, frame: FrameId) {
        if let Some(place) = self.frames.get_mut(frame) {
            *place = None;
            self.free.push(frame);
        }
    }

    fn make(
        &mut self,
        section: &Arc<Section>,
        parent: Option<Parent>,
        run: RunIndex,
        shard: Shard,
        item: Option<Value>,
        given: &dyn Fn(&str) -> bool,
    ) -> FrameId {
        let mut slots = vec![None; section.slots.len()];
        if let (Some(item), Some(first)) = (item, slots.first_mut()) {
            *first = Some(item);
        }
        let steps = section.steps.len();
        let frame = Frame {
            section: Arc::clone(section),
            parent,
            run,
            shard,
            slots,
            missing: vec![0; steps],
            unfinished: steps,
            waiting: HashMap::new(),
            gathers: HashMap::new(),
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.frames.push(None);
            self.frames.len() - 1
        });
        if let Some(place) = self.frames.get_mut(id) {
            *place = Some(frame);
        }
        for (step, plan) in section.steps.iter().enumerate() {
            let settled = matches!(&plan.kind, StepKind::Decl { slot, input: true, .. }
                if section.slots.get(*slot).is_some_and(|s| given(&s.name)));
            let mut missing = 0;
            for need in plan.needs.iter().filter(|_| !settled) {
                let holder = self.ancestor(id, need.up);
                let holder = self.get_mut(holder);
                if holder.slots.get(need.slot).is_some_and(Option::is_none) {
                    holder.waiting.entry(need.slot).or_default().push((id, step));
                    missing += 1;
                }
            }
            if missing == 0 {
                self.ready.push_back((id, step));
            } else if let Some(count) = self.get_mut(id).missing.get_mut(step) {
                *count = missing;
            }
        }
        id
    }

    fn ancestor(&self, mut frame: FrameId, up: usize) -> FrameId {
        for _ in 0..up {
            frame = self.get(frame).parent.map_or(frame, |p| p.frame);
        }
        frame
    }

    fn fill(&mut self, frame: FrameId, slot: usize, value: Value) {
        let holder = self.get_mut(frame);
        if let Some(place) = holder.slots.get_mut(slot) {
            *place = Some(value);
        }
        for (waiter, step) in holder.waiting.remove(&slot).unwrap_or_default() {
            let Some(missing) = self.get_mut(waiter).missing.get_mut(step) else { continue };
            *missing -= 1;
            if *missing == 0 {
                self.ready.push_back((waiter, step));
            }
        }
    }

    fn finish(&mut self, frame: FrameId) -> Option<FrameId> {
        let unfinished = &mut self.get_mut(frame).unfinished;
        *unfinished -= 1;
        if *unfinished == 0 { self.close(frame) } else { None }
    }

    /// All steps of a frame are finished: hands its values to the enclosing one.
    fn close(&mut self, frame: FrameId) -> Option<FrameId> {
        let Some(parent) = self.get(frame).parent else { return Some(frame) };
        let done = self.frames.get_mut(frame).and_then(Option::take)?;
        self.free.push(frame);
        let gather = self.get_mut(parent.frame).gathers.get_mut(&parent.step)?;
        let skip = usize::from(gather.scatter);
        let values = done.slots.into_iter().skip(skip).map(|v| v.unwrap_or(Value::None)).collect();
        if let Some(place) = gather.results.get_mut(parent.child) {
            *place = values;
        }
        gather.unfinished -= 1;
        if gather.unfinished > 0 {
            return None;
        }
        let gather = self.get_mut(parent.frame).gathers.remove(&parent.step)?;
        self.close_gather(parent.frame, &gather)
    }

    fn close_gather(&mut self, frame: FrameId, gather: &Gather) -> Option<FrameId> {
        let section = self.section(frame);
        for (n, slot) in gather.exports.iter().enumerate() {
            let Some(kind) = section.slots.get(*slot).map(|s| &s.kind) else { continue };
            let column = || gather.results.iter().map(|row| row.get(n).cloned().unwrap_or(Value::None));
            let value = match (gather.scatter, gather.converted.get(n)) {
                (true, _) => gathered(kind, column().collect()),
                (false, Some(Some(ty))) => complete(kind, converted(column().next().unwrap_or(Value::None), ty)),
                (false, _) => complete(kind, column().next().unwrap_or(Value::None)),
            };
            self.fill(frame, *slot, value);
        }
        self.finish(frame)
    }

    fn get(&self, frame: FrameId) -> &Frame {
        // Ids are handed out by `make` and forgotten by their holders when the frame closes.
        self.frames.get(frame).and_then(Option::as_ref).expect("a frame in use exists")
    }

    fn get_mut(&mut self, frame: FrameId) -> &mut Frame {
        self.frames.get_mut(frame).and_then(Option::as_mut).expect("a frame in use exists")
    }
}

/// The value of a slot over all instances of a scatter.
fn gathered(kind: &SlotKind, column: Vec<Value>) -> Value {
    let SlotKind::Call(outputs) = kind else { return Value::array(column) };
    let member = |name: &Arc<str>| {
        let values = column.iter().map(|call| match call {
            Value::Object(object) => object.members.get(name).cloned().unwrap_or(Value::None),
            _ => Value::None,
        });
        Value::array(values.collect())
    };
    outputs_object(outputs.iter().map(|name| (Arc::clone(name), member(name))))
}

/// A value as the type that it has after any of several branches; the checker has seen that it can be one.
fn converted(value: Value, ty: &Type) -> Value {
    match (value, ty) {
        (Value::Object(object), Type::Call(outputs)) => {
            let member = |(name, value): (&Arc<str>, &Value)| {
                let ty = outputs.members.iter().find(|(known, _)| **known == **name).map(|(_, ty)| ty);
                (Arc::clone(name), ty.map_or_else(|| value.clone(), |ty| converted(value.clone(), ty)))
            };
            outputs_object(object.members.iter().map(member))
        }
        // Documents with several branches are read by the specification's rules.
        (value, ty) => coerce(&value, ty, Dialect::Specification).unwrap_or(value),
    }
}

/// The value of a slot after one of several branches; what only calls in the other branches give is undefined.
fn complete(kind: &SlotKind, value: Value) -> Value {
    match (kind, value) {
        (SlotKind::Call(outputs), Value::Object(object)) if outputs.iter().any(|name| !object.members.contains_key(name)) => {
            outputs_object(outputs.iter().map(|name| (Arc::clone(name), object.members.get(name).cloned().unwrap_or(Value::None))))
        }
        (_, value) => value,
    }
}

/// The value of a slot in a branch that was not taken.
fn absent(kind: &SlotKind) -> Value {
    match kind {
        SlotKind::Value => Value::None,
        SlotKind::Call(outputs) => outputs_object(outputs.iter().map(|name| (Arc::clone(name), Value::None))),
    }
}

/// The outputs of a call as the object that `call.output` looks into.
pub fn outputs_object(members: impl IntoIterator<Item = (Arc<str>, Value)>) -> Value {
    Value::Object(Arc::new(ObjectValue { struct_name: None, members: members.into_iter().collect() }))
}

/// The names visible in a frame: its own and those of the frames around it.
#[derive(Clone, Copy)]
pub struct FrameScope<'a> {
    frames: &'a Frames,
    frame: FrameId,
}

impl Scope for FrameScope<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let mut frame = self.frames.get(self.frame);
        loop {
            if let Some(slot) = frame.section.index.get(name) {
                return frame.slots.get(*slot)?.clone();
            }
            frame = self.frames.get(frame.parent?.frame);
        }
    }
}
