//! Why no work came in the last hour, and what would change that.

use std::fmt::Write;

use mica_chain::amount;
use mica_primitives::LayerRange;
use mica_protocol::FaultCode;
use serde::Serialize;

use super::{Finding, rivals::Rivalry, typed};
use crate::daemon::tally::LastHour;

/// What else is known.
#[derive(Default)]
pub(super) struct Facts {
    /// Layers that nobody serves.
    pub gaps: Vec<LayerRange>,
    /// How payers see the price; nothing if the registry was not read.
    pub rivalry: Option<Rivalry>,
}

/// One reason for which less work came than could have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Cause {
    /// A name that programs can rely on.
    pub code: String,
    /// How often, or how long.
    pub text: String,
    /// What would change it.
    pub change: String,
}

impl Cause {
    fn new(code: &str, text: impl Into<String>, change: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into(), change: change.into() }
    }

    /// Two lines below the findings.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = writeln!(text, "         because    {}", mica_text::lines(&self.text));
        let _ = writeln!(text, "                      {}", mica_text::lines(&self.change));
        text
    }
}

/// The last hour in one finding.
pub(super) fn finding(hour: Option<&LastHour>, causes: &[Cause]) -> Finding {
    let Some(hour) = hour else {
        return Finding::note("work", "nothing was counted: no worker runs that could", None);
    };
    let found = format!(
        "in the last {} min: {} quotes given, {} sessions asked for, {} taken, {} ended with {} \
         tokens and {} earned",
        hour.minutes,
        hour.quotes,
        hour.openings,
        hour.accepted,
        hour.sessions_ended,
        hour.positions,
        amount::format(hour.earned)
    );
    match hour.accepted {
        0 if causes.is_empty() => Finding::note("work", found, None),
        0 => Finding::note("work", found, Some("see the causes below".to_owned())),
        _ => Finding::good("work", found),
    }
}

/// The reasons, those first that keep all work away.
pub(super) fn causes(hour: &LastHour, facts: &Facts) -> Vec<Cause> {
    let mut causes: Vec<Cause> = hour
        .not_serving
        .iter()
        .filter(|part| part.seconds > 0)
        .map(|part| {
            let text = format!("it could not serve for {} s ({})", part.seconds, part.code);
            Cause::new(&part.code, text, change_of_standing(&part.code))
        })
        .collect();
    if hour.quotes_when_full > 0 {
        causes.push(Cause::new(
            "full",
            format!("{} of {} quotes said that it is full", hour.quotes_when_full, hour.quotes),
            "raise limits.sessions or limits.cache_positions, or serve fewer layers, which leaves \
             memory for more sessions",
        ));
    }
    for refused in &hour.refused {
        let code = FaultCode::from_number(refused.number);
        let text = format!("{} openings were refused: {}", refused.count, refused.fault);
        causes.push(Cause::new(&refused.fault, text, change_of_refusal(code)));
    }
    // A quote that nobody takes, or that nobody asks for, has its reason in the market.
    if hour.accepted == 0 {
        causes.extend(of_market(hour, facts));
    }
    causes
}

fn of_market(hour: &LastHour, facts: &Facts) -> Option<Cause> {
    if let Some(gap) = facts.gaps.first() {
        return Some(Cause::new(
            "not_covered",
            format!("nobody serves layers {}, so no payer can ask this model", typed(*gap)),
            "serve these layers as well, or wait for others",
        ));
    }
    let asked = match (hour.quotes, hour.openings) {
        (0, 0) => "no payer asked for a quote",
        (_, 0) => "quotes were given, and payers took others'",
        _ => return None,
    };
    Some(match facts.rivalry {
        Some(Rivalry::TooDear { price }) => Cause::new(
            "too_dear",
            format!("{asked}: others are cheaper for what they give"),
            format!("a price of {} per layer and token or less", amount::format(price)),
        ),
        Some(Rivalry::TooSlow { .. }) => Cause::new(
            "too_slow",
            format!("{asked}: others are faster, or serve more layers in one stage"),
            "more cores, more layers (which saves payers a stage), or other layers",
        ),
        _ if hour.quotes > 0 => Cause::new(
            "not_taken",
            asked,
            "see `reach`: a payer that cannot connect well takes another worker",
        ),
        _ => Cause::new(
            "no_demand",
            format!("{asked}, though it is where payers would go: nobody wanted this model"),
            "a model that more people want: `mica market` lists them",
        ),
    })
}

