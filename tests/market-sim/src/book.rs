//! Figures of one run, and the worlds and figures of the book's chapter.

use std::{fmt::Write as _, path::Path};

use eyre::{Result, WrapErr};
use mica_market::migration::{RULES, Rules};
use mica_market_sim::{
    LoadRule, Market, Plan, Run, Setting, Start, Summary, World,
    figures::{Chart, Curve, paper, series},
    serial,
};

use crate::{options::Options, output};

/// Sellers of each layer in the figure of markups.
const SELLERS: [u16; 6] = [1, 2, 3, 4, 8, 16];
/// Loads of the figure of rules for load.
const LOADS: [f64; 5] = [0.3, 0.5, 0.6, 0.7, 0.85];
/// Shares of strategic actors.
const STRATEGIC: [f64; 4] = [0.0, 0.1, 0.3, 0.5];

fn draw(folder: &Path, name: &str, chart: &Chart) -> Result<()> {
    let svg = chart.svg().map_err(|error| eyre::eyre!("cannot draw {name}: {error}"))?;
    output::write(&folder.join(format!("{name}.svg")), &svg)
}

fn open(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .wrap_err_with(|| format!("cannot make the folder {}", folder.display()))
}

/// Draws what one run shows.
pub fn figures_of(run: &Run, summary: &Summary, folder: &Path, caption: &str) -> Result<()> {
    open(folder)?;
    draw(folder, "prices", &series::prices(run, caption))?;
    draw(folder, "gap", &series::gap(run, caption))?;
    draw(
        folder,
        "throughput",
        &series::throughput("Throughput", &[("", run.rows.as_slice())], caption),
    )?;
    draw(folder, "welfare", &series::welfare(&[(String::new(), run.rows.as_slice())], caption))?;
    draw(folder, "revenue", &series::revenue(&summary.revenue_by_cost, caption))?;
    draw(folder, "figure3", &paper::revenue(caption)?)?;
    // A world with a bare layer has no path.
    if let Ok(chart) = paper::frontier(&run.world, caption) {
        draw(folder, "figure2", &chart)?;
    }
    Ok(())
}

/// One world of the chapter.
struct Chapter<'a> {
    folder: &'a Path,
    options: &'a Options,
    /// Rows of the chapter's table.
    table: String,
}

/// Plays the worlds of the chapter, draws its figures and writes `numbers.inc`.
pub fn write(folder: &Path, options: &Options) -> Result<()> {
    open(folder)?;
    let table = "| world | rounds to rest | moves | Nash gap | throughput | welfare of the most | single payers | served |\n\
                 |---|---|---|---|---|---|---|---|\n";
    let mut chapter = Chapter { folder, options, table: table.into() };
    chapter.sizes()?;
    chapter.loads()?;
    chapter.movers()?;
    chapter.shock()?;
    chapter.strategic()?;
    let markups = chapter.markups()?;
    let text = format!(
        "<!-- Written by `make market-sim`. -->\nSeed {}, commit {}.\n\n{}\n{markups}",
        options.seed, options.commit, chapter.table
    );
    output::write(&folder.join("numbers.inc"), &text)
}

