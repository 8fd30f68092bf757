//! What the control groups of a container leave a process. Pure: the kernel's files come in as text.
//!
//! A quota is a fraction of the machine, and one of a parent group holds for all below it, so the
//! least on the way up counts. What lies above the container cannot be seen from within it.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

/// A control group of a process.
#[derive(Debug)]
pub(super) struct Group {
    /// What it controls; empty in version 2, where one group controls everything.
    pub(super) controllers: Vec<String>,
    /// Where it is in its hierarchy.
    pub(super) path: String,
}

/// A file system that is mounted.
#[derive(Debug)]
pub(super) struct Mount {
    /// Its type.
    pub(super) kind: String,
    /// Which folder of it is seen.
    pub(super) root: String,
    /// Where.
    pub(super) point: PathBuf,
    /// Its options: in version 1 what it controls is among them.
    pub(super) options: BTreeSet<String>,
}

/// The least of what all groups allow; `None` where nothing is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Limits {
    /// Cores, as a share of the time of all of them.
    pub(super) cores: Option<f64>,
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
}

/// Version 1 says so for memory without a limit: the highest number, less what is no whole page.
const UNLIMITED: u64 = i64::MAX as u64 - (1 << 20);

/// The limits of a process in these groups, where these file systems are mounted. `read` reads a file.
pub(super) fn limits(
    groups: &[Group],
    mounts: &[Mount],
    read: impl Fn(&Path) -> Option<String>,
) -> Limits {
    let mut limits = Limits::default();
    for group in groups {
        for mount in mounts.iter().filter(|mount| is_of(mount, group)) {
            for folder in folders(mount, group) {
                let read = |name: &str| read(&folder.join(name));
                let cores = read("cpu.max").and_then(|text| quota(&text)).or_else(|| {
                    let quota = read("cpu.cfs_quota_us")?;
                    self::quota(&format!("{} {}", quota.trim(), read("cpu.cfs_period_us")?.trim()))
                });
                let memory = ["memory.max", "memory.limit_in_bytes"]
                    .into_iter()
                    .find_map(|name| read(name)?.trim().parse().ok())
                    .filter(|bytes| *bytes < UNLIMITED);
                limits.cores = least(limits.cores, cores);
                limits.memory = least(limits.memory, memory);
            }
        }
    }
    limits
}

/// Whether a file system shows the hierarchy of a group.
fn is_of(mount: &Mount, group: &Group) -> bool {
    match mount.kind.as_str() {
        "cgroup2" => group.controllers.is_empty(),
        "cgroup" => group.controllers.iter().any(|name| mount.options.contains(name)),
        _ => false,
    }
}

/// The folder of a group and those of its parents, as far as they can be seen.
fn folders(mount: &Mount, group: &Group) -> Vec<PathBuf> {
    let top = &mount.point;
    // A container sees its own group as the root of the mount, though its path may be another.
    let below = Path::new(&group.path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
    let below = if is_below { below } else { Path::new("") };
    below.ancestors().map(|part| top.join(part)).collect()
}

/// A quota and its period, in microseconds; `None` if there is no limit, or nothing that can be read.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

fn least<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other < one { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// A list of processors as the kernel writes it: `0-3,7`.
pub(super) fn cpus(list: &str) -> Option<BTreeSet<u32>> {
    let mut cpus = BTreeSet::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use procfs::{FromBufRead, ProcessCGroups, process::MountInfos};

    use super::{super::process, *};

    /// The limits in a system that has these groups, mounts and files.
    fn limits_of(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Limits {
        let groups = ProcessCGroups::from_buf_read(groups.as_bytes()).unwrap();
        let groups: Vec<_> = groups.0.into_iter().map(process::group).collect();
        let mounts = MountInfos::from_buf_read(mounts.as_bytes()).unwrap();
        let mounts: Vec<_> = mounts.into_iter().map(process::mount).collect();
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        limits(&groups, &mounts, |file| files.get(file.to_str()?).map(|text| (*text).to_owned()))
    }

    const V2: &str = "31 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn half_a_core_is_half_a_core() {
        let found = limits_of(
            "0::/\n",
            V2,
            &[
                ("/sys/fs/cgroup/cpu.max", "50000 100000\n"),
                ("/sys/fs/cgroup/memory.max", "536870912\n"),
            ],
        );
        assert_eq!(found, Limits { cores: Some(0.5), memory: Some(512 << 20) });
    }

    #[test]
    fn the_least_of_a_group_and_its_parents_counts() {
        let service = "/sys/fs/cgroup/load.slice/run.service";
        let found = limits_of(
            "0::/load.slice/run.service\n",
            V2,
            &[
                (&format!("{service}/cpu.max"), "max 100000\n"),
                (&format!("{service}/memory.max"), "3000000\n"),
                ("/sys/fs/cgroup/load.slice/cpu.max", "150000 100000\n"),
                ("/sys/fs/cgroup/load.slice/memory.max", "2000000\n"),
                ("/sys/fs/cgroup/other.slice/cpu.max", "1000 100000\n"),
            ],
        );
        assert_eq!(found, Limits { cores: Some(1.5), memory: Some(2_000_000) });
    }

    #[test]
    fn nothing_that_is_limited_is_no_limit() {
        let files =
            [("/sys/fs/cgroup/cpu.max", "max 100000\n"), ("/sys/fs/cgroup/memory.max", "max\n")];
        assert_eq!(limits_of("0::/\n", V2, &files), Limits::default());
        assert_eq!(limits_of("0::/\n", V2, &[]), Limits::default());
        assert_eq!(limits_of("0::/\n", "", &files), Limits::default());
        let odd = [("/sys/fs/cgroup/cpu.max", "0 0\n"), ("/sys/fs/cgroup/memory.max", "a lot\n")];
        assert_eq!(limits_of("0::/\n", V2, &odd), Limits::default());
    }

    /// As Docker shows it: the container's own group is the root of the mount.
    #[test]
    fn version_one_has_a_hierarchy_for_each_controller() {
        let groups =
            "4:memory:/docker/4f2a\n2:cpu,cpuacct:/docker/4f2a\n1:name=systemd:/docker/4f2a\n";
        let mounts = "\
            36 30 0:32 /docker/4f2a /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
            37 30 0:33 /docker/4f2a /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let quota = |quota| {
            [
                ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", quota),
                ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n"),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ]
        };
        let found = limits_of(groups, mounts, &quota("37500\n"));
        assert_eq!(found, Limits { cores: Some(0.75), memory: Some(1 << 30) });
        let unlimited = limits_of(groups, mounts, &quota("-1\n"));
        assert_eq!(unlimited.cores, None);
        let none = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")];
        assert_eq!(limits_of(groups, mounts, &none), Limits::default());
    }

    /// A group outside of what is mounted is that of the container.
    #[test]
    fn a_group_elsewhere_is_looked_for_at_the_mount() {
        let files = [("/sys/fs/cgroup/cpu.max", "25000 100000\n")];
        for path in ["/../../outside", "/some/where/else"] {
            let mounts = V2.replace(" / /sys", " /the/root /sys");
            let found = limits_of(&format!("0::{path}\n"), &mounts, &files);
            assert_eq!(found.cores, Some(0.25), "{path}");
        }
    }

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(cpus("0-3,7\n"), Some([0, 1, 2, 3, 7].into()));
        assert_eq!(cpus("5"), Some([5].into()));
        assert_eq!(cpus("\n"), Some([].into()));
        assert_eq!(cpus("a-b"), None);
    }
}
