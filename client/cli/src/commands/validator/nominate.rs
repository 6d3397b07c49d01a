//! `mica validator nominate`: stands behind validators, and shares what they earn and lose.

use clap::Args;
use mica_chain::{AccountId, Call, Rewards, ValidatorState, View, amount};
use mica_primitives::Balance;

use super::{Change, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;
use crate::options::{parse_address, parse_amount};
use mica_payer::preview::Moved;

/// Most validators that the chain lets one account name.
const MOST: usize = 16;

/// Options of `mica validator nominate`.
#[derive(Debug, Args)]
pub struct NominateArgs {
    /// Accounts of validators that stand for election, at most 16; they take the place of those
    /// that were named before
    #[arg(required = true, value_name = "VALIDATOR", value_parser = parse_address)]
    validators: Vec<AccountId>,
    /// Put so much at stake first, for example 1000 MICA; on top of what is bonded already
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    bond: Option<Balance>,
    /// Add rewards to the bond instead of paying them to the account; chosen with the first bond
    #[arg(long, requires = "bond")]
    compound: bool,
    #[command(flatten)]
    options: SendOptions,
}

/// Runs `mica validator nominate`.
///
/// # Errors
/// [`CommandError::Usage`] for less than a nominator must have at stake, for an account that stands
/// for election itself, and for one that is named and does not; otherwise as every change.
pub(super) async fn run(context: &Context, arguments: &NominateArgs) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let view = chain.at_best().await?;
    let state = view.validator(context.account()?).await?;
    let added = arguments.bond.unwrap_or_default();
    check(&state, added, arguments.compound)?;
    let validators = distinct(&view, &arguments.validators).await?;
    let count = validators.len();
    let nominate = Call::Nominate(validators);
    let rewards = if arguments.compound { Rewards::Bonded } else { Rewards::Free };
    let call = match (added, state.has_bond) {
        (0, _) => nominate,
        (amount, false) => Call::BatchAll(vec![Call::Bond { amount, rewards }, nominate]),
        (amount, true) => Call::BatchAll(vec![Call::BondExtra(amount), nominate]),
    };
    let stake = amount::format(state.bonded.saturating_add(added));
    let change = Change {
        call,
        moved: Moved { sent: 0, locked: added },
        question: format!(
            "Stand behind {count} validators with {stake}, which their offences can cost"
        ),
        purpose: "nominating",
        done: format!("stands behind {count} validators with {stake}, from the next election on"),
    };
    change.carry_out(context, &chain, arguments.options).await
}

/// What an account must be and have.
fn check(state: &ValidatorState, added: Balance, compounds: bool) -> Result<(), CommandError> {
    if state.commission_ppb.is_some() {
        return refused(
            "this account stands for election itself, and a bond does one of the two: run `mica \
             validator chill` first, or nominate with another wallet",
        );
    }
    if compounds && state.has_bond {
        return refused("where rewards go is chosen with the first bond: leave --compound out");
    }
    let then = state.bonded.saturating_add(added);
    if then < state.least_nomination {
        return refused(format!(
            "a nominator has at least {} at stake, and this would be {}: name more with --bond",
            amount::format(state.least_nomination),
            amount::format(then)
        ));
    }
    Ok(())
}

/// The accounts, each once, if all of them stand for election.
async fn distinct(view: &View, named: &[AccountId]) -> Result<Vec<AccountId>, CommandError> {
    let mut validators: Vec<AccountId> = Vec::new();
    for account in named {
        if validators.contains(account) {
            continue;
        }
        if view.validator(*account).await?.commission_ppb.is_none() {
            return refused(format!("{account} does not stand for election: name one that does"));
        }
        validators.push(*account);
    }
    if validators.len() > MOST {
        return refused(format!("these are {} validators: name at most {MOST}", validators.len()));
    }
    Ok(validators)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::validator::tests::state;

    fn said(state: &ValidatorState, added: Balance, compounds: bool) -> String {
        check(state, added, compounds).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_nominator_has_enough_at_stake_and_is_no_candidate() {
        let fresh = ValidatorState { least_nomination: 10, ..state() };
        assert!(said(&fresh, 9, false).contains("--bond"));
        assert_eq!(said(&fresh, 10, true), "");
        let bonded = ValidatorState { has_bond: true, bonded: 10, ..fresh };
        assert_eq!(said(&bonded, 0, false), "");
        assert!(said(&bonded, 5, true).contains("--compound"));
        let candidate = ValidatorState { commission_ppb: Some(0), ..bonded };
        assert!(said(&candidate, 0, false).contains("mica validator chill"));
    }
}