impl Chapter<'_> {
    fn caption(&self, setting: &Setting) -> String {
        let Setting { workers, layers, seed, .. } = setting;
        format!("{workers} workers, {layers} layers, seed {seed}, commit {}", self.options.commit)
    }

    fn play(&mut self, name: &str, setting: Setting, plan: Plan) -> Result<(Run, Summary)> {
        eprintln!("{name}");
        let mut run = Run::new(World::new(setting, Market::standard()?)?, plan)?;
        run.finish(|_| ())?;
        let summary = run.summary()?;
        let end = &summary.end;
        // Writing to a string does not fail.
        let _ = writeln!(
            self.table,
            "| {name} | {} | {} | {:.4} % | {:.1} % | {:.2} % | {} | {:.2} % |",
            summary.rest_round.map_or("not yet".into(), |round| round.to_string()),
            summary.moves,
            100.0 * end.gap.greatest,
            100.0 * end.throughput,
            100.0 * summary.optimum_part.unwrap_or(f64::NAN),
            summary
                .assignment
                .map_or(String::new(), |best| format!("{:.2} %", 100.0 * best.part())),
            100.0 * end.welfare.served
        );
        output::csv(
            &self.folder.join(format!("{}.csv", name.replace([' ', ',', '%'], "-"))),
            &run.rows,
        )?;
        Ok((run, summary))
    }

    fn base(&self) -> Setting {
        let threads = self.options.setting().threads;
        Setting { seed: self.options.seed, threads, ..Setting::default() }
    }

    fn plan(rounds: u32) -> Plan {
        Plan { rounds, shock: false, flash: false, gap_sample: 100 }
    }

    /// Prices from random starts, and the paper's figures.
    fn sizes(&mut self) -> Result<()> {
        let (run, summary) = self.play("100 workers", self.base(), Self::plan(150))?;
        let caption = self.caption(&run.world.setting);
        figures_of(&run, &summary, self.folder, &caption)?;
        let large = Setting { workers: 10_000, layers: 100, ..self.base() };
        self.play("10,000 workers, 100 layers", large, Self::plan(300))?;
        let calm = Setting { churn: 0.01, ..self.base() };
        self.play("100 workers, 1 % churn", calm, Self::plan(150))?;
        Ok(())
    }

    /// The two rules for load, at rising loads.
    fn loads(&mut self) -> Result<()> {
        let mut curves = Vec::new();
        for (name, load_rule) in
            [("displaced sales", LoadRule::Displaced), ("waiting", LoadRule::Waiting)]
        {
            let mut points = Vec::new();
            for load in LOADS {
                let setting = Setting { load, load_rule, ..self.base() };
                let title = format!("100 workers, load {load}, {name}");
                let (_, summary) = self.play(&title, setting, Self::plan(150))?;
                points.push((load, summary.optimum_part.unwrap_or(f64::NAN)));
            }
            curves.push(Curve::line(name, points));
        }
        let chart = Chart {
            title: "Two rules for busy workers".into(),
            caption: self.caption(&self.base()),
            axes: ("load".into(), "part of the greatest welfare".into()),
            logarithmic: false,
            curves,
        };
        draw(self.folder, "loads", &chart)
    }

    /// A crowd at the front, by the workers' rule and with two movers per round at most.
    fn movers(&mut self) -> Result<()> {
        let crowd = Setting { workers: 2_000, layers: 40, start: Start::Front, ..self.base() };
        let rules = Some(Rules { least_probability: 0.0, ..RULES });
        let before = Setting { rules, ..crowd };
        let (two, _) = self.play("2,000 at the front, two movers", before, Self::plan(400))?;
        let (part, _) = self.play("2,000 at the front", crowd, Self::plan(400))?;
        let runs = [
            ("two movers a round", two.rows.as_slice()),
            ("one in fifty who wish", part.rows.as_slice()),
        ];
        let caption = self.caption(&crowd);
        let chart = series::throughput("A crowd at the front spreads", &runs, &caption);
        draw(self.folder, "movers", &chart)
    }

    fn shock(&mut self) -> Result<()> {
        let setting = Setting { workers: 1_000, ..self.base() };
        let plan = Plan { shock: true, ..Self::plan(300) };
        let (run, summary) = self.play("1,000 workers, a third leaves", setting, plan)?;
        let _ = writeln!(
            self.table,
            "\nAfter the shock: welfare {:.2} % at least, weakest layer back at 95 % of its end after {} \
             rounds.\n",
            100.0 * summary.shock_low.unwrap_or(0.0),
            summary.recovery_rounds.map_or("no".into(), |rounds| rounds.to_string())
        );
        self.table.push_str(
            "| world | rounds to rest | moves | Nash gap | throughput | welfare of the most | single payers | served |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        draw(self.folder, "shock", &series::shock(&run, &self.caption(&setting)))
    }

    fn strategic(&mut self) -> Result<()> {
        let mut runs = Vec::new();
        for share in STRATEGIC {
            let setting = Setting { workers: 1_000, strategic: share, ..self.base() };
            let plan = Plan { flash: true, ..Self::plan(200) };
            let name = format!("1,000 workers, {:.0} % strategic", 100.0 * share);
            let (run, _) = self.play(&name, setting, plan)?;
            runs.push((format!("{:.0} % strategic", 100.0 * share), run.rows));
        }
        let lines: Vec<(String, &[mica_market_sim::Row])> =
            runs.iter().map(|(name, rows)| (name.clone(), rows.as_slice())).collect();
        let caption = self.caption(&Setting { workers: 1_000, ..self.base() });
        draw(self.folder, "strategic", &series::welfare(&lines, &caption))
    }

    /// Draws markups and returns their table.
    fn markups(&self) -> Result<String> {
        let market = Market::standard()?;
        let markups = SELLERS
            .iter()
            .map(|sellers| serial::markup(&market.streams[0], market.bounds, 22, *sellers))
            .collect::<Result<Vec<_>, _>>()?;
        let caption = format!("22 layers, commit {}", self.options.commit);
        draw(self.folder, "markup", &series::markup(&markups, &caption))?;
        let mut table = String::from(
            "| sellers of each layer | rule: price, units (buyers) | who know of paths | single seller |\n\
             |---|---|---|---|\n",
        );
        for one in &markups {
            let _ = writeln!(
                table,
                "| {} | {:.1} ({:.1} %) | {:.1} ({:.1} %) | {:.1} ({:.1} %) |",
                one.sellers,
                one.rule / 1e6,
                100.0 * one.rule_buyers,
                one.serial / 1e6,
                100.0 * one.serial_buyers,
                one.single / 1e6,
                100.0 * one.single_buyers
            );
        }
        Ok(table)
    }
}
