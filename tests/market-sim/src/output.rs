//! What a run prints and writes.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::Path,
};

use eyre::{Result, WrapErr};
use mica_market_sim::{Row, Summary, starts::Starts};

const HEAD: &str = "round,workers,price,price_changes,gap_greatest,gap_mean,throughput,bare_layers,\
                    bared_by_moves,wishes,moves,welfare,welfare_bound,welfare_part,revenue,served";

/// Rows as a table of commas.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{HEAD}\n");
    for row in rows {
        let welfare = row.welfare;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.round,
            row.workers,
            row.price,
            row.price_changes,
            row.gap.greatest,
            row.gap.mean,
            row.throughput,
            row.bare_layers,
            row.bared_by_moves,
            row.wishes,
            row.moves,
            welfare.reached,
            welfare.bound,
            row.welfare_part,
            welfare.revenue,
            welfare.served
        );
    }
    text
}

/// Writes a line per round.
pub fn csv(file: &Path, rows: &[Row]) -> Result<()> {
    write(file, &table(rows))
}

/// Writes a file, and says which one where that fails.
pub fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).wrap_err_with(|| format!("cannot write {}", file.display()))
}

/// Prints what a run amounts to.
pub fn summary(summary: &Summary, rows: &[Row], json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let value = serde_json::json!({ "summary": summary, "rounds": rows });
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        return Ok(());
    }
    let end = &summary.end;
    writeln!(
        out,
        "workers           {} of {} on {} layers",
        end.workers, summary.workers, summary.layers
    )?;
    writeln!(out, "mean price        {:.3} units", end.price / 1e6)?;
    writeln!(
        out,
        "Nash gap          {:.4} % at most, {:.4} % on average, of {} workers",
        100.0 * end.gap.greatest,
        100.0 * end.gap.mean,
        end.gap.workers
    )?;
    match summary.rest_round {
        Some(round) => {
            writeln!(out, "moves             {}, none wanted from round {round}", summary.moves)?
        }
        None => writeln!(out, "moves             {}, {} still wanted", summary.moves, end.wishes)?,
    }
    writeln!(out, "bared by moves    {} layers", summary.bared_by_moves)?;
    writeln!(out, "throughput        {:.1} % of the even split", 100.0 * end.throughput)?;
    writeln!(out, "welfare           {:.2} % of the bound", 100.0 * end.welfare_part)?;
    if let Some(part) = summary.optimum_part {
        writeln!(
            out,
            "                  {:.2} % of the most with workers where they stand",
            100.0 * part
        )?;
    }
    writeln!(out, "served            {:.2} %", 100.0 * end.welfare.served)?;
    if let Some(best) = &summary.assignment {
        writeln!(out, "single payers     {:.2} % of the best assignment", 100.0 * best.part())?;
    }
    if let Some(routes) = &summary.routes {
        writeln!(
            out,
            "paths             {:.1} workers, {:.2} units, {:.1} ms per token; the most picked has {:.0} %",
            routes.stages,
            routes.price / 1e6,
            routes.time_us / 1e3,
            100.0 * routes.most_picked
        )?;
    }
    if let (Some(low), rounds) = (summary.shock_low, summary.recovery_rounds) {
        let rounds = rounds.map_or("not yet".into(), |rounds| format!("{rounds} rounds"));
        writeln!(
            out,
            "after the shock   {:.2} % at least; weakest layer back after {rounds}",
            100.0 * low
        )?;
    }
    Ok(())
}

/// Prints the worst of many worlds.
pub fn starts(starts: &Starts, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(starts)?)?;
        return Ok(());
    }
    writeln!(out, "{} worlds, {} of them not at rest", starts.worlds, starts.restless)?;
    writeln!(
        out,
        "Nash gap          {:.4} % at most (seed {})",
        100.0 * starts.gap,
        starts.gap_seed
    )?;
    writeln!(out, "bared by moves    {} layers", starts.bared_by_moves)?;
    writeln!(out, "bare at the end   in {} worlds", starts.bare_at_end)?;
    writeln!(
        out,
        "welfare           {:.2} % at least, {:.2} % on average",
        100.0 * starts.welfare,
        100.0 * starts.mean_welfare
    )?;
    writeln!(
        out,
        "throughput        {:.1} % at least, {:.1} % on average",
        100.0 * starts.throughput,
        100.0 * starts.mean_throughput
    )?;
    Ok(())
}
