//! What this process uses, read from the kernel.

use std::{fs, thread, time::Duration};

use procfs::{Current, Meminfo, process::Process};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Cores, quotas of the container considered.
    pub cores: usize,
    /// The machine's memory in bytes; 0 if it cannot be read.
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
    Allowance {
        cores: thread::available_parallelism().map_or(1, usize::from),
        memory: Meminfo::current().map_or(0, |memory| memory.mem_total),
        descriptors: rlimit::Resource::NOFILE.get().map_or(0, |(soft, _)| soft),
    }
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
        assert!(allowed.cores >= 1 && allowed.memory > before.memory);
        assert!(allowed.descriptors >= after.descriptors);
    }
}
