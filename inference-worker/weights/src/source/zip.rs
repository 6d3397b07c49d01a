//! Members of zip archives, wheels among them: found by the directory at the archive's end, so that
//! an archive on a server is not read for it.
//!
//! Stored and deflated members are read, in archives of any size (zip64). Encrypted ones are not.

use super::{Opened, SourceError};

/// What ends an archive, without its comment.
const END_BYTES: usize = 22;
/// Longest comment.
const MAX_COMMENT_BYTES: usize = 0xffff;
/// Longest directory.
const MAX_DIRECTORY_BYTES: u64 = 16 << 20;
/// Bytes of what points to zip64's end, which lies before the other.
const LOCATOR_BYTES: usize = 20;

/// Why there is no such member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZipError {
    /// It is no archive.
    #[error("{0} is no zip archive, or a damaged one: fetch it again")]
    Damaged(String),
    /// No member has that name.
    #[error("{archive} has no member {member}; it has {}", .has.join(", "))]
    NoMember {
        /// The archive.
        archive: String,
        /// The name that was asked for.
        member: String,
        /// Names of the largest members.
        has: Vec<String>,
    },
    /// A way of packing that is not known here.
    #[error(
        "{member} in {archive} is packed by method {method}; stored and deflated members can be read"
    )]
    Method {
        /// The archive.
        archive: String,
        /// The member.
        member: String,
        /// Its method's number.
        method: u16,
    },
}

/// Where a member lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Where its packed bytes begin.
    pub(super) start: u64,
    /// How many they are.
    pub(super) packed: u64,
    /// Bytes when it is unpacked.
    pub(super) size: u64,
    pub(super) is_deflated: bool,
}

/// An entry of the directory.
struct Entry {
    name: String,
    flags: u16,
    method: u16,
    packed: u64,
    size: u64,
    header: u64,
}

/// Finds a member.
pub(super) async fn find(archive: &Opened, wanted: &str) -> Result<Member, SourceError> {
    let damaged = || ZipError::Damaged(archive.name().to_owned());
    let (from, length) = directory(archive).await?;
    let length = usize::try_from(length).map_err(|_| damaged())?;
    let bytes = archive.read_exact(from, length).await?;
    let entries = entries(&bytes).ok_or_else(damaged)?;
    let Some(entry) = entries.iter().find(|entry| entry.name == wanted) else {
        let mut largest: Vec<_> = entries.iter().collect();
        largest.sort_by_key(|entry| std::cmp::Reverse(entry.size));
        let has = largest.iter().take(5).map(|entry| entry.name.clone()).collect();
        let (archive, member) = (archive.name().to_owned(), wanted.to_owned());
        return Err(ZipError::NoMember { archive, member, has }.into());
    };
    if !matches!(entry.method, 0 | 8) || entry.flags & 1 == 1 {
        let (archive, member) = (archive.name().to_owned(), wanted.to_owned());
        return Err(ZipError::Method { archive, member, method: entry.method }.into());
    }
    // The header before the member has a name and remarks of its own length.
    let header = archive.read_exact(entry.header, 30).await?;
    let (name, remarks) = (number(&header, 26, 2), number(&header, 28, 2));
    let start = match (number(&header, 0, 4), name, remarks) {
        (Some(0x0403_4b50), Some(name), Some(remarks)) => {
            entry.header.checked_add(30 + name + remarks)
        }
        _ => None,
    };
    let start = start
        .filter(|start| start.checked_add(entry.packed).is_some_and(|end| end <= archive.size()))
        .filter(|_| entry.method == 8 || entry.packed == entry.size)
        .ok_or_else(damaged)?;
    Ok(Member { start, packed: entry.packed, size: entry.size, is_deflated: entry.method == 8 })
}

/// Where the directory begins, and its length.
async fn directory(archive: &Opened) -> Result<(u64, u64), SourceError> {
    let damaged = || ZipError::Damaged(archive.name().to_owned());
    let longest = (END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES) as u64;
    let tail_from = archive.size().saturating_sub(longest);
    let length = usize::try_from(archive.size() - tail_from).map_err(|_| damaged())?;
    let tail = archive.read_exact(tail_from, length).await?;
    let end = (0..(tail.len() + 1).saturating_sub(END_BYTES))
        .rev()
        .find(|&at| tail[at..].starts_with(b"PK\x05\x06"))
        .ok_or_else(damaged)?;
    let at = |from: usize, bytes: usize| number(&tail, from, bytes).ok_or_else(damaged);
    let (mut length, mut from) = (at(end + 12, 4)?, at(end + 16, 4)?);
    if length == 0xffff_ffff || from == 0xffff_ffff {
        let locator = end.checked_sub(LOCATOR_BYTES).ok_or_else(damaged)?;
        if !tail[locator..].starts_with(b"PK\x06\x07") {
            return Err(damaged().into());
        }
        let record = archive.read_exact(at(locator + 8, 8)?, 56).await?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(damaged().into());
        }
        length = number(&record, 40, 8).ok_or_else(damaged)?;
        from = number(&record, 48, 8).ok_or_else(damaged)?;
    }
    let is_inside = from.checked_add(length).is_some_and(|end| end <= archive.size());
    if length > MAX_DIRECTORY_BYTES || !is_inside {
        return Err(damaged().into());
    }
    Ok((from, length))
}

fn entries(directory: &[u8]) -> Option<Vec<Entry>> {
    let (mut rest, mut found) = (directory, Vec::new());
    while rest.starts_with(b"PK\x01\x02") {
        let length = |at| number(rest, at, 2).map(|length| length as usize);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let extra_bytes = rest.get(46 + name..46 + name + extra)?;
        let mut large = zip64(extra_bytes);
        // Whatever is too large for its place is in the remarks, in this order.
        let mut or_large = |value: u64| match value {
            0xffff_ffff => large.next(),
            value => Some(value),
        };
        let size = or_large(number(rest, 24, 4)?)?;
        let packed = or_large(number(rest, 20, 4)?)?;
        let header = or_large(number(rest, 42, 4)?)?;
        found.push(Entry {
            name: String::from_utf8_lossy(rest.get(46..46 + name)?).into_owned(),
            flags: number(rest, 8, 2)? as u16,
            method: number(rest, 10, 2)? as u16,
            packed,
            size,
            header,
        });
        rest = rest.get(46 + name + extra + comment..)?;
    }
    Some(found)
}

/// The numbers in zip64's remarks.
fn zip64(extra: &[u8]) -> impl Iterator<Item = u64> {
    let (mut rest, mut found) = (extra, &extra[..0]);
    while let (Some(kind), Some(length)) = (number(rest, 0, 2), number(rest, 2, 2)) {
        let Some(field) = rest.get(4..4 + length as usize) else { break };
        if kind == 1 {
            found = field;
        }
        rest = &rest[4 + length as usize..];
    }
    found.chunks_exact(8).filter_map(|bytes| number(bytes, 0, 8))
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}
