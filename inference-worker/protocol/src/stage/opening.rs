//! Checking an opening against what the worker offers.

use mica_primitives::{
    Balance, BlockNumber, ChannelId, Hash32, LaneId, PublicKey, WorkerAddresses,
};

use super::{StageIdentity, StageOffer, refusal::Refusal};
use crate::{
    FaultCode, SessionId,
    holding::{pace_ms, prepaid_positions},
    limits::MAX_STEP_ROWS,
    messages::{Acceptance, Open},
    path::{PathStage, StageNumber},
    session::{PaymentTerms, SessionSpec},
};

/// Longest frame of a message without hidden states, and room for the header of one with them.
const SHORT_FRAME_BYTES: usize = 16 * 1024;

/// What both sides have agreed on, from this stage's point of view.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    pub(super) session: SessionId,
    /// blake3 of the opening.
    pub(super) open: Hash32,
    pub(super) payer: PublicKey,
    pub(super) channel: ChannelId,
    pub(super) lane: LaneId,
    pub(super) unit: Balance,
    /// Base units for 1,000 positions held for one second.
    pub(super) holding_price: Balance,
    /// Positions that the opening voucher pays for.
    pub(super) prepaid_positions: u16,
    /// What the other stages may need before this one hears of a step, as in [`pace_ms`].
    pub(super) pace_ms: u64,
    pub(super) credit_positions: u16,
    /// Positions that the payer pays for before receipts cover them.
    pub(super) exposure_positions: u16,
    pub(super) spec: SessionSpec,
    pub(super) profile: Hash32,
    /// This stage.
    pub(super) own: PathStage,
    /// Its place in the path.
    pub(super) index: usize,
    /// Where steps come from: the payer, or the stage before.
    pub(super) previous: PublicKey,
    /// The stage after this one; nothing at the end of the path.
    pub(super) next: Option<PathStage>,
    /// The path's first stage.
    pub(super) first: PathStage,
    /// The path's last stage.
    pub(super) last: PublicKey,
    pub(super) hidden: u32,
    pub(super) vocabulary: u32,
}

impl Agreed {
    pub(super) const fn is_last(&self) -> bool {
        self.next.is_none()
    }

    /// Whether the path is this stage alone.
    pub(super) const fn is_alone(&self) -> bool {
        self.index == 0 && self.is_last()
    }

    /// Whether the session depends on `peer`.
    pub(super) fn involves(&self, peer: &PublicKey) -> bool {
        let neighbour =
            self.next.as_ref().is_some_and(|next| next.peer == *peer) || self.previous == *peer;
        let ring =
            (self.index == 0 && self.last == *peer) || (self.is_last() && self.first.peer == *peer);
        *peer == self.payer || neighbour || ring
    }

    /// Where `peer` may be dialled, as far as this stage must know.
    pub(super) fn addresses(&self, peer: &PublicKey) -> WorkerAddresses {
        match &self.next {
            Some(next) if next.peer == *peer => next.addresses.clone(),
            None if self.first.peer == *peer => self.first.addresses.clone(),
            _ => WorkerAddresses::default(),
        }
    }

    /// The peers that the session depends on, each with the most bytes of a frame that it may send:
    /// steps with hidden states come from the stage before, everything else is short.
    pub(super) fn peers(&self) -> Vec<(PublicKey, usize)> {
        let step = usize::from(MAX_STEP_ROWS) * self.hidden as usize * 4 + SHORT_FRAME_BYTES;
        let next = self.next.as_ref().map(|next| next.peer);
        let ring = (!self.is_alone() && self.is_last()).then_some(self.first.peer);
        let last = (!self.is_alone() && self.index == 0).then_some(self.last);
        let before = (self.index > 0).then_some((self.previous, step));
        let short = [Some(self.payer), next, ring, last].into_iter().flatten();
        short.map(|peer| (peer, SHORT_FRAME_BYTES)).chain(before).collect()
    }

    /// The most that the session can cost, base units. The unit times the most positions of a
    /// session was checked at the opening.
    pub(super) fn cost(&self) -> Balance {
        self.unit.saturating_mul(self.spec.max_positions.into())
    }

    /// What the opening voucher promises for the room, base units.
    pub(super) fn prepayment(&self) -> Balance {
        self.unit.saturating_mul(self.prepaid_positions.into())
    }

    pub(super) fn acceptance(&self) -> Acceptance {
        Acceptance {
            session: self.session,
            open: self.open,
            range: self.own.range,
            unit: self.unit,
            credit_positions: self.credit_positions,
            max_positions: self.spec.max_positions,
        }
    }
}

