//! How much memory the system has left, and how to get it in huge pages.

use std::{fs, mem::MaybeUninit, path::Path};

/// Bytes that this process can still take without harm to others, as far as the system tells: the
/// smaller of what the machine and the control group have left. `None` where neither is known.
pub fn available_bytes() -> Option<usize> {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo_available(&text));
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = control_groups(
        Path::new("/sys/fs/cgroup"),
        own_group(&own).unwrap_or_default(),
        &VERSION_2,
    );
    let older = control_groups(
        Path::new("/sys/fs/cgroup/memory"),
        own_memory_group(&own).unwrap_or_default(),
        &VERSION_1,
    );
    machine.into_iter().chain(group).chain(older).min()
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

/// The same of version 1, whose controllers have a hierarchy each.
fn own_memory_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == "memory").then_some(path)?.strip_prefix('/')
    })
}

/// What the files of a control group are called.
struct Files {
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`.
    cache: &'static str,
}

const VERSION_2: Files =
    Files { limit: "memory.max", used: "memory.current", cache: "inactive_file " };
const VERSION_1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: "total_inactive_file ",
};
/// Version 1 writes the largest number of whole pages where there is no limit.
const NO_LIMIT: usize = 1 << 60;

/// What the control group at `own` below `root` and all those that it is in have left; `None` where
/// no group has a limit.
fn control_groups(root: &Path, own: &str, files: &Files) -> Option<usize> {
    // Inside of a container the path may be one that only the host has; the root then is the
    // container's own group.
    root.join(own)
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .filter_map(|folder| control_group(folder, files))
        .min()
}

/// What a control group has left; `None` without a limit.
fn control_group(folder: &Path, files: &Files) -> Option<usize> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |text: &str| text.trim().parse::<usize>().ok();
    // Without a limit the file says `max`, which is no number.
    let limit = number(&read(files.limit)?).filter(|limit| *limit < NO_LIMIT)?;
    let used = number(&read(files.used)?)?;
    // The file cache counts as used, and the system gives it back when it is needed.
    let stat = read("memory.stat").unwrap_or_default();
    let cache =
        stat.lines().find_map(|line| line.strip_prefix(files.cache)).and_then(number).unwrap_or(0);
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
        assert_eq!(control_group(folder.path(), &VERSION_2), None);
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("memory.current", "300\n");
        write("memory.max", "max\n");
        assert_eq!(control_group(folder.path(), &VERSION_2), None);
        write("memory.max", "1000\n");
        assert_eq!(control_group(folder.path(), &VERSION_2), Some(700));
        write("memory.max", "200\n");
        assert_eq!(control_group(folder.path(), &VERSION_2), Some(0));
        write("memory.stat", "anon 100\ninactive_file 250\nactive_file 20\n");
        assert_eq!(control_group(folder.path(), &VERSION_2), Some(150));
    }

    #[test]
    fn the_first_version_of_control_groups_counts_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "5:cpu,cpuacct:/x\n4:memory:/docker/ab\n1:name=systemd:/y\n";
        assert_eq!(own_memory_group(text), Some("docker/ab"));
        assert_eq!(own_memory_group("0::/only.slice\n"), None);
        let write =
            |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        write("memory.usage_in_bytes", "300\n");
        write("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(control_group(folder.path(), &VERSION_1), None, "no limit");
        write("memory.limit_in_bytes", "1000\n");
        assert_eq!(control_group(folder.path(), &VERSION_1), Some(700));
        write("memory.stat", "cache 9\ninactive_file 90\ntotal_inactive_file 100\n");
        assert_eq!(control_group(folder.path(), &VERSION_1), Some(800));
        assert_eq!(control_groups(folder.path(), "of/the/host", &VERSION_1), Some(800));
    }

    #[test]
    fn the_tightest_group_of_all_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, own) =
            (folder.path(), own_group("1:cpu:/x\n0::/a.slice/b.service\n").expect("version 2"));
        let inner = root.join(own);
        fs::create_dir_all(&inner).expect("folders");
        assert_eq!(control_groups(root, own, &VERSION_2), None);
        let limit = |folder: &Path, limit: &str| {
            fs::write(folder.join("memory.max"), limit).expect("written");
            fs::write(folder.join("memory.current"), "100").expect("written");
        };
        limit(&inner, "max");
        limit(&root.join("a.slice"), "500");
        assert_eq!(control_groups(root, own, &VERSION_2), Some(400));
        limit(root, "300");
        assert_eq!(control_groups(root, own, &VERSION_2), Some(200));
        assert_eq!(control_groups(root, "of/the/host", &VERSION_2), Some(200));
        assert_eq!(own_group("1:cpu:/x\n"), None);
    }
}
