//! What goes wrong in a world, apart from lies.

use super::{Event, TROUBLE_MS, World};
use crate::{
    chain::Call,
    process::{Death, Node},
};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// A program dies now.
    Death(Node, Death),
    /// A program dies at one of its next writes.
    Doom(Node),
    /// A link breaks.
    BreakLink,
    /// Two nodes cannot reach each other for a while.
    Cut(Node, Node),
    /// They can again.
    Join(Node, Node),
    /// A program does not see the chain for a while.
    Blind(Node),
    /// It sees it again.
    See(Node),
    /// Blocks do not become final for a while.
    Stall,
    /// They do again.
    Final,
    /// A clock jumps ahead.
    Jump(Node, u64),
    /// A payer asks to close one of its channels.
    Close(usize),
    /// A payer's user ends what runs.
    Cancel(usize),
    /// A payer's database is copied, to be put back at its next start.
    Backup(usize),
}

impl World {
    pub(super) fn plan_faults(&mut self) {
        for _ in 0..self.chance.between(0, 7) {
            let fault = self.some_fault();
            let at_ms = self.chance.below(TROUBLE_MS - 10_000);
            self.push(at_ms, Event::Fault(fault));
        }
    }

    fn some_fault(&mut self) -> Fault {
        let nodes = self.nodes();
        let (one, other) = (self.chance.pick(&nodes), self.chance.pick(&nodes));
        let payer = self.chance.index(self.payers.len());
        match self.chance.below(12) {
            0 => Fault::Death(one, Death::Killed),
            1 => Fault::Death(one, Death::PowerCut),
            2..=4 => Fault::Doom(one),
            5 => Fault::BreakLink,
            6 => Fault::Cut(one, other),
            7 => Fault::Blind(one),
            8 => Fault::Jump(one, self.chance.pick(&[1_000, 16_000, 130_000, 700_000])),
            9 => self.chance.pick(&[Fault::Close(payer), Fault::Cancel(payer)]),
            10 => Fault::Backup(payer),
            _ => Fault::Stall,
        }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.tell(|| format!("{fault:?}"));
        match fault {
            Fault::Death(node, death) if self.process(node).is_up => self.die(node, death),
            Fault::Death(..) => {}
            Fault::Doom(node) => {
                let mut chance = self.chance.clone();
                self.process_mut(node).doom(&mut chance);
                self.chance = chance;
            }
            Fault::BreakLink => {
                let links = self.network.links();
                if !links.is_empty() {
                    let (one, other) = self.chance.pick(&links);
                    let ends = self.network.break_link(one, other);
                    self.let_notice(ends, 20_000);
                }
            }
            Fault::Cut(one, other) if one != other => {
                let ends = self.network.cut(one, other);
                self.let_notice(ends, 20_000);
                let at_ms = self.now_ms + self.chance.below(60_000);
                self.push(at_ms, Event::Fault(Fault::Join(one, other)));
            }
            Fault::Cut(..) => {}
            Fault::Join(one, other) => self.network.join(one, other),
            Fault::Blind(node) => {
                self.process_mut(node).sees_chain = false;
                let at_ms = self.now_ms + self.chance.below(60_000);
                self.push(at_ms, Event::Fault(Fault::See(node)));
            }
            Fault::Stall => {
                self.is_final = false;
                let at_ms = self.now_ms + self.chance.between(5_000, 170_000);
                self.push(at_ms, Event::Fault(Fault::Final));
            }
            Fault::Final => self.is_final = true,
            Fault::See(node) => self.process_mut(node).sees_chain = true,
            Fault::Jump(node, ms) => {
                self.process_mut(node).jump(ms);
                self.process_mut(node).wake_at_ms = None;
                self.set_alarm(node);
            }
            Fault::Close(payer) => self.close_channels(payer),
            Fault::Cancel(payer) => self.cancel(payer),
            Fault::Backup(payer) => {
                let payer = &mut self.payers[payer];
                payer.backup = Some((payer.disk.clone(), payer.retired.clone()));
            }
        }
    }

    /// A payer asks to close everything.
    pub(super) fn close_channels(&mut self, payer: usize) {
        let account = self.payers[payer].account;
        let own = self.chain.channels.iter().filter(|(_, channel)| channel.payer == account);
        for id in own.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.chain.submit(Call::Close(account, id));
        }
    }

    /// All programs run, all links and nodes work, and liars ask nothing more.
    pub(super) fn heal(&mut self) {
        self.tell(|| "the trouble ends".to_owned());
        (self.is_trouble, self.is_final) = (false, true);
        self.network.heal();
        for node in self.nodes() {
            self.process_mut(node).sees_chain = true;
            self.process_mut(node).doom = None;
            self.start(node);
        }
    }
}