/// Whether the worker can and wants to serve `open` from `from`, before any look at the channel.
pub(super) fn check_open(
    identity: &StageIdentity,
    offer: &StageOffer,
    from: PublicKey,
    open: &Open,
    block: BlockNumber,
) -> Result<Agreed, Refusal> {
    if open.model != offer.model {
        return Err(Refusal::new(
            FaultCode::WrongModel,
            format!("this worker serves model {}", offer.model),
        ));
    }
    if open.profile != offer.profile {
        return Err(Refusal::new(
            FaultCode::WrongProfile,
            "this worker computes under another profile",
        ));
    }
    open.path.check(offer.model_layers).map_err(|error| Refusal::new(FaultCode::BadPath, error))?;
    let index = usize::from(open.stage);
    let own = open.path.get(index).filter(|stage| stage.peer == identity.peer());
    let own = own.ok_or_else(|| {
        Refusal::new(
            FaultCode::BadPath,
            format!("stage {} of the path is not this worker", StageNumber(index)),
        )
    })?;
    // A part of the worker's layers is as good as all of them; the path's check has refused empty
    // ranges.
    if !offer.range.covers(own.range) {
        let text =
            format!("this worker serves layers {} and the path says {}", offer.range, own.range);
        return Err(Refusal::new(FaultCode::WrongRange, text));
    }
    if open.path.index_of(&from).is_some() {
        return Err(Refusal::new(FaultCode::BadPath, "a payer cannot be a stage of its own path"));
    }
    open.spec.check().map_err(|error| Refusal::new(FaultCode::BadLimits, error))?;
    if open.spec.max_positions > offer.context {
        let text = format!(
            "{} positions exceed the model's context of {}",
            open.spec.max_positions, offer.context
        );
        return Err(Refusal::new(FaultCode::NoCacheRoom, text));
    }
    let price = check_price(identity, offer, open, own.range.len(), block)?;
    let [first, .., last] = open.path.stages() else {
        return Ok(alone(from, open, offer, own, price));
    };
    Ok(Agreed {
        index,
        previous: index
            .checked_sub(1)
            .and_then(|before| open.path.get(before))
            .map_or(from, |stage| stage.peer),
        next: open.path.get(index + 1).cloned(),
        first: first.clone(),
        last: last.peer,
        ..alone(from, open, offer, own, price)
    })
}

fn alone(
    from: PublicKey,
    open: &Open,
    offer: &StageOffer,
    own: &PathStage,
    price: AgreedPrice,
) -> Agreed {
    let AgreedPrice { unit, holding_price, credit_positions } = price;
    Agreed {
        session: open.session,
        open: open.hash(),
        payer: from,
        channel: open.channel,
        lane: open.lane,
        unit,
        holding_price,
        prepaid_positions: open.prepaid_positions,
        pace_ms: pace_ms(offer.cost_us_per_layer_token, own.range.len()),
        credit_positions,
        exposure_positions: open.terms.exposure_positions,
        spec: open.spec.clone(),
        profile: open.profile,
        own: own.clone(),
        index: 0,
        previous: from,
        next: None,
        first: own.clone(),
        last: own.peer,
        hidden: offer.hidden,
        vocabulary: offer.vocabulary,
    }
}

/// What the session is paid.
#[derive(Clone, Copy, Debug)]
struct AgreedPrice {
    unit: Balance,
    holding_price: Balance,
    credit_positions: u16,
}

/// What the session is paid, if the price is at least the worker's: its current one, or one that it
/// quoted.
fn check_price(
    identity: &StageIdentity,
    offer: &StageOffer,
    open: &Open,
    layers: u16,
    block: BlockNumber,
) -> Result<AgreedPrice, Refusal> {
    let (mut floor, mut holding_price) = (offer.price_per_layer_token, offer.holding_price());
    if let Some(signed) = &open.quote {
        let quote = &signed.quote;
        let ours = quote.peer == identity.peer()
            && quote.model == offer.model
            && quote.range == offer.range;
        if ours && quote.valid_until >= block && signed.verify(identity.genesis()) {
            floor = floor.min(quote.price_per_layer_token);
            holding_price = holding_price.min(quote.holding_price);
        }
    }
    if open.terms.price_per_layer_token < floor {
        let text = format!(
            "{} base units per layer-token offered, {floor} asked",
            open.terms.price_per_layer_token
        );
        return Err(Refusal::new(FaultCode::PriceTooLow, text));
    }
    let credit_positions = open.terms.credit_positions.min(offer.credit_positions);
    let terms = PaymentTerms { credit_positions, ..open.terms };
    let unit = terms.check(layers).map_err(|error| Refusal::new(FaultCode::BadTerms, error))?;
    let (prepaid, positions) = (open.prepaid_positions, open.spec.max_positions);
    let due = prepaid_positions(holding_price, unit, positions);
    if prepaid < due || u32::from(prepaid) > positions {
        let text =
            format!("the opening prepays {prepaid} positions for its room and {due} are asked");
        return Err(Refusal::new(FaultCode::HoldingUnpaid, text));
    }
    Ok(AgreedPrice { unit, holding_price, credit_positions })
}
