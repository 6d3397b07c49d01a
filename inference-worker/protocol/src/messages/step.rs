//! Steps: rows of work that travel down the path.

use codec::{Decode, Encode};

use crate::{
    SessionId,
    limits::{MAX_HIDDEN, MAX_STEP_ROWS},
};

/// What a stage computes on. Its bytes are what receipts hash.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Payload {
    /// Token ids, into layer 0.
    #[codec(index = 0)]
    Tokens(Vec<u32>),
    /// Hidden states `[rows, hidden]`, f32 little-endian, row after row.
    #[codec(index = 1)]
    Hidden(Vec<u8>),
}

/// Why a payload does not fit its step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// No rows, or more than a step may have.
    #[error("a step has 1 to {MAX_STEP_ROWS} rows and this one has {0}: split it")]
    Rows(usize),
    /// Not `rows · hidden` values.
    #[error("{rows} rows of {hidden} values take {} bytes and {bytes} came: check the model's width", u64::from(*rows) * u64::from(*hidden) * 4)]
    Bytes {
        /// Rows announced.
        rows: u16,
        /// Values per row.
        hidden: u32,
        /// Bytes that came.
        bytes: usize,
    },
    /// Tokens where hidden states are due, or the other way round.
    #[error("layer 0 takes token ids and every other layer takes hidden states: check the path")]
    Kind,
    /// A token id beyond the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocabulary}: check the tokenizer")]
    Token {
        /// The id.
        id: u32,
        /// Number of ids.
        vocabulary: u32,
    },
}

impl Payload {
    /// Hidden states from values.
    pub fn from_f32(values: &[f32]) -> Self {
        let mut bytes = Vec::with_capacity(values.len() * 4);
        values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        Self::Hidden(bytes)
    }

    /// Hidden states as values; nothing for tokens. Trailing bytes that form no value are left out:
    /// check the payload first.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        match self {
            Self::Tokens(_) => None,
            Self::Hidden(bytes) => Some(
                bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
            ),
        }
    }

    /// The bytes that receipts hash: u32 little-endian ids, or the rows as they are.
    pub fn wire_bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        match self {
            Self::Tokens(ids) => {
                ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>().into()
            }
            Self::Hidden(bytes) => bytes.as_slice().into(),
        }
    }

    /// Puts the rows of `more`, which are of the same kind, behind these.
    pub(crate) fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Tokens(ids), Self::Tokens(more)) => ids.extend(more),
            (Self::Hidden(bytes), Self::Hidden(more)) => bytes.extend(more),
            // A session's steps are all of one kind: that was checked when they came.
            (Self::Tokens(_), Self::Hidden(_)) | (Self::Hidden(_), Self::Tokens(_)) => {}
        }
    }

    /// Cuts `rows` rows of `hidden` values into payloads of at most [`MAX_STEP_ROWS`] rows, each
    /// with its number.
    ///
    /// # Errors
    /// If they are not so many rows of that width.
    pub(crate) fn steps(&self, rows: u16, hidden: u32) -> Result<Vec<(u16, Self)>, PayloadError> {
        let Self::Hidden(bytes) = self else { return Err(PayloadError::Kind) };
        check_bytes(bytes, rows, hidden)?;
        let row_bytes = bytes.len() / usize::from(rows.max(1));
        let pieces = bytes.chunks((row_bytes * usize::from(MAX_STEP_ROWS)).max(1));
        Ok(pieces
            .map(|piece| ((piece.len() / row_bytes) as u16, Self::Hidden(piece.to_vec())))
            .collect())
    }

    /// Whether this is `rows` token ids below `vocabulary`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_tokens(&self, rows: u16, vocabulary: u32) -> Result<(), PayloadError> {
        let Self::Tokens(ids) = self else { return Err(PayloadError::Kind) };
        check_rows(rows)?;
        if ids.len() != usize::from(rows) {
            return Err(PayloadError::Rows(ids.len()));
        }
        match ids.iter().find(|id| **id >= vocabulary) {
            Some(id) => Err(PayloadError::Token { id: *id, vocabulary }),
            None => Ok(()),
        }
    }

    /// Whether this is `rows` rows of `hidden` values.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_hidden(&self, rows: u16, hidden: u32) -> Result<(), PayloadError> {
        let Self::Hidden(bytes) = self else { return Err(PayloadError::Kind) };
        check_rows(rows)?;
        check_bytes(bytes, rows, hidden)
    }
}

