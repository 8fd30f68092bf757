//! What this process uses, read from the kernel.

use std::{collections::BTreeSet, fs, thread, time::Duration};

use procfs::{
    Current, Meminfo, ProcessCGroup,
    process::{MountInfo, Process},
};

use super::group::{self, Group, Limits, Mount};

/// What the process has used and holds, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time used since it started, over all threads.
    pub cpu: Duration,
    /// Memory resident, in bytes.
    pub memory: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

/// What the process may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// Cores, or the share of them that the quota of a container leaves.
    pub cores: f64,
    /// Memory in bytes: the machine's, or the limit of a container; 0 if it cannot be read.
    pub memory: u64,
    /// Open file descriptors; 0 if it cannot be read.
    pub descriptors: u64,
}

/// Reads what this process uses; `None` if the kernel does not tell.
pub fn usage() -> Option<Usage> {
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let ticks = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
    Some(Usage {
        cpu: Duration::try_from_secs_f64(ticks).ok()?,
        memory: stat.rss.saturating_mul(procfs::page_size()),
        descriptors: open_descriptors(&process),
    })
}

/// Reads what this process may use.
pub fn allowance() -> Allowance {
    let process = Process::myself().ok();
    let groups = process.as_ref().map(group_limits).unwrap_or_default();
    let machine = Meminfo::current().map_or(0, |memory| memory.mem_total);
    let memory = match (machine, groups.memory) {
        (0, limit) => limit.unwrap_or(0),
        (machine, limit) => limit.map_or(machine, |limit| limit.min(machine)),
    };
    let cores = process.as_ref().and_then(whole_cores).unwrap_or_else(|| {
        // That takes a quota for whole cores, and less than one for one.
        thread::available_parallelism().map_or(1, usize::from)
    }) as f64;
    Allowance {
        cores: groups.cores.map_or(cores, |quota| quota.min(cores)),
        memory,
        descriptors: rlimit::Resource::NOFILE.get().map_or(0, |(soft, _)| soft),
    }
}

/// What the control groups of this process leave it.
fn group_limits(process: &Process) -> Limits {
    let (Ok(groups), Ok(mounts)) = (process.cgroups(), process.mountinfo()) else {
        return Limits::default();
    };
    let groups: Vec<_> = groups.0.into_iter().map(group).collect();
    let mounts: Vec<_> = mounts.into_iter().map(mount).collect();
    group::limits(&groups, &mounts, |file| fs::read_to_string(file).ok())
}

pub(super) fn group(group: ProcessCGroup) -> Group {
    Group { controllers: group.controllers, path: group.pathname }
}

pub(super) fn mount(mount: MountInfo) -> Mount {
    Mount {
        kind: mount.fs_type,
        root: mount.root,
        point: mount.mount_point,
        options: mount.super_options.into_keys().collect(),
    }
}

/// How many cores this process may run on, without regard to quotas.
fn whole_cores(process: &Process) -> Option<usize> {
    let allowed = process.status().ok()?.cpus_allowed_list?;
    let allowed: BTreeSet<u32> = allowed.into_iter().flat_map(|(from, to)| from..=to).collect();
    // Those that this machine does not have may be allowed, too.
    let online = fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    let count = group::cpus(&online)?.intersection(&allowed).count();
    (count > 0).then_some(count)
}

fn open_descriptors(process: &Process) -> u64 {
    // Since Linux 6.2 the folder's size is the number of entries; to list a hundred thousand of
    // them each second would be a load of its own.
    match fs::metadata("/proc/self/fd") {
        Ok(folder) if folder.len() > 0 => folder.len(),
        _ => process.fd_count().map_or(0, |count| count as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let before = usage().unwrap();
        assert!(before.memory > 1 << 20);
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        // Work until the kernel's clock, which ticks in hundredths, has seen it.
        let mut sum = 0u64;
        let after = loop {
            sum = (0..100_000u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
            let now = usage().unwrap();
            if now.cpu > before.cpu {
                break now;
            }
        };
        assert!(after.descriptors >= before.descriptors + 20);
        drop(files);
        let allowed = allowance();
        // A quota leaves no more than there is, and threads are made for whole cores of it.
        let threads = thread::available_parallelism().unwrap().get() as f64;
        assert!(allowed.cores > 0.0 && allowed.cores < threads + 1.0, "{allowed:?}");
        assert!(allowed.memory > before.memory);
        assert!(allowed.memory <= Meminfo::current().unwrap().mem_total);
        assert!(allowed.descriptors >= after.descriptors);
    }
}
