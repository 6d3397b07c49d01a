//! The report of a table: one page with every number, test and figure in it, and the figures as
//! files of their own.

mod page;

use std::fs;
use std::path::{Path, PathBuf};

use super::{
    Analysis, Table, TableError,
    analysis::TooManyGroups,
    figures::{self, Figure, FigureError},
};

/// Name of the page in the report's folder.
const PAGE: &str = "report.html";
/// Folder of the figures in it.
const FIGURES: &str = "figures";

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Too many groups.
    #[error(transparent)]
    Groups(#[from] TooManyGroups),
    /// A figure.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// The page could not be put together.
    #[error("the page cannot be put together: {0}")]
    Page(#[from] minijinja::Error),
    /// The system refuses.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A report that is not written yet.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its numbers.
    pub analysis: Analysis,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// Its page, a whole HTML document that needs no other file.
    pub page: String,
}

impl Report {
    /// Of `table`, which is called `name` in it.
    ///
    /// # Errors
    /// [`ReportError::Groups`], [`ReportError::Figure`], [`ReportError::Page`].
    pub fn of(name: &str, table: &Table) -> Result<Self, ReportError> {
        let analysis = Analysis::of(table)?;
        let figures = figures::all(&table.rows, &analysis)?;
        let page = page::render(name, table, &analysis, &figures)?;
        Ok(Self { analysis, figures, page })
    }

    /// Writes the page and the figures into `folder`, which is made if need be; older ones of the
    /// same names are replaced. Returns the page's path.
    ///
    /// # Errors
    /// [`ReportError::Write`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ReportError::Write { path, source }
        };
        let figures = folder.join(FIGURES);
        fs::create_dir_all(&figures).map_err(failed(&figures))?;
        for figure in &self.figures {
            let path = figures.join(format!("{}.svg", figure.name));
            fs::write(&path, &figure.svg).map_err(failed(&path))?;
        }
        let page = folder.join(PAGE);
        fs::write(&page, &self.page).map_err(failed(&page))?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{Row, StepRow};

    fn row(prompt_type: &str, value: f64) -> Row {
        let step = StepRow {
            model: "<script>alert(1)</script>".into(),
            values: [value; 8],
            response: "secret".into(),
            cost: None,
        };
        let front_end = "x & y".into();
        Row {
            first: step.clone(),
            second: step,
            front_end,
            prompt_type: prompt_type.into(),
            ..Row::default()
        }
    }

    fn page(rows: Vec<Row>) -> String {
        Report::of("a \"table\".csv", &Table { rows, failures: 2 }).expect("a report").page
    }

    #[test]
    fn a_page_escapes_names_and_holds_no_undefined_number() {
        let page = page((0..12).map(|index| row(["k", "l"][index % 2], index as f64)).collect());
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script"),
            "names are escaped and no script is needed"
        );
        assert!(!page.contains("NaN") && !page.contains(">inf"));
        assert!(page.contains("x &amp; y") && page.contains("2 rows hold failures"));
        assert!(!page.contains("src=") && !page.contains("href=\"http"), "it needs no other file");
        assert!(page.matches("<svg").count() >= 6);
    }

    #[test]
    fn what_does_not_apply_is_said() {
        let page = page(vec![row("k", 1.0), row("k", 1.0)]);
        assert!(
            page.contains("not applicable") && page.contains("fewer than two groups"),
            "{page}"
        );
        assert!(!page.contains("NaN"));
        let constant = self::page(vec![row("k", 1.0), row("l", 2.0), row("k", 1.0), row("l", 2.0)]);
        assert!(constant.contains("do not vary within the groups"));
    }

    #[test]
    fn a_report_is_written_and_can_be_written_again() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let report = Report::of("t.csv", &Table { rows: vec![row("k", 1.0)], failures: 0 })
            .expect("a report");
        for _ in 0..2 {
            let page = report.write(&folder.path().join("new/report")).expect("written");
            assert_eq!(fs::read_to_string(page).expect("read"), report.page);
        }
        assert_eq!(
            fs::read_dir(folder.path().join("new/report/figures")).expect("there").count(),
            report.figures.len()
        );
        fs::write(folder.path().join("file"), "").expect("written");
        assert!(matches!(
            report.write(&folder.path().join("file/report")),
            Err(ReportError::Write { .. })
        ));
    }
}
