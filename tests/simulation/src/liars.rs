//! Nodes that lie, by what they want. Each sees every message that its own honest program sends and
//! says what really leaves.

use mica_primitives::{Receipt, Redeem, TickProof, domain::blake2_256};
use mica_protocol::{
    FaultCode, Message,
    messages::{Fault, Pay, Payload, Payment},
};

use crate::chance::Chance;

/// What a payer is after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayerLie {
    /// Pays so many times in its life, and never again.
    StopsPaying(u32),
    /// Sends every payment and opening twice, and old ones again.
    Replays,
    /// Opens sessions and sends nothing to compute.
    Idles,
    /// Believes that its deposits are ten times as high.
    Overspends,
    /// Asks to close its channels as soon as a session runs, and then takes so long over it that
    /// the session outlives the window.
    ClosesEarly,
    /// Sends messages with damaged bytes.
    Damages,
}

/// What a worker is after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkerLie {
    /// Gives up after so many messages of a session, with the money in hand.
    FaultsAfter(u32),
    /// Answers nothing from its so manieth message on.
    FallsSilent(u32),
    /// Computes garbage.
    ComputesGarbage,
    /// Gives receipts over something else.
    ForgesReceipts,
    /// States more than it computed, and submits every promise that it can put together.
    Overcharges,
    /// Says that it has other records of lanes, and redeems what it has refused.
    DeniesLanes,
    /// Sends messages with damaged bytes.
    Damages,
}

/// All kinds of lying payers.
pub const PAYER_LIES: [PayerLie; 6] = [
    PayerLie::StopsPaying(9),
    PayerLie::Replays,
    PayerLie::Idles,
    PayerLie::Overspends,
    PayerLie::ClosesEarly,
    PayerLie::Damages,
];

/// All kinds of lying workers.
pub const WORKER_LIES: [WorkerLie; 7] = [
    WorkerLie::FaultsAfter(7),
    WorkerLie::FallsSilent(25),
    WorkerLie::ComputesGarbage,
    WorkerLie::ForgesReceipts,
    WorkerLie::Overcharges,
    WorkerLie::DeniesLanes,
    WorkerLie::Damages,
];

/// What a liar remembers.
#[derive(Debug, Default)]
pub struct Memory {
    /// Messages sent so far.
    sent: u32,
    /// Something that was sent before.
    kept: Option<Message>,
    /// Promises that were seen.
    vouchers: Vec<Redeem>,
    /// Ticks that were seen.
    ticks: Vec<TickProof>,
}

/// Most promises and ticks that a liar keeps.
const KEPT: usize = 64;

impl Memory {
    /// What leaves in place of a payer's `message`.
    pub fn of_payer(
        &mut self,
        lie: PayerLie,
        message: Message,
        chance: &mut Chance,
    ) -> Vec<Message> {
        let is_money = matches!(message, Message::Pay(_) | Message::Open(_));
        match lie {
            PayerLie::StopsPaying(after) if matches!(message, Message::Pay(_)) => {
                self.sent += 1;
                if self.sent > after { vec![] } else { vec![message] }
            }
            PayerLie::Idles if matches!(message, Message::Step(_) | Message::Close(_)) => vec![],
            PayerLie::Replays if is_money => {
                let old = self.kept.take();
                if old.is_none() || chance.once_in(3) {
                    self.kept = Some(message.clone());
                } else {
                    self.kept.clone_from(&old);
                }
                [message.clone(), message].into_iter().chain(old).collect()
            }
            _ => vec![message],
        }
    }

