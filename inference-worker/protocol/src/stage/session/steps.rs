//! Steps on their way into the engine: what comes in is checked, held, and computed once it is
//! covered by money or credit.

use mica_primitives::PublicKey;

use super::{Phase, RunningJob, SessionContext, StageSession};
use crate::{
    FaultCode,
    limits::{MAX_HELD_POSITIONS, MAX_JOB_POSITIONS},
    messages::{Payload, Step, Token},
    stage::{ComputeJob, JobOutput, StageOutput, refusal::Refusal},
};

impl StageSession {
    pub(super) fn step(
        &mut self,
        from: PublicKey,
        step: Step,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if from != self.agreed.previous {
            return Err(Refusal::new(
                FaultCode::WrongPeer,
                "steps come from the stage before, or from the payer",
            ));
        }
        if self.phase != Phase::Working {
            return Ok(());
        }
        match self.check_step(&step) {
            Ok(()) => self.take_step(step, context),
            Err(refusal) => self.fail(refusal, context),
        }
        Ok(())
    }

    fn check_step(&self, step: &Step) -> Result<(), Refusal> {
        let rows = u32::from(step.rows);
        if self.agreed.index == 0 && self.decoding {
            return Err(Refusal::new(
                FaultCode::OutOfOrder,
                "the prompt is complete: tokens come from the last stage",
            ));
        }
        if self.decoding && (rows != 1 || !step.sample) {
            return Err(Refusal::new(
                FaultCode::BadStep,
                "after the prompt a step has one row and draws a token",
            ));
        }
        if step.first_position != self.received {
            let text =
                format!("position {} came and {} is next", step.first_position, self.received);
            return Err(Refusal::new(FaultCode::UnexpectedPosition, text));
        }
        let fits = match self.agreed.index {
            0 => step.payload.check_tokens(step.rows, self.agreed.vocabulary),
            _ => step.payload.check_hidden(step.rows, self.agreed.hidden),
        };
        fits.map_err(|error| Refusal::new(FaultCode::BadStep, error))?;
        let room = if self.decoding {
            self.agreed.spec.max_positions
        } else {
            self.agreed.spec.prompt_positions
        };
        if self.received.saturating_add(rows) > room {
            return Err(Refusal::new(
                FaultCode::BadStep,
                format!("the step passes the {room} positions agreed on"),
            ));
        }
        let held = self.received - self.computed - self.job.map_or(0, |job| u32::from(job.rows));
        if held + rows > MAX_HELD_POSITIONS {
            return Err(Refusal::new(
                FaultCode::QueueFull,
                format!("{held} positions wait here already"),
            ));
        }
        Ok(())
    }

    fn take_step(&mut self, step: Step, context: &mut SessionContext<'_>) {
        if self.held.is_empty() && self.job.is_none() {
            self.wait_anew(context.now);
        }
        self.received += u32::from(step.rows);
        self.decoding |= step.sample;
        self.held.push_back(step);
        self.advance(context);
    }

    pub(super) fn token(
        &mut self,
        from: PublicKey,
        token: Token,
        context: &mut SessionContext<'_>,
    ) -> Result<(), Refusal> {
        if self.agreed.index != 0 || self.agreed.is_last() || from != self.agreed.last {
            return Err(Refusal::new(
                FaultCode::WrongPeer,
                "tokens come from the last stage and go to the first",
            ));
        }
        if self.phase != Phase::Working {
            return Ok(());
        }
        if !self.decoding || self.ring_ended || token.position != self.received {
            let text =
                format!("token of position {} came and {} is next", token.position, self.received);
            self.fail(Refusal::new(FaultCode::UnexpectedPosition, text), context);
        } else {
            self.feed(&token, context);
        }
        Ok(())
    }

    /// A token that was drawn becomes the next step of stage 0, unless it is the last.
    pub(super) fn feed(&mut self, token: &Token, context: &mut SessionContext<'_>) {
        if token.stop.is_some() {
            self.ring_ended = true;
            self.since_ms = context.now.ms;
            return;
        }
        let payload = Payload::Tokens(vec![token.id]);
        let fits = payload.check_tokens(1, self.agreed.vocabulary);
        if let Err(error) = fits {
            return self.fail(Refusal::new(FaultCode::BadStep, error), context);
        }
        if self.received >= self.agreed.spec.max_positions {
            return self.fail(
                Refusal::new(FaultCode::BadStep, "the session's positions are used up"),
                context,
            );
        }
        let step = Step {
            session: token.session,
            first_position: self.received,
            rows: 1,
            sample: true,
            payload,
        };
        self.take_step(step, context);
    }

    /// Starts the next job, if there is one and it is covered by money or credit. Steps that wait
    /// are computed together, so that the weights are read once for all of them.
    pub(super) fn advance(&mut self, context: &mut SessionContext<'_>) {
        if self.phase != Phase::Working || self.job.is_some() {
            return;
        }
        let covered =
            self.paid_positions(context).saturating_add(self.agreed.credit_positions.into());
        let mut room = u32::try_from(covered.saturating_sub(self.computed.into()))
            .unwrap_or(u32::MAX)
            .min(MAX_JOB_POSITIONS);
        let mut next = || {
            let step = self.held.pop_front_if(|step| u32::from(step.rows) <= room)?;
            room -= u32::from(step.rows);
            Some(step)
        };
        let Some(Step { session, first_position, mut rows, mut sample, mut payload }) = next()
        else {
            return;
        };
        // Each step that draws a token draws it from its own last row.
        while !sample && let Some(more) = next() {
            rows += more.rows;
            sample = more.sample;
            payload.append(more.payload);
        }
        self.writer.input(rows, &payload.wire_bytes());
        let want = match (self.agreed.is_last(), sample) {
            (false, _) => JobOutput::Hidden,
            (true, false) => JobOutput::Nothing,
            (true, true) => JobOutput::Sample {
                sampling: self.agreed.spec.sampling,
                position: first_position + u32::from(rows),
                logprobs: self.agreed.spec.logprobs,
            },
        };
        self.job = Some(RunningJob { first_position, rows, sample });
        self.since_ms = context.now.ms;
        context.out.push(StageOutput::Compute(ComputeJob {
            session,
            first_position,
            rows,
            payload,
            want,
        }));
    }
}
