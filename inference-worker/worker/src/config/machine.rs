//! What an operator gives of a machine that others use, and what others may read.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer};

use crate::machine::Hours;

/// How much of the machine the worker takes, and when.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MachineConfig {
    /// Part of the cores that the engine uses, above 0 and at most 1; without meaning if `threads`
    /// is given.
    #[serde(deserialize_with = "share")]
    pub share: f64,
    /// Niceness of the engine: 0 as any other program, 19 after every other program.
    #[serde(deserialize_with = "nice")]
    pub nice: u8,
    /// Whether no new sessions are taken while the machine runs on battery.
    pub pause_on_battery: bool,
    /// Temperature above which no new sessions are taken, °C.
    pub pause_above_celsius: Option<f64>,
    /// Hours of the day in which sessions are taken; nothing for all.
    pub hours: Option<Hours>,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            share: 1.0,
            nice: 10,
            pause_on_battery: false,
            pause_above_celsius: None,
            hours: None,
        }
    }
}

/// What is told over HTTP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// Where `/metrics` is served; nothing for nowhere.
    pub listen: Option<SocketAddr>,
}

/// Reads a part of the cores.
///
/// # Errors
/// What is not above 0 and at most 1.
pub(crate) fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.trim().parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| {
        format!("`{text}` is no part of the cores: write a number above 0 and at most 1, like 0.5")
    })
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    parse_share(&share.to_string()).map_err(serde::de::Error::custom)
}

fn nice<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let nice = u8::deserialize(deserializer)?;
    if nice <= 19 {
        return Ok(nice);
    }
    Err(serde::de::Error::custom(format!("niceness {nice}: write a number from 0 to 19")))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Config, TEMPLATE},
        *,
    };

    #[test]
    fn a_file_of_an_earlier_version_has_the_defaults_of_this_one() {
        let end = TEMPLATE.find("\n[machine]\n").expect("the section");
        let config = Config::parse(&TEMPLATE[..end]).expect("an older file");
        assert_eq!((config.machine.share, config.machine.nice), (1.0, 10));
        assert!(!config.machine.pause_on_battery && config.metrics.listen.is_none());
    }

    #[test]
    fn the_machine_cannot_be_shared_out_as_nobody_can() {
        for (from, to) in [
            ("share = 1.0", "share = 0.0"),
            ("share = 1.0", "share = 1.5"),
            ("share = 1.0", "share = nan"),
            ("nice = 10", "nice = 20"),
            ("nice = 10", "nice = -1"),
        ] {
            assert!(Config::parse(&TEMPLATE.replace(from, to)).is_err(), "{to}");
        }
        assert_eq!(parse_share("0.25"), Ok(0.25));
        assert!(parse_share("-0.25").is_err() && parse_share("half").is_err());
    }
}
