//! What the kernel knows of this process, under the names that Prometheus's own client libraries
//! use. Where there is no `/proc` these metrics are left out.

crate::catalogue! {
    /// What the kernel knows of a process.
    METRICS;
    Gauge RESIDENT = "process_resident_memory_bytes" [] "Memory that the process holds in RAM";
    Gauge CPU_SECONDS = "process_cpu_seconds_total" [] "Processor time, of its own and of the kernel for it; only grows";
    Gauge DESCRIPTORS = "process_open_fds" [] "Open files and connections";
}

/// `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that Rust runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Reads the values of now.
pub(super) fn record() {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(kibibytes) = resident(&status)
    {
        metrics::gauge!(RESIDENT).set(kibibytes * 1024.0);
    }
    if let Ok(stat) = std::fs::read_to_string("/proc/self/stat")
        && let Some(ticks) = cpu(&stat)
    {
        metrics::gauge!(CPU_SECONDS).set(ticks / TICKS_A_SECOND);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        metrics::gauge!(DESCRIPTORS).set(descriptors.count() as f64);
    }
}

/// `VmRSS` of `/proc/self/status`, in KiB.
fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` + `stime` of `/proc/self/stat`, in ticks: fields 14 and 15, counted after the command's
/// name, which stands in parentheses and may hold spaces.
fn cpu(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_lines_are_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1234.0));
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0";
        assert_eq!(cpu(stat), Some(42.0));
        assert_eq!(cpu("nonsense"), None);
        assert_eq!(resident("VmRSS: many"), None);
    }
}
