//! The machine as its owner uses it: whether it runs on battery, how hot it is, what time it is.
//!
//! Read from the files of Linux (`/sys/class/power_supply`, `/sys/class/thermal`); elsewhere, and
//! where the system says nothing, nothing is known and nothing is held against the worker.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use chrono::{Local, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Where Linux tells of the machine.
const SYSTEM: &str = "/sys/class";
/// Devices of one kind that are looked at.
const MAX_DEVICES: usize = 64;
/// A sensor that says less or more is broken or means something else, °C.
const SENSIBLE: std::ops::RangeInclusive<f64> = -40.0..=150.0;

/// What is known of the machine now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Machine {
    /// Whether it runs on battery; nothing if it has none.
    pub on_battery: Option<bool>,
    /// Its hottest sensor, °C.
    pub celsius: Option<f64>,
}

impl Machine {
    /// Looks.
    pub(crate) fn now() -> Self {
        Self::at(Path::new(SYSTEM))
    }

    fn at(system: &Path) -> Self {
        let zones = devices(&system.join("thermal"), "thermal_zone");
        let hottest = zones
            .filter_map(|zone| celsius(&zone))
            .fold(None, |most: Option<f64>, one| Some(most.map_or(one, |most| most.max(one))));
        Self { on_battery: on_battery(&system.join("power_supply")), celsius: hottest }
    }
}

/// A machine runs on battery if one discharges, or if it has a mains supply and none is online.
fn on_battery(supplies: &Path) -> Option<bool> {
    let (mut has_battery, mut discharges, mut mains) = (false, false, None);
    for supply in devices(supplies, "") {
        let read = |name: &str| fs::read_to_string(supply.join(name)).unwrap_or_default();
        match read("type").trim() {
            // That of a mouse says nothing of the machine.
            "Battery" if read("scope").trim() != "Device" => {
                has_battery = true;
                discharges |= read("status").trim() == "Discharging";
            }
            "Mains" => mains = Some(mains.unwrap_or(false) || read("online").trim() == "1"),
            _ => {}
        }
    }
    has_battery.then_some(mains.map_or(discharges, |is_online: bool| !is_online))
}

fn celsius(zone: &Path) -> Option<f64> {
    let text = fs::read_to_string(zone.join("temp")).ok()?;
    let celsius = text.trim().parse::<f64>().ok()? / 1_000.0;
    SENSIBLE.contains(&celsius).then_some(celsius)
}

fn devices(folder: &Path, begin: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let begin = begin.to_owned();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(&begin))
        .map(|entry| entry.path())
        .take(MAX_DEVICES)
}

/// Hours of the day, local time, from the first minute to before the last; past midnight if the
/// second is earlier. Written `22:00-07:30`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hours {
    /// Minutes since midnight.
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether they hold now, by the machine's own clock and time zone.
    pub(crate) fn hold_now(self) -> bool {
        let now = Local::now();
        // At most 24 · 60.
        self.hold((now.hour() * 60 + now.minute()) as u16)
    }

    fn hold(self, minute: u16) -> bool {
        let Self { from, to } = self;
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

/// Why a text is no hours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no part of a day: write it as HH:MM-HH:MM, for example 22:00-07:30")]
pub(crate) struct HoursError(String);

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let refused = || HoursError(text.to_owned());
        let minute = |part: &str| {
            let (hours, minutes) = part.trim().split_once(':')?;
            let is_two = |digits: &str| {
                digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())
            };
            if !is_two(hours) || !is_two(minutes) {
                return None;
            }
            let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let (from, to) = text.trim().split_once('-').ok_or_else(refused)?;
        let (from, to) = (minute(from).ok_or_else(refused)?, minute(to).ok_or_else(refused)?);
        if from == to { Err(refused()) } else { Ok(Self { from, to }) }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    #[test]
    fn a_machine_without_files_is_a_machine_of_which_nothing_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Machine::at(folder.path()), Machine::default());
        write(folder.path(), "power_supply/AC/type", "Mains\n");
        write(folder.path(), "power_supply/AC/online", "0\n");
        assert_eq!(Machine::at(folder.path()).on_battery, None, "it has no battery");
    }

    #[test]
    fn a_notebook_runs_on_battery_when_its_mains_are_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "power_supply/BAT0/type", "Battery\n");
        write(root, "power_supply/BAT0/status", "Full\n");
        assert_eq!(Machine::at(root).on_battery, Some(false));
        write(root, "power_supply/BAT0/status", "Discharging\n");
        assert_eq!(Machine::at(root).on_battery, Some(true));
        // It may discharge a little on mains.
        write(root, "power_supply/AC/type", "Mains\n");
        write(root, "power_supply/AC/online", "1\n");
        assert_eq!(Machine::at(root).on_battery, Some(false));
        write(root, "power_supply/AC/online", "0\n");
        assert_eq!(Machine::at(root).on_battery, Some(true));
        write(root, "power_supply/ADP1/type", "Mains\n");
        write(root, "power_supply/ADP1/online", "1\n");
        assert_eq!(Machine::at(root).on_battery, Some(false), "one of two supplies is enough");
    }

    #[test]
    fn the_battery_of_a_mouse_is_not_the_machines() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "power_supply/hid/type", "Battery\n");
        write(folder.path(), "power_supply/hid/scope", "Device\n");
        write(folder.path(), "power_supply/hid/status", "Discharging\n");
        assert_eq!(Machine::at(folder.path()).on_battery, None);
    }

    #[test]
    fn the_hottest_sensible_sensor_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        for (zone, text) in [("0", "41000\n"), ("1", "63500\n"), ("2", "-273000\n"), ("3", "x")] {
            write(folder.path(), &format!("thermal/thermal_zone{zone}/temp"), text);
        }
        write(folder.path(), "thermal/cooling_device0/temp", "99000\n");
        assert_eq!(Machine::at(folder.path()).celsius, Some(63.5));
    }

    #[test]
    fn hours_hold_within_a_day_and_over_midnight() {
        let day: Hours = "08:00-17:30".parse().expect("hours");
        assert!(day.hold(480) && day.hold(1_049) && !day.hold(1_050) && !day.hold(0));
        let night: Hours = " 22:00 - 07:00 ".parse().expect("hours");
        assert!(night.hold(1_320) && night.hold(0) && night.hold(419) && !night.hold(420));
        assert_eq!(night.to_string(), "22:00-07:00");
    }

    #[test]
    fn what_is_no_part_of_a_day_is_refused() {
        for text in ["", "8-9", "08:00", "24:00-01:00", "08:60-09:00", "08:00-08:00", "+8:00-9:00"]
        {
            assert_eq!(text.parse::<Hours>(), Err(HoursError(text.to_owned())), "{text}");
        }
    }
}
