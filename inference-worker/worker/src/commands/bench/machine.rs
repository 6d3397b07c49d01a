//! What the operating system reports about the machine and this process.

/// Memory of this process in bytes, where the system tells it (Linux).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// In main memory now, with the pages of mapped files.
    pub resident: u64,
    /// The most that ever was.
    pub peak: u64,
}

/// The processor's name as the system tells it.
pub(crate) fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name").or_else(|| line.strip_prefix("Model")));
    name.and_then(|line| line.split_once(':'))
        .map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Processors that the system has for this process.
pub(crate) fn logical_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// This process' memory.
pub(crate) fn memory() -> Option<Memory> {
    parse_memory(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_the_system_writes() {
        let memory = parse_memory("Name:\tx\nVmHWM:\t   5000 kB\nVmRSS:\t   4096 kB\n")
            .expect("both are there");
        assert_eq!((memory.resident, memory.peak), (4 << 20, 5_120_000));
        for bad in [
            "",
            "VmRSS: 12 kB",
            "VmHWM: 1 kB\nVmRSS: many kB",
            "VmHWM: 1 kB\nVmRSS: 18446744073709551615 kB",
        ] {
            assert!(parse_memory(bad).is_none(), "{bad}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let memory = memory().expect("Linux tells");
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
    }
}
