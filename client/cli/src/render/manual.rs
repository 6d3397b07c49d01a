//! Manual pages that were written.

use std::path::Path;

use serde::Serialize;

/// File names of the pages, in order.
#[derive(Serialize)]
pub(crate) struct ManualPages {
    pub(crate) pages: Vec<String>,
}

impl ManualPages {
    /// For people.
    pub(crate) fn to_text(&self, folder: &Path) -> String {
        format!("{} pages in {}", self.pages.len(), folder.display())
    }
}
