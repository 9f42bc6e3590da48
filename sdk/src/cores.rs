//! Threads that stay on the cores they are given.

use std::io;
use std::path::Path;
use std::sync::{OnceLock, mpsc};

use offshoot_engine::Team;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A team, each of its threads on a core of its own as far as there are cores; the caller alone
/// needs no team.
pub(crate) fn pinned(threads: u8) -> io::Result<Option<Team>> {
    // As of the first time: whoever opens a second package is pinned by then.
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    let cores = match CORES.get() {
        Some(cores) => cores,
        None => {
            let found = allowed(Path::new("/"))?;
            CORES.get_or_init(|| found)
        }
    };
    let core = move |thread: usize| cores[thread % cores.len()];
    let first = core(0);
    let (told, outcomes) = mpsc::channel();
    let begin = move |thread| {
        // Nobody hears it only where the team itself could not be had.
        let _ = told.send(pin(core(thread)));
    };
    let team = if threads > 1 { Some(Team::with(threads, begin)?) } else { None };
    outcomes.try_iter().collect::<io::Result<()>>()?;
    pin(first)?;
    Ok(team)
}

/// The cores this thread may use, the fastest first where they differ (big.LITTLE) and Linux knows.
fn allowed(root: &Path) -> io::Result<Vec<usize>> {
    let may = sched_getaffinity(None)?;
    let mut cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| may.is_set(core)).collect();
    fastest_first(root, &mut cores);
    Ok(cores)
}

fn fastest_first(root: &Path, cores: &mut [usize]) {
    let capacity = |core: &usize| {
        let file = root.join(format!("sys/devices/system/cpu/cpu{core}/cpu_capacity"));
        std::fs::read_to_string(file).ok()?.trim().parse::<u32>().ok()
    };
    cores.sort_by_cached_key(|core| std::cmp::Reverse(capacity(core)));
}

fn pin(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_cores_come_first() {
        let root = tempfile::tempdir().unwrap();
        for (core, capacity) in [(0, "414\n"), (1, "414\n"), (2, "1024\n"), (3, "1024\n")] {
            let folder = root.path().join(format!("sys/devices/system/cpu/cpu{core}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("cpu_capacity"), capacity).unwrap();
        }
        let mut cores = [0, 1, 2, 3];
        fastest_first(root.path(), &mut cores);
        assert_eq!(cores, [2, 3, 0, 1]);
        let mut unknown = [0, 1, 2];
        fastest_first(Path::new("/nowhere"), &mut unknown);
        assert_eq!(unknown, [0, 1, 2]);
    }

    #[test]
    fn threads_stay_where_they_were_put() {
        // In a thread of its own: the test's may go where it likes afterwards.
        let check = || {
            let cores = allowed(Path::new("/")).unwrap();
            // Another package is opened by a thread that is pinned.
            drop(pinned(2).unwrap());
            let team = pinned(2).unwrap().unwrap();
            assert_eq!(team.size(), 2);
            assert_eq!(allowed(Path::new("/")).unwrap(), cores[..1], "the caller");
            // Threads that it starts inherit that, so the other's affinity is read from the system.
            let of_worker = std::fs::read_dir("/proc/self/task").unwrap().find_map(|task| {
                let task = task.unwrap().path();
                let name = std::fs::read_to_string(task.join("comm")).ok()?;
                let status = std::fs::read_to_string(task.join("status")).ok()?;
                let list =
                    status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
                (name.trim() == "offshoot-1").then(|| list.trim().to_string())
            });
            assert_eq!(of_worker.unwrap(), cores[1 % cores.len()].to_string(), "the worker");
        };
        std::thread::spawn(check).join().unwrap();
    }
}