fn check_bytes(bytes: &[u8], rows: u16, hidden: u32) -> Result<(), PayloadError> {
    let expected = u64::from(rows) * u64::from(hidden.min(MAX_HIDDEN)) * 4;
    if bytes.len() as u64 == expected && hidden <= MAX_HIDDEN {
        Ok(())
    } else {
        Err(PayloadError::Bytes { rows, hidden, bytes: bytes.len() })
    }
}

fn check_rows(rows: u16) -> Result<(), PayloadError> {
    if (1..=MAX_STEP_ROWS).contains(&rows) { Ok(()) } else { Err(PayloadError::Rows(rows.into())) }
}

/// One pass of one or more positions through the next stage.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Step {
    /// The session.
    pub session: SessionId,
    /// First position, from 0.
    pub first_position: u32,
    /// Positions, `1..=MAX_STEP_ROWS`.
    pub rows: u16,
    /// Whether the last stage draws a token from the last row: at the end of the prompt, and in
    /// every step after it.
    pub sample: bool,
    /// The rows.
    pub payload: Payload,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_wire_to_the_bit() {
        let values = [0.0, -0.0, 1.5, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::NEG_INFINITY];
        let back = Payload::from_f32(&values).to_f32().expect("hidden");
        assert!(values.iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!(Payload::Tokens(vec![1]).to_f32(), None);
        assert_eq!(Payload::Tokens(vec![1, 256]).wire_bytes().as_ref(), [1, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn rows_are_put_together_and_cut_again() {
        let values: Vec<f32> = (0..35 * 3).map(|i| i as f32).collect();
        let mut whole = Payload::from_f32(&values[..6]);
        whole.append(Payload::from_f32(&values[6..]));
        let steps = whole.steps(35, 3).expect("whole rows");
        assert_eq!(steps.iter().map(|(rows, _)| *rows).collect::<Vec<_>>(), [16, 16, 3]);
        assert!(steps.iter().all(|(rows, payload)| payload.check_hidden(*rows, 3).is_ok()));
        let back: Vec<f32> =
            steps.iter().flat_map(|(_, payload)| payload.to_f32().expect("hidden")).collect();
        assert_eq!(back, values);
        assert_eq!(
            whole.steps(34, 3),
            Err(PayloadError::Bytes { rows: 34, hidden: 3, bytes: 35 * 12 })
        );
        assert_eq!(Payload::Hidden(Vec::new()).steps(0, 3), Ok(Vec::new()));
        let mut ids = Payload::Tokens(vec![1]);
        ids.append(Payload::Tokens(vec![2, 3]));
        assert_eq!(ids, Payload::Tokens(vec![1, 2, 3]));
    }

    #[test]
    fn payloads_that_do_not_fit_are_refused() {
        let tokens = Payload::Tokens(vec![5, 9]);
        assert_eq!(tokens.check_tokens(2, 10), Ok(()));
        assert_eq!(tokens.check_tokens(2, 9), Err(PayloadError::Token { id: 9, vocabulary: 9 }));
        assert_eq!(tokens.check_tokens(1, 10), Err(PayloadError::Rows(2)));
        assert_eq!(tokens.check_hidden(2, 4), Err(PayloadError::Kind));
        let hidden = Payload::from_f32(&[0.0; 8]);
        assert_eq!(hidden.check_hidden(2, 4), Ok(()));
        assert_eq!(
            hidden.check_hidden(1, 4),
            Err(PayloadError::Bytes { rows: 1, hidden: 4, bytes: 32 })
        );
        assert_eq!(hidden.check_hidden(0, 4), Err(PayloadError::Rows(0)));
        assert_eq!(hidden.check_hidden(MAX_STEP_ROWS + 1, 4), Err(PayloadError::Rows(17)));
        assert_eq!(hidden.check_tokens(2, 10), Err(PayloadError::Kind));
        assert!(hidden.check_hidden(2, MAX_HIDDEN + 1).is_err());
    }
}
