//! What hubs say, and what it means for the session.

use mica_primitives::PublicKey;

use super::{PayerSession, Phase};
use crate::{
    FaultCode,
    clock::Now,
    limits::MAX_FAULT_TEXT_BYTES,
    messages::{Close, CloseWhen, Fault, Message, RelayRefused, Relayed},
    payer::{
        PayerOutput,
        stage::{Account, HubError, HubStep, StageState},
    },
    receipts::Culprits,
};

impl PayerSession {
    /// A hub promises a stage's worker, or the hub after it, to pay.
    pub(super) fn relayed(
        &mut self,
        now: Now,
        from: &PublicKey,
        relayed: Relayed,
        out: &mut Vec<PayerOutput>,
    ) {
        let (index, id) = (usize::from(relayed.stage), self.id);
        let until = (now.block, now.block.saturating_add(self.voucher_blocks));
        let Some(stage) = self.stages.get_mut(index).filter(|stage| !stage.is_done()) else {
            return;
        };
        let Some(hop) = stage.hops.index_of(from) else { return };
        // Nothing is begun any more once the session has failed.
        if stage.is_unasked() && self.phase != Phase::Opening {
            return;
        }
        match stage.relayed(id, hop, *relayed.promise, until, out) {
            Ok(HubStep::Quiet) => {}
            Ok(HubStep::Asked(channel, lane, first_receipt)) => {
                self.verifier.set_lane(index, lane);
                let stage = index;
                out.push(PayerOutput::Relayed { stage, channel, lane, first_receipt });
            }
            Ok(HubStep::MayPay) => self.pump(now, out),
            Err(HubError::Promise(text)) => {
                let text = format!("what its hub promises is refused: {text}");
                self.hub_failed(now, index, FaultCode::BadAcceptance, text, out);
            }
            Err(HubError::Spend(error)) => {
                self.fail(now, Some(index), FaultCode::LimitReached, error.to_string(), out);
            }
        }
    }

    /// A hub refuses, or gives up.
    pub(super) fn relay_refused(
        &mut self,
        now: Now,
        from: &PublicKey,
        refused: RelayRefused,
        out: &mut Vec<PayerOutput>,
    ) {
        let RelayRefused { stage: index, fault } = refused;
        let index = usize::from(index);
        let Some(stage) = self.stages.get_mut(index) else { return };
        let Some(hop) = stage.hops.index_of(from).filter(|_| !stage.is_done()) else { return };
        let (code, text) = (fault.code(), mica_text::shown(&fault.text, MAX_FAULT_TEXT_BYTES));
        if stage.is_unasked() {
            // Only the first hub is paid on a lane of ours.
            if hop == 0 {
                if let Some(held) = fault.held {
                    out.push(PayerOutput::Adopt { stage: index, held });
                }
                stage.refuse(code);
            }
            stage.account = Account::Gone;
        }
        self.lose(now, from, index, code, format!("its hub refused: {text}"), out);
    }

    /// A hub says something of the whole link.
    pub(super) fn hub_fault(
        &mut self,
        now: Now,
        from: &PublicKey,
        fault: &Fault,
        out: &mut Vec<PayerOutput>,
    ) {
        let text = mica_text::shown(&fault.text, MAX_FAULT_TEXT_BYTES);
        if let Some(index) = self.stage_of_hub(from) {
            self.lose(now, from, index, fault.code(), format!("its hub gave up: {text}"), out);
        }
    }

    pub(super) fn hub_disconnected(
        &mut self,
        now: Now,
        peer: &PublicKey,
        out: &mut Vec<PayerOutput>,
    ) {
        if let Some(index) = self.stage_of_hub(peer) {
            let text = "the connection to its hub broke".to_owned();
            self.lose(now, peer, index, FaultCode::PeerLost, text, out);
        }
    }

    /// The first stage that still depends on this hub.
    fn stage_of_hub(&self, peer: &PublicKey) -> Option<usize> {
        let depends = |stage: &StageState| !stage.is_done() && stage.hops.index_of(peer).is_some();
        self.stages.iter().position(depends)
    }

    /// Nothing more comes from a hub: the session ends, and every worker is shown the ticks that it
    /// has earned.
    fn lose(
        &mut self,
        now: Now,
        peer: &PublicKey,
        index: usize,
        code: FaultCode,
        text: String,
        out: &mut Vec<PayerOutput>,
    ) {
        let (id, until) = (self.id, (now.block, now.block.saturating_add(self.voucher_blocks)));
        for stage in &mut self.stages {
            stage.lose_hub(peer, id, until, out);
        }
        self.hub_failed(now, index, code, text, out);
    }

    fn hub_failed(
        &mut self,
        now: Now,
        index: usize,
        code: FaultCode,
        text: String,
        out: &mut Vec<PayerOutput>,
    ) {
        self.note_failure(Some(index), Some(Culprits::Hub(index)), code, text);
        self.settle(now, out);
    }

    /// Tells hubs that nothing more comes, where they have not given their last voucher.
    pub(super) fn leave_hubs(&self, out: &mut Vec<PayerOutput>) {
        let close = Message::Close(Close { session: self.id, when: CloseWhen::Now });
        let mut told: Vec<PublicKey> = Vec::new();
        for stage in self.stages.iter().filter(|stage| stage.account != Account::Settled) {
            if stage.hops.peers().any(|peer| !told.contains(&peer)) {
                stage.hops.tell(&close, out);
                told.extend(stage.hops.peers());
            }
        }
    }
}
