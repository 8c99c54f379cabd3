//! Metadata sections.

use std::slice::Iter;

use super::{Builder, Item, definitions::within, name, word};
use crate::{
    ast::{MetaValue, Name},
    source::Span,
};

impl Builder<'_> {
    /// The entries of a metadata section.
    pub(super) fn metadata(&self, node: &'static str, entries: &[(Name, MetaValue)], own: Span) -> Item {
        let entries = entries.iter().filter(|(key, _)| within(key.span, own)).map(|(key, value)| {
            let mut places = self.literals(key.span.end, own.end).iter();
            let kind = if self.draft2() { "RuntimeAttribute" } else { "MetaKvPair" };
            Item::Node(kind, vec![("key", name(key)), ("value", self.value(value, &mut places))])
        });
        Item::Node(node, vec![("map", Item::List(entries.collect()))])
    }

    /// A value; `places` gives the places of what is in it, in the order of the text.
    fn value(&self, value: &MetaValue, places: &mut Iter<'_, Span>) -> Item {
        match value {
            MetaValue::Array(items) => {
                let items = items.iter().map(|item| self.value(item, places));
                Item::Node("MetaArray", vec![("values", Item::List(items.collect()))])
            }
            MetaValue::Object(members) => {
                let members = members.iter().map(|(key, value)| {
                    let key = word("identifier", next(places).start, key.as_str());
                    Item::Node("MetaKvPair", vec![("key", key), ("value", self.value(value, places))])
                });
                Item::Node("MetaObject", vec![("map", Item::List(members.collect()))])
            }
            MetaValue::String(text) => word("string", next(places).start, text.as_str()),
            MetaValue::Null => self.written("null", places),
            MetaValue::Boolean(_) => self.written("boolean", places),
            MetaValue::Int(_) => self.written("integer", places),
            MetaValue::Float(_) => self.written("float", places),
        }
    }

    fn written(&self, kind: &'static str, places: &mut Iter<'_, Span>) -> Item {
        let span = next(places);
        word(kind, span.start, self.slice(span))
    }
}

fn next(places: &mut Iter<'_, Span>) -> Span {
    // The parser has noted a place for each of them.
    places.next().copied().unwrap_or_default()
}