    /// What leaves in place of a worker's `message`.
    pub fn of_worker(
        &mut self,
        lie: WorkerLie,
        message: Message,
        chance: &mut Chance,
    ) -> Vec<Message> {
        self.sent += 1;
        match (lie, message) {
            (WorkerLie::FaultsAfter(after), message) if self.sent > after => {
                self.sent = 0;
                let session = message.session();
                vec![Message::Fault(Fault::new(session, FaultCode::ComputeFailed, "gave up"))]
            }
            (WorkerLie::FallsSilent(after), _) if self.sent > after => vec![],
            (WorkerLie::ComputesGarbage, Message::Step(mut step)) => {
                if let Payload::Hidden(bytes) = &mut step.payload {
                    let at = chance.index(bytes.len());
                    bytes[at] ^= 1;
                }
                vec![Message::Step(step)]
            }
            (WorkerLie::ComputesGarbage, Message::Token(mut token)) => {
                token.id = (token.id + u32::from(chance.once_in(9))) % 97;
                vec![Message::Token(token)]
            }
            (WorkerLie::ForgesReceipts, Message::Receipt(mut receipt)) => {
                let Receipt { leaf, signature, .. } = &mut receipt.receipt;
                match chance.below(3) {
                    0 => leaf.h_out[0] ^= 1,
                    1 => leaf.first_position += 16,
                    _ => signature[0] ^= 1,
                }
                vec![Message::Receipt(receipt)]
            }
            (WorkerLie::Overcharges, Message::Statement(mut statement)) => {
                statement.cumulative += 1_000;
                statement.positions += chance.below(40) as u32;
                vec![Message::Statement(statement)]
            }
            (WorkerLie::DeniesLanes, Message::Opened(opened)) => {
                let code = chance.pick(&[
                    FaultCode::LaneBusy,
                    FaultCode::StaleVoucher,
                    FaultCode::ReceiptsDiffer,
                    FaultCode::Overspend,
                    FaultCode::UnknownChannel,
                ]);
                let mut fault = Fault::new(Some(opened.acceptance.session), code, "other records");
                if !self.vouchers.is_empty() {
                    let held = &self.vouchers[chance.index(self.vouchers.len())];
                    fault.held = Some(Box::new(held.clone()));
                }
                vec![Message::Fault(fault)]
            }
            (_, message) => vec![message],
        }
    }

    /// Takes note of a payer's message.
    pub fn hear(&mut self, message: &Message) {
        match message {
            Message::Open(open) => self.keep(&open.voucher),
            Message::Pay(Pay { payment: Payment::Voucher(voucher), .. }) => self.keep(voucher),
            Message::Pay(Pay { payment: Payment::Tick(proof), .. }) => {
                if self.ticks.len() == KEPT {
                    self.ticks.remove(0);
                }
                self.ticks.push(*proof);
            }
            _ => {}
        }
    }

    fn keep(&mut self, voucher: &Redeem) {
        if self.vouchers.len() == KEPT {
            self.vouchers.remove(0);
        }
        self.vouchers.push(voucher.clone());
    }

    /// Some promise put together from what was seen: any voucher with any tick that verifies, at
    /// any number of ticks.
    pub fn promise(&self, chance: &mut Chance) -> Option<Redeem> {
        let voucher = self.vouchers.get(chance.index(self.vouchers.len().max(1)))?;
        let mut redeem = Redeem { tick: None, ..voucher.clone() };
        let Some(tick) = redeem.voucher.tick else { return Some(redeem) };
        if self.ticks.is_empty() {
            return Some(redeem);
        }
        let proof = self.ticks[chance.index(self.ticks.len())];
        // A preimage of one chain may lie on another of the same secret, at another distance.
        let mut value = proof.preimage;
        for n in 0..=tick.max {
            if value == tick.anchor {
                redeem.tick = (n > 0).then_some(TickProof { n, preimage: proof.preimage });
                return Some(redeem);
            }
            value = blake2_256(&value);
        }
        Some(redeem)
    }
}

/// A frame with some of its bytes changed.
pub fn damage(mut frame: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    for _ in 0..chance.between(1, 3) {
        // The length stays: another one would only look like a slow sender.
        if frame.len() > 5 {
            let at = 5 + chance.index(frame.len() - 5);
            frame[at] = chance.next() as u8;
        }
    }
    frame
}
