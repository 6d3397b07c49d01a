//! What the checks of [`crate::doctor`] find.

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As it should be.
    Good,
    /// Not wrong, and worth knowing.
    Note,
    /// Wrong: something will fail.
    Wrong,
    /// Not looked at.
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// The command that mends it.
    pub mend: Option<String>,
}

impl Finding {
    pub(crate) fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Good, found: found.into(), mend: None }
    }

    pub(crate) fn note(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Note, found: found.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn wrong(
        check: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Wrong, found: found.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, state: State::Skipped, found: why.into(), mend: None }
    }
}

/// All findings.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// What was found, in the order in which things depend on each other.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings are wrong.
    pub(crate) fn wrong(&self) -> usize {
        self.findings.iter().filter(|finding| finding.state == State::Wrong).count()
    }
}
