//! How much memory the system has left, and how to get it in huge pages.

use std::{fs, mem::MaybeUninit, path::Path};

/// Bytes that this process can still take without harm to others, as far as the system tells: the
/// smaller of what the machine and the control group have left. `None` where neither is known.
pub fn available_bytes() -> Option<usize> {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo_available(&text));
    let own = fs::read_to_string("/proc/self/cgroup").ok();
    let group = control_groups(
        Path::new("/sys/fs/cgroup"),
        own.as_deref().and_then(own_group).unwrap_or_default(),
    );
    machine.into_iter().chain(group).min()
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn meminfo_available(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// Path of this process's control group (version 2), below the root, from `/proc/self/cgroup`.
fn own_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// What the control group at `own` below `root` and all those that it is in have left; `None` where
/// no group has a limit.
fn control_groups(root: &Path, own: &str) -> Option<usize> {
    // Inside of a container the path may be one that only the host has; the root then is the
    // container's own group.
    root.join(own)
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .filter_map(control_group)
        .min()
}

/// What a control group has left; `None` without a limit.
fn control_group(folder: &Path) -> Option<usize> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |text: &str| text.trim().parse::<usize>().ok();
    // Without a limit the file says `max`, which is no number.
    let (limit, used) = (number(&read("memory.max")?)?, number(&read("memory.current")?)?);
    // The file cache counts as used, and the system gives it back when it is needed.
    let stat = read("memory.stat").unwrap_or_default();
    let cache = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file "))
        .and_then(number)
        .unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

/// Asks the system to back memory that nobody has touched yet with huge pages, for a
/// `mica_kernels::Fresh`. Only whole ones, so that what is left at the end takes no more room than
/// it must.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_huge_pages(memory: &mut [MaybeUninit<u8>]) {
    let whole = memory.len() / mica_kernels::HUGE_PAGE * mica_kernels::HUGE_PAGE;
    // SAFETY: the range is borrowed mutably, and this advice changes no contents.
    let advised = unsafe {
        rustix::mm::madvise(memory.as_mut_ptr().cast(), whole, rustix::mm::Advice::LinuxHugepage)
    };
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
        let text =
            "MemTotal:       24689764 kB\nMemFree:         1000 kB\nMemAvailable:   21000000 kB\n";
        assert_eq!(meminfo_available(text), Some(21_000_000 * 1024));
        for bad in ["", "MemTotal: 5 kB\n", "MemAvailable: x kB\n", "MemAvailable: 5\n"] {
            assert_eq!(meminfo_available(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_control_group_with_a_limit_leaves_the_rest() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(control_group(folder.path()), None);
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("memory.current", "300\n");
        write("memory.max", "max\n");
        assert_eq!(control_group(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(control_group(folder.path()), Some(700));
        write("memory.max", "200\n");
        assert_eq!(control_group(folder.path()), Some(0));
        write("memory.stat", "anon 100\ninactive_file 250\nactive_file 20\n");
        assert_eq!(control_group(folder.path()), Some(150));
    }

    #[test]
    fn the_tightest_group_of_all_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, own) =
            (folder.path(), own_group("1:cpu:/x\n0::/a.slice/b.service\n").expect("version 2"));
        let inner = root.join(own);
        fs::create_dir_all(&inner).expect("folders");
        assert_eq!(control_groups(root, own), None);
        let limit = |folder: &Path, limit: &str| {
            fs::write(folder.join("memory.max"), limit).expect("written");
            fs::write(folder.join("memory.current"), "100").expect("written");
        };
        limit(&inner, "max");
        limit(&root.join("a.slice"), "500");
        assert_eq!(control_groups(root, own), Some(400));
        limit(root, "300");
        assert_eq!(control_groups(root, own), Some(200));
        assert_eq!(control_groups(root, "of/the/host"), Some(200));
        assert_eq!(own_group("1:cpu:/x\n"), None);
    }
}
