//! The index of a model: the hash and size of its head and of each tensor.
//!
//! On its own it proves nothing. Together with the head it gives a manifest, and the hash of that
//! is the model's id: see [`Index::open`].

use std::path::PathBuf;

use codec::{Decode, Encode};
use mica_engine::{GgufError, GgufFile, LoadError, ModelManifest};
use mica_primitives::{Hash32, ModelId};

/// Longest head: the largest vocabularies in use need 16 MiB.
pub const MAX_HEAD_BYTES: u64 = 64 << 20;
/// Most bytes of an index: 16,384 tensors have 640 KiB.
pub(crate) const MAX_INDEX_BYTES: usize = 1 << 20;
/// Most bytes of a tensor.
const MAX_TENSOR_BYTES: u64 = 1 << 40;
/// What its bytes begin with.
const VERSION: u8 = 1;

/// Bytes under their name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Blob {
    /// Their blake3.
    pub hash: Hash32,
    /// How many they are.
    pub bytes: u64,
}

/// Hashes and sizes of a model's parts.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Index {
    /// The head.
    pub head: Blob,
    /// The tensors, in the head's order.
    pub tensors: Vec<Blob>,
}

/// Why an index is not that of a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Its bytes are no index.
    #[error("it is no index of a model, or one of a version that this program does not know")]
    Malformed,
    /// The head is no head.
    #[error("its head cannot be used: {0}")]
    Head(#[from] GgufError),
    /// The head and the hashes are of no model that we can run.
    #[error("its head cannot be used: {0}")]
    Load(#[from] LoadError),
    /// Head and index contradict each other.
    #[error("its head and its index are of different models")]
    Contradiction,
    /// There is more in the head than the id vouches for.
    #[error("its head is not written as it should be, or by another version of this program")]
    Unusual,
    /// It is another model.
    #[error("it is of model {found}, not of {wanted}")]
    Other {
        /// Of which it is.
        found: ModelId,
        /// Of which it should be.
        wanted: ModelId,
    },
}

impl Index {
    /// The index of an opened model, and its head. Hashes all of it.
    ///
    /// # Errors
    /// [`LoadError`] if a tensor cannot be read.
    pub fn of(file: &GgufFile) -> Result<(Self, Vec<u8>), LoadError> {
        Ok(Self::with_hashes(file, &file.tensor_hashes()?))
    }

    /// The same with the tensors' hashes, which are known already, one for each.
    pub(crate) fn with_hashes(file: &GgufFile, hashes: &[Hash32]) -> (Self, Vec<u8>) {
        let head = file.head();
        let tensors = file
            .tensors()
            .zip(hashes)
            .map(|(tensor, &hash)| Blob { hash, bytes: tensor.size_bytes() as u64 })
            .collect();
        let blob = Blob { hash: *blake3::hash(&head).as_bytes(), bytes: head.len() as u64 };
        (Self { head: blob, tensors }, head)
    }

    /// The model that head and index are of, after all that they claim was checked; `file_of` says
    /// where each tensor lies or will lie.
    ///
    /// # Errors
    /// [`IndexError`]; the id is for the caller to compare.
    pub fn open(
        &self,
        head: &[u8],
        file_of: impl FnMut(usize) -> PathBuf,
    ) -> Result<(GgufFile, ModelManifest), IndexError> {
        if *blake3::hash(head).as_bytes() != self.head.hash {
            return Err(IndexError::Contradiction);
        }
        let file = GgufFile::from_head(head, file_of)?;
        // The id does not depend on what else a head may hold. Whoever puts megabytes of that into
        // it would have every worker keep them and pass them on.
        if file.head() != head {
            return Err(IndexError::Unusual);
        }
        let sizes = file.tensors().map(|tensor| tensor.size_bytes() as u64);
        if !sizes.eq(self.tensors.iter().map(|tensor| tensor.bytes)) {
            return Err(IndexError::Contradiction);
        }
        let hashes: Vec<_> = self.tensors.iter().map(|tensor| tensor.hash).collect();
        let manifest = file.manifest_with(&hashes)?;
        Ok((file, manifest))
    }

    /// The same if it is the model `wanted`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn open_as(
        &self,
        wanted: ModelId,
        head: &[u8],
        file_of: impl FnMut(usize) -> PathBuf,
    ) -> Result<(GgufFile, ModelManifest), IndexError> {
        let (file, manifest) = self.open(head, file_of)?;
        let found = manifest.id();
        if found == wanted {
            Ok((file, manifest))
        } else {
            Err(IndexError::Other { found, wanted })
        }
    }

    /// For disk and wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [vec![VERSION], self.encode()].concat()
    }

    /// As [`Index::to_bytes`] gave it.
    ///
    /// # Errors
    /// [`IndexError::Malformed`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let malformed = || IndexError::Malformed;
        let (&version, mut rest) = bytes.split_first().ok_or_else(malformed)?;
        if version != VERSION || bytes.len() > MAX_INDEX_BYTES {
            return Err(IndexError::Malformed);
        }
        let index = Self::decode(&mut rest).map_err(|_| IndexError::Malformed)?;
        let sizes = || index.tensors.iter().map(|tensor| tensor.bytes);
        let is_sane = rest.is_empty()
            && (1..=MAX_HEAD_BYTES).contains(&index.head.bytes)
            && sizes().all(|bytes| (1..=MAX_TENSOR_BYTES).contains(&bytes));
        if is_sane { Ok(index) } else { Err(IndexError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_engine::embedded;

    #[test]
    fn an_index_and_its_head_are_the_model_and_nothing_that_differs_is() {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let (index, head) = Index::of(&file).expect("it reads");
        let again = Index::from_bytes(&index.to_bytes()).expect("an index");
        assert_eq!(again, index);
        let id = file.manifest().expect("a manifest").id();
        let open = |index: &Index, head: &[u8]| {
            index.open_as(id, head, |_| "nowhere".into()).map(|(_, manifest)| manifest.id())
        };
        assert_eq!(open(&index, &head).expect("the model"), id);
        let mut other = index.clone();
        other.tensors[5].hash[0] ^= 1;
        assert!(matches!(open(&other, &head), Err(IndexError::Other { .. })));
        let mut other = index.clone();
        other.tensors[5].bytes += 1;
        assert!(matches!(open(&other, &head), Err(IndexError::Contradiction)));
        // A remark that the manifest does not depend on: one more entry, with an empty text.
        let mut padded = head.clone();
        padded[16] += 1;
        let key = b"general.remark";
        let mut entry = (key.len() as u64).to_le_bytes().to_vec();
        entry.extend_from_slice(key);
        entry.extend(8u32.to_le_bytes());
        entry.extend(0u64.to_le_bytes());
        padded.splice(24..24, entry);
        let bytes = padded.len() as u64;
        let blob = Blob { hash: *blake3::hash(&padded).as_bytes(), bytes };
        let other = Index { head: blob, ..index.clone() };
        assert!(matches!(open(&other, &padded), Err(IndexError::Unusual)));
        let mut wrong = head.clone();
        let at = wrong.len() / 2;
        wrong[at] ^= 1;
        assert!(matches!(open(&index, &wrong), Err(IndexError::Contradiction)));
        // A head that fits a hash which the same liar made up is no better: the id differs.
        let mut other = index.clone();
        other.head.hash = *blake3::hash(&wrong).as_bytes();
        assert!(open(&other, &wrong).is_err());
    }

    #[test]
    fn other_bytes_are_no_index() {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        let bytes = Index::of(&file).expect("it reads").0.to_bytes();
        for end in 0..bytes.len() {
            assert!(Index::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Index::from_bytes(&longer).is_err());
        let other_version = [&[2], &bytes[1..]].concat();
        assert!(Index::from_bytes(&other_version).is_err());
        // A count that promises more than there is.
        let mut huge = bytes[..41].to_vec();
        huge.extend([0xfe, 0xff, 0xff, 0xff]);
        assert!(Index::from_bytes(&huge).is_err());
    }
}
