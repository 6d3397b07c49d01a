//! Why an included extrinsic failed: the runtime's error with its name, its meaning and a remedy.

use subxt::metadata::Metadata;

/// Whose account stood in the way of a movement of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Who signed the extrinsic.
    Sender,
    /// Who was to be paid.
    Receiver,
}

impl Party {
    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

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

    /// Whose account stood in the way; nothing if the error is not about money.
    pub fn concerns(&self) -> Option<Party> {
        match (self.pallet.as_str(), self.name.as_str()) {
            ("Token", "BelowMinimum" | "CannotCreate" | "Blocked")
            | ("Balances", "ExistentialDeposit" | "DeadAccount") => Some(Party::Receiver),
            ("Token" | "Balances", _) => Some(Party::Sender),
            _ => None,
        }
    }

    /// Reads SCALE bytes of `sp_runtime::DispatchError`; what follows them is not looked at.
    pub(crate) fn decode(bytes: &[u8], metadata: &Metadata) -> Self {
        let (pallet, name, meaning) = match *bytes {
            [3, pallet, error, ..] => return Self::of_pallet(pallet, error, metadata),
            [7, token, ..] => {
                let name = named(&TOKEN_ERRORS, token);
                ("Token", name, about_money(name))
            }
            [8, arithmetic, ..] => {
                ("Arithmetic", named(&ARITHMETIC_ERRORS, arithmetic), "a sum left its range")
            }
            [kind, ..] => ("Runtime", named(&KINDS, kind), "the runtime refused the call"),
            [] => ("Runtime", "Other", "the runtime gave no reason"),
        };
        Self {
            pallet: pallet.into(),
            name: name.into(),
            meaning: meaning.into(),
            remedy: remedy(pallet, name),
        }
    }

    fn of_pallet(pallet: u8, error: u8, metadata: &Metadata) -> Self {
        let found = metadata.pallet_by_error_index(pallet);
        let variant = found.as_ref().and_then(|pallet| pallet.error_variant_by_index(error));
        let pallet = found
            .as_ref()
            .map_or_else(|| format!("pallet {pallet}"), |pallet| pallet.name().to_owned());
        let name = variant.map_or_else(|| format!("error {error}"), |variant| variant.name.clone());
        let meaning =
            variant.map(|variant| variant.docs.join(" ").trim().to_owned()).unwrap_or_default();
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

/// Whose money an error of `Token` is about, and what is wrong with it.
fn about_money(name: &str) -> &'static str {
    match name {
        "BelowMinimum" | "CannotCreate" => {
            "the receiver would have less than the existential deposit, and the chain keeps no \
             account with so little"
        }
        "Blocked" => "the receiver takes no money",
        "NotExpendable" | "OnlyProvider" => {
            "the sender would be left with less than its existential deposit"
        }
        "FundsUnavailable" => "the sender does not have so much that it may move",
        "Frozen" => "the sender's money is frozen",
        "CannotCreateHold" => "the account takes no further hold",
        _ => "the money is not there or may not be moved",
    }
}

/// What a person can do about an error, where the pallet's own words do not say it.
fn remedy(pallet: &str, name: &str) -> &'static str {
    match (pallet, name) {
        ("Token", "FundsUnavailable") | ("Balances", "InsufficientBalance") => {
            "send the account more MICA, or ask for less"
        }
        ("Token", "NotExpendable" | "OnlyProvider" | "CannotCreateHold")
        | ("Balances", "Expendability") => "leave the sender at least its existential deposit",
        ("Token", "BelowMinimum" | "CannotCreate") | ("Balances", "ExistentialDeposit") => {
            "send at least so much that the receiver has the existential deposit (`mica wallet \
             transfer … --dry-run` names the sum)"
        }
        ("Arithmetic", "Underflow" | "Overflow") => {
            "ask for a smaller amount: the account does not hold so much"
        }
        ("Proxy", "NotProxy") => {
            "the account has not named this key as its proxy, or took that back: name it again \
             with the account's own key"
        }
        ("System", "CallFiltered") => {
            "a proxy may not make this call (use the account's own key), or the chain is paused"
        }
        ("Runtime", "BadOrigin") => "sign with the account that owns what the call is about",
        ("Runtime", "Exhausted") => "try again in a later block",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(index: u8) -> DispatchFailure {
        let name = named(&TOKEN_ERRORS, index);
        DispatchFailure {
            pallet: "Token".into(),
            name: name.into(),
            meaning: about_money(name).into(),
            remedy: remedy("Token", name),
        }
    }

    #[test]
    fn a_failure_is_blamed_on_the_account_that_it_concerns() {
        let (below, dust, poor) = (token(2), token(8), token(0));
        assert_eq!(
            (below.name.as_str(), below.concerns()),
            ("BelowMinimum", Some(Party::Receiver))
        );
        assert!(
            below.to_string().contains("the receiver would have less")
                && !below.to_string().contains("sender"),
            "{below}"
        );
        assert_eq!((dust.name.as_str(), dust.concerns()), ("NotExpendable", Some(Party::Sender)));
        assert_eq!(
            (poor.name.as_str(), poor.concerns()),
            ("FundsUnavailable", Some(Party::Sender))
        );
        let other = DispatchFailure {
            pallet: "Channels".into(),
            name: "NoChannel".into(),
            meaning: String::new(),
            remedy: "",
        };
        assert_eq!(other.concerns(), None);
    }
}
