//! How much memory a process has in use.

use std::fs;

/// The resident memory of a process in bytes, from `/proc`; `None` when there is no such process or no `/proc`.
pub fn resident(process: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The processor time that a process has used so far, in hundredths of a second, from `/proc`.
pub fn processor_ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_memory_and_time() {
        let process = std::process::id();
        assert!(resident(process).is_some_and(|bytes| bytes > 100 * 1024));
        assert!(processor_ticks(process).is_some());
        assert_eq!(resident(u32::MAX), None);
    }
}
