//! Tags of objects.

use std::collections::BTreeMap;

use super::{Call, Input, problem::Problem, reply::Reply, wire};

pub(super) fn get(call: &Call, _: Input) -> Result<Reply, Problem> {
    let tags = call.objects().head(call.bucket(), call.key())?.attributes.tags;
    let tags = tags.into_iter().map(|(key, value)| wire::Tag { key, value }).collect();
    Reply::xml(&wire::Tagging { tag_set: wire::TagSet { tags } })
}

/// A bucket has none, which S3's clients ask for.
pub(super) fn get_bucket(call: &Call, _: Input) -> Result<Reply, Problem> {
    if call.is_s3() {
        return Err(Problem::new(404, "NoSuchTagSet", "the bucket has no tags"));
    }
    Reply::xml(&wire::Tagging { tag_set: wire::TagSet::default() })
}

pub(super) fn put(call: &Call, input: Input) -> Result<Reply, Problem> {
    let wanted: wire::Tagging = wire::parse(input.document())?;
    let mut tags = BTreeMap::new();
    for tag in wanted.tag_set.tags {
        if tags.insert(tag.key.clone(), tag.value).is_some() {
            return Err(Problem::new(400, "InvalidTag", format!("the tag `{}` is there twice", crate::name::shortened(&tag.key))));
        }
    }
    call.objects().change_attributes(call.bucket(), call.key(), move |attributes| attributes.tags = tags)?;
    Ok(Reply::empty(200))
}

pub(super) fn delete(call: &Call, _: Input) -> Result<Reply, Problem> {
    call.objects().change_attributes(call.bucket(), call.key(), |attributes| attributes.tags.clear())?;
    Ok(Reply::empty(204))
}
