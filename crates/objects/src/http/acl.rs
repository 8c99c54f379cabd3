//! Access control lists.

use quick_xml::escape::escape;

use super::{Call, Input, headers, problem::Problem, reply::Reply, wire};
use crate::{Acl, ObjectError};

pub(super) fn get_bucket(call: &Call, _: Input) -> Result<Reply, Problem> {
    let row = call.objects().bucket(call.bucket())?;
    policy(call, &row.owner, row.acl)
}

pub(super) fn put_bucket(call: &Call, _: Input) -> Result<Reply, Problem> {
    let acl = headers::bucket_acl(&call.head)?.ok_or_else(without_header)?;
    call.objects().set_bucket_acl(call.bucket(), acl)?;
    Ok(Reply::empty(200))
}

pub(super) fn get_object(call: &Call, _: Input) -> Result<Reply, Problem> {
    let owner = call.objects().bucket(call.bucket())?.owner;
    let record = call.objects().head(call.bucket(), call.key())?;
    policy(call, &owner, record.attributes.acl)
}

pub(super) fn put_object(call: &Call, _: Input) -> Result<Reply, Problem> {
    let acl = headers::object_acl(&call.head)?.ok_or_else(without_header)?;
    call.objects().change_attributes(call.bucket(), call.key(), move |attributes| attributes.acl = acl)?;
    Ok(Reply::empty(200))
}

fn without_header() -> Problem {
    let reason = "access can only be given with the header for one of private, public-read, public-read-write".to_owned();
    ObjectError::InvalidArgument { name: "acl", value: String::new(), reason }.into()
}

fn policy(call: &Call, owner: &str, acl: Acl) -> Result<Reply, Problem> {
    if !call.is_s3() {
        let access_control_list = wire::Grants { grant: acl.as_str() };
        return Reply::xml(&wire::OssPolicy { owner: wire::Owner::new(owner), access_control_list });
    }
    Ok(Reply::document(s3_policy(owner, acl)))
}

/// S3's document needs attributes of another name space, which nothing else here does.
fn s3_policy(owner: &str, acl: Acl) -> String {
    let owner = escape(owner);
    let grant = |who: String, what: &str| {
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" {who}</Grantee><Permission>{what}</Permission></Grant>"
        )
    };
    let everybody = || "xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>".to_owned();
    let mut grants = grant(format!("xsi:type=\"CanonicalUser\"><ID>{owner}</ID><DisplayName>{owner}</DisplayName>"), "FULL_CONTROL");
    if matches!(acl, Acl::PublicRead | Acl::PublicReadWrite) {
        grants.push_str(&grant(everybody(), "READ"));
    }
    if acl == Acl::PublicReadWrite {
        grants.push_str(&grant(everybody(), "WRITE"));
    }
    format!(
        "<AccessControlPolicy xmlns=\"{}\"><Owner><ID>{owner}</ID><DisplayName>{owner}</DisplayName></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>",
        wire::S3_NAMESPACE
    )
}
