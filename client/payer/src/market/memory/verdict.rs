//! Who is to blame for a session that failed, as far as its payer can tell.

use mica_protocol::{
    FaultCode,
    payer::{SessionFailure, SessionReport},
    receipts::Culprits,
};

/// What one session says about the worker of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did what it should.
    Served,
    /// It had accepted the session and failed it, or what it signed is wrong.
    Failed(FaultCode),
    /// It did not take the session, or did not confirm its account after the last token.
    Refused(FaultCode),
    /// It may have done its part: somebody else failed.
    Unknown,
}

/// A verdict for each stage of `report`, in order. `was_accepted` says whether all had accepted.
pub(super) fn of(report: &SessionReport, was_accepted: bool) -> Vec<Verdict> {
    let Some(failure) = &report.failure else {
        return vec![Verdict::Served; report.stages.len()];
    };
    let blamed = blamed(report, failure);
    let code = failure.code;
    let is_hard = is_proof(code) || was_accepted && report.stop.is_none() && !is_polite(code);
    let verdict = if is_hard { Verdict::Failed(code) } else { Verdict::Refused(code) };
    let verdict_of = |stage| if blamed.contains(&stage) { verdict } else { Verdict::Unknown };
    (0..report.stages.len()).map(verdict_of).collect()
}

/// The stages that can have caused `failure`.
fn blamed(report: &SessionReport, failure: &SessionFailure) -> Vec<usize> {
    // A chain that stands still is nobody's failure.
    if matches!(
        failure.code,
        FaultCode::Cancelled
            | FaultCode::LimitReached
            | FaultCode::BadLimits
            | FaultCode::ChainStalled
    ) {
        return Vec::new();
    }
    match failure.culprits {
        Some(Culprits::Stage(stage)) => return vec![stage],
        Some(Culprits::Pair { sender, receiver }) => return vec![sender, receiver],
        Some(Culprits::Hub(_)) => return Vec::new(),
        None => {}
    }
    let unsettled = || (0..report.stages.len()).filter(|stage| !report.stages[*stage].settled);
    let Some(named) = failure.stage else { return unsettled().collect() };
    // Who says that its neighbour is gone, and then settles its own account, is not the one who is
    // gone.
    let is_about_others =
        matches!(failure.code, FaultCode::PeerLost | FaultCode::Silent | FaultCode::UnknownSession);
    let has_settled = report.stages.get(named).is_some_and(|stage| stage.settled);
    if is_about_others && has_settled && unsettled().next().is_some() {
        return unsettled().collect();
    }
    // A later stage that got no step in time and settles tells of those before it, which may have
    // been slow alone: whose fault it is cannot be said.
    if failure.code == FaultCode::Silent && has_settled && named > 0 {
        return Vec::new();
    }
    vec![named]
}

/// Whether the worker's own signature or numbers are wrong.
const fn is_proof(code: FaultCode) -> bool {
    matches!(
        code,
        FaultCode::BadAcceptance
            | FaultCode::BadReceipt
            | FaultCode::ReceiptMismatch
            | FaultCode::BadStatement
            | FaultCode::UnexpectedPosition
    )
}

/// Whether a worker may say so in the middle of a session without having done wrong.
const fn is_polite(code: FaultCode) -> bool {
    matches!(
        code,
        FaultCode::Draining
            | FaultCode::CreditExhausted
            | FaultCode::Underpaid
            | FaultCode::ChannelClosing
            | FaultCode::UnknownChannel
    )
}

#[cfg(test)]
mod tests {
    use mica_primitives::{ChannelId, LayerRange};
    use mica_protocol::{
        SessionId, channel::PayerLaneRecord, payer::StageReport, session::StopReason,
    };

    use super::*;

    fn stage(place: u8, settled: bool) -> StageReport {
        let channel = ChannelId([place; 32]);
        StageReport {
            peer: [place; 32],
            range: LayerRange { first: 0, end: 1 },
            channel,
            lane: 0,
            price_per_layer_token: 1,
            unit: 1,
            positions: 0,
            paid: 0,
            receipts: 0,
            settled,
            refused: None,
            record: PayerLaneRecord::unused(channel, 0),
        }
    }

    fn report(
        settled: &[bool],
        failure: Option<(Option<usize>, Option<Culprits>, FaultCode)>,
    ) -> SessionReport {
        let failure = failure.map(|(stage, culprits, code)| SessionFailure {
            stage,
            culprits,
            code,
            text: String::new(),
        });
        SessionReport {
            session: SessionId([0; 32]),
            tokens: Vec::new(),
            stop: None,
            stages: (0..).zip(settled).map(|(place, settled)| stage(place, *settled)).collect(),
            failure,
        }
    }

    use Verdict::{Failed, Refused, Served, Unknown};

    #[test]
    fn a_whole_session_speaks_for_everybody() {
        assert_eq!(of(&report(&[true, true], None), true), [Served, Served]);
    }

    #[test]
    fn who_tells_of_a_lost_neighbour_is_not_blamed_for_it() {
        let code = FaultCode::PeerLost;
        let told = report(&[true, false], Some((Some(0), None, code)));
        assert_eq!(of(&told, true), [Unknown, Failed(code)]);
        let alone = report(&[true, true], Some((Some(0), None, code)));
        assert_eq!(of(&alone, true), [Failed(code), Unknown], "nobody else is missing");
    }

    #[test]
    fn what_the_chain_does_is_no_failure_of_the_worker() {
        for code in [FaultCode::ChannelClosing, FaultCode::UnknownChannel] {
            let told = report(&[true], Some((Some(0), None, code)));
            assert_eq!(of(&told, true), [Refused(code)]);
        }
        let told = report(&[true], Some((Some(0), None, FaultCode::ChainStalled)));
        assert_eq!(of(&told, true), [Unknown]);
    }

    #[test]
    fn before_everybody_has_accepted_nobody_has_failed() {
        let code = FaultCode::TooManySessions;
        let full = report(&[true, false], Some((Some(1), None, code)));
        assert_eq!(of(&full, false), [Unknown, Refused(code)]);
        let code = FaultCode::BadAcceptance;
        let forged = report(&[true, false], Some((Some(1), None, code)));
        assert_eq!(of(&forged, false), [Unknown, Failed(code)], "a wrong signature is proof");
    }

    #[test]
    fn receipts_that_differ_are_both_sides_fault_and_a_cancelled_session_nobodys() {
        let code = FaultCode::ReceiptMismatch;
        let pair = Culprits::Pair { sender: 0, receiver: 1 };
        let differ = report(&[true, true, true], Some((None, Some(pair), code)));
        assert_eq!(of(&differ, true), [Failed(code), Failed(code), Unknown]);
        let ended = report(&[false], Some((None, None, FaultCode::Cancelled)));
        assert_eq!(of(&ended, true), [Unknown]);
    }

    #[test]
    fn a_missing_confirmation_after_the_last_token_is_no_failure() {
        let code = FaultCode::Silent;
        let mut whole = report(&[false], Some((Some(0), None, code)));
        whole.stop = Some(StopReason::EndId);
        assert_eq!(of(&whole, true), [Refused(code)]);
    }
}