fn change_of_standing(code: &str) -> &'static str {
    match code {
        "offline" | "jailed" => "heartbeats that reach the chain: see `node` and `fees`",
        "node_away" | "node_behind" => "a node that answers: mica-worker config set node_url …",
        "not_registered" => "money for the stake, and a look at `mica-worker logs`",
        "another_instance" => "one process with this account alone",
        "on_battery" | "too_hot" | "out_of_hours" => {
            "the rules under [machine]: mica-worker config list"
        }
        _ => "see `registry`, and `mica-worker logs`",
    }
}

/// What an operator can do about openings that his worker refuses.
fn change_of_refusal(code: FaultCode) -> &'static str {
    match code {
        FaultCode::TooManySessions => {
            "a higher limits.sessions, sessions_per_peer or …_per_account"
        }
        FaultCode::NoCacheRoom => "more memory for caches: fewer layers, or limits.cache_positions",
        FaultCode::PriceTooLow => "a lower price: payers offered what an older list price said",
        FaultCode::HoldingUnpaid => "a lower market.holding_price",
        FaultCode::TooLittle => "a lower market.least_promise, if such small channels are worth it",
        FaultCode::WindowTooShort => "a lower limits.min_window: most payers' channels are shorter",
        FaultCode::WrongRange | FaultCode::WrongModel => {
            "nothing: payers read the registry anew after a move"
        }
        FaultCode::UnknownVersion | FaultCode::WrongProfile => "the same version as payers have",
        FaultCode::Draining => "nothing: it was stopping or moving",
        FaultCode::UnknownChannel | FaultCode::ChainStalled => {
            "a node that is in step with the chain: see `node`"
        }
        FaultCode::UnknownNeighbour => "nothing: the payer's path had a worker that is gone",
        FaultCode::Underpaid => "nothing: these payers have left sessions unpaid",
        _ => "nothing here: the payer's side must change it",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};
    use crate::daemon::tally::{NotServing, Refused};

    fn codes(hour: &LastHour, facts: &Facts) -> Vec<String> {
        causes(hour, facts).into_iter().map(|cause| cause.code).collect()
    }

    fn quiet() -> LastHour {
        LastHour { minutes: 60, ..LastHour::default() }
    }

    #[test]
    fn an_hour_without_quotes_is_the_markets_fault_or_the_prices() {
        let facts = |gaps: Vec<LayerRange>, rivalry| Facts { gaps, rivalry: Some(rivalry) };
        let chosen = Rivalry::Chosen { path_price: 1, rivals: 0 };
        assert_eq!(codes(&quiet(), &facts(Vec::new(), chosen)), ["no_demand"]);
        let dear = Rivalry::TooDear { price: 5 };
        assert_eq!(codes(&quiet(), &facts(Vec::new(), dear)), ["too_dear"]);
        let gap = LayerRange { first: 0, end: 2 };
        assert_eq!(codes(&quiet(), &facts(vec![gap], Rivalry::NoPath)), ["not_covered"]);
        let quoted = LastHour { quotes: 9, ..quiet() };
        assert_eq!(codes(&quoted, &facts(Vec::new(), chosen)), ["not_taken"]);
        let slow = Rivalry::TooSlow { fastest_us: 1 };
        assert_eq!(codes(&quoted, &facts(Vec::new(), slow)), ["too_slow"]);
    }

    #[test]
    fn what_the_worker_did_itself_is_told_with_what_would_change_it() {
        let hour = LastHour {
            quotes: 5,
            quotes_when_full: 2,
            openings: 3,
            refused: vec![Refused { fault: "WindowTooShort".to_owned(), number: 48, count: 3 }],
            not_serving: vec![NotServing { code: "offline".to_owned(), seconds: 240 }],
            ..quiet()
        };
        let found = causes(&hour, &Facts::default());
        let codes: Vec<&str> = found.iter().map(|cause| cause.code.as_str()).collect();
        assert_eq!(codes, ["offline", "full", "WindowTooShort"]);
        assert!(found[2].change.contains("min_window"), "{found:?}");
        assert!(found.iter().all(|cause| cause.to_text().lines().count() == 2));
    }

    #[test]
    fn an_hour_with_work_is_good_and_has_no_fault_of_the_market() {
        let hour = LastHour { quotes: 5, openings: 2, accepted: 2, ..quiet() };
        assert_eq!(codes(&hour, &Facts::default()), Vec::<String>::new());
        assert_eq!(finding(Some(&hour), &[]).state, State::Good);
        assert_eq!(finding(None, &[]).state, State::Note);
    }

    #[test]
    fn every_fault_of_an_opening_has_an_answer() {
        for code in FaultCode::ALL {
            assert!(change_of_refusal(*code).len() > 10, "{code}");
        }
    }
}
