//! Why an included extrinsic failed: the runtime's error with its name, its meaning and a remedy.

use subxt::metadata::Metadata;

/// A dispatch error with words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchFailure {
    /// Pallet of the error; `Runtime` for errors that belong to none.
    pub pallet: String,
    /// Name of the error.
    pub name: String,
    /// What it means, from the pallet's own documentation.
    pub meaning: String,
    /// What to do about it; empty if nothing better than its meaning is known.
    pub remedy: &'static str,
}

impl DispatchFailure {
    /// Whether it is `pallet`'s error `name`.
    pub fn is(&self, pallet: &str, name: &str) -> bool {
        self.pallet == pallet && self.name == name
    }

    /// Reads SCALE bytes of `sp_runtime::DispatchError`; what follows them is not looked at.
    pub(crate) fn decode(bytes: &[u8], metadata: &Metadata) -> Self {
        let (pallet, name, meaning) = match *bytes {
            [3, pallet, error, ..] => return Self::of_pallet(pallet, error, metadata),
            [7, token, ..] => ("Token", named(&TOKEN_ERRORS, token), "the money is not there or may not be moved"),
            [8, arithmetic, ..] => ("Arithmetic", named(&ARITHMETIC_ERRORS, arithmetic), "a sum left its range"),
            [kind, ..] => ("Runtime", named(&KINDS, kind), "the runtime refused the call"),
            [] => ("Runtime", "Other", "the runtime gave no reason"),
        };
        Self { pallet: pallet.into(), name: name.into(), meaning: meaning.into(), remedy: remedy(pallet, name) }
    }

    fn of_pallet(pallet: u8, error: u8, metadata: &Metadata) -> Self {
        let found = metadata.pallet_by_error_index(pallet);
        let variant = found.as_ref().and_then(|pallet| pallet.error_variant_by_index(error));
        let pallet = found.as_ref().map_or_else(|| format!("pallet {pallet}"), |pallet| pallet.name().to_owned());
        let name = variant.map_or_else(|| format!("error {error}"), |variant| variant.name.clone());
        let meaning = variant.map(|variant| variant.docs.join(" ").trim().to_owned()).unwrap_or_default();
        let remedy = remedy(&pallet, &name);
        Self { pallet, name, meaning, remedy }
    }
}

impl std::fmt::Display for DispatchFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.pallet, self.name)?;
        if !self.meaning.is_empty() {
            write!(f, " ({})", self.meaning.trim_end_matches('.'))?;
        }
        if !self.remedy.is_empty() {
            write!(f, ": {}", self.remedy)?;
        }
        Ok(())
    }
}

const KINDS: [&str; 15] = [
    "Other",
    "CannotLookup",
    "BadOrigin",
    "Module",
    "ConsumerRemaining",
    "NoProviders",
    "TooManyConsumers",
    "Token",
    "Arithmetic",
    "Transactional",
    "Exhausted",
    "Corruption",
    "Unavailable",
    "RootNotAllowed",
    "Trie",
];
const TOKEN_ERRORS: [&str; 10] = [
    "FundsUnavailable",
    "OnlyProvider",
    "BelowMinimum",
    "CannotCreate",
    "UnknownAsset",
    "Frozen",
    "Unsupported",
    "CannotCreateHold",
    "NotExpendable",
    "Blocked",
];
const ARITHMETIC_ERRORS: [&str; 3] = ["Underflow", "Overflow", "DivisionByZero"];

fn named(names: &[&'static str], index: u8) -> &'static str {
    names.get(usize::from(index)).copied().unwrap_or("Other")
}

/// What a person can do about an error, where the pallet's own words do not say it.
fn remedy(pallet: &str, name: &str) -> &'static str {
    match (pallet, name) {
        ("Token", "FundsUnavailable") | ("Balances", "InsufficientBalance") => "send the account more MICA, or ask for less",
        ("Token", "NotExpendable" | "BelowMinimum" | "CannotCreateHold") | ("Balances", "Expendability" | "ExistentialDeposit") => {
            "leave the account at least its existential deposit"
        }
        ("Arithmetic", "Underflow" | "Overflow") => "ask for a smaller amount: the account does not hold so much",
        ("Runtime", "BadOrigin") => "sign with the account that owns what the call is about",
        ("Runtime", "Exhausted") => "try again in a later block",
        _ => "",
    }
}
