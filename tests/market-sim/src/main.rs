//! `mica-market-sim`: simulates a model's market over the code that workers and payers run.

mod book;
mod options;
mod output;

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use eyre::Result;
use indicatif::{ProgressBar, ProgressStyle};
use mica_market_sim::{Market, Run, World, starts::starts};

use options::Options;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mica-market-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if let Some(folder) = &options.book {
        return book::write(folder, options);
    }
    let market = Market::standard()?;
    if let Some(worlds) = options.starts {
        let bar = bar(worlds as u64);
        let result = starts(options.setting(), market, options.plan(), worlds, || bar.inc(1))?;
        bar.finish_and_clear();
        return output::starts(&result, options.json);
    }
    let mut run = Run::new(World::new(options.setting(), market)?, options.plan())?;
    let bar = bar(options.rounds.into());
    let began = Instant::now();
    run.finish(|_| bar.inc(1))?;
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    eprintln!(
        "{} looks in {seconds:.1} s, {:.1} million a second on {} threads",
        run.world.looks,
        run.world.looks as f64 / seconds / 1e6,
        options.setting().threads
    );
    let summary = run.summary()?;
    if let Some(file) = &options.csv {
        output::csv(file, &run.rows)?;
    }
    if let Some(folder) = &options.figures {
        book::figures_of(&run, &summary, folder, &options.caption())?;
    }
    output::summary(&summary, &run.rows, options.json)
}

/// Progress on standard error; nothing where that is no terminal.
fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}
