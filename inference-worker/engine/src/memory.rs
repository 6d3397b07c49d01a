//! How much memory the system can still give, and in which pages.

use std::{fs, mem::MaybeUninit, path::Path};

/// Bytes that this process can still take without harm to others, as far as the system tells: the smaller of what the machine and
/// the control group have left. `None` where neither is known.
pub fn available_bytes() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo_available(&text));
    let group = control_group(Path::new("/sys/fs/cgroup"));
    machine.into_iter().chain(group).min()
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn meminfo_available(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// What a control group (version 2) has left; `None` without a limit.
fn control_group(folder: &Path) -> Option<usize> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<usize>().ok();
    // Without a limit the file says `max`, which is no number.
    Some(number("memory.max")?.saturating_sub(number("memory.current")?))
}

/// Asks the system to back memory that nobody has touched yet with huge pages, for a `mica_kernels::Fresh`. Only whole ones, so that
/// what is left at the end takes no more room than it must.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_huge_pages(memory: &mut [MaybeUninit<u8>]) {
    let whole = memory.len() / mica_kernels::HUGE_PAGE * mica_kernels::HUGE_PAGE;
    // SAFETY: the range is borrowed mutably, and this advice changes no contents.
    let advised = unsafe { rustix::mm::madvise(memory.as_mut_ptr().cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    // Where the system has none, pages stay small, and only speed is lost.
    advised.unwrap_or_default();
}

/// Elsewhere nobody is asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_huge_pages(_memory: &mut [MaybeUninit<u8>]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_meminfo_is_found() {
        let text = "MemTotal:       24689764 kB\nMemFree:         1000 kB\nMemAvailable:   21000000 kB\n";
        assert_eq!(meminfo_available(text), Some(21_000_000 * 1024));
        for bad in ["", "MemTotal: 5 kB\n", "MemAvailable: x kB\n", "MemAvailable: 5\n"] {
            assert_eq!(meminfo_available(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_control_group_with_a_limit_leaves_the_rest() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(control_group(folder.path()), None);
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("memory.current", "300\n");
        write("memory.max", "max\n");
        assert_eq!(control_group(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(control_group(folder.path()), Some(700));
        write("memory.max", "200\n");
        assert_eq!(control_group(folder.path()), Some(0));
    }
}
