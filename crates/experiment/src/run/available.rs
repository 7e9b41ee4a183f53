//! Memory that this process may use: the host's, within the limits of its control groups (containers, batch systems) and of its Slurm job.

use std::fs;
use std::path::Path;

use super::host::kibibytes;

const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Returns the available memory in bytes, on Linux.
pub fn available_memory() -> Option<u64> {
    let host = kibibytes("/proc/meminfo", "MemAvailable").map(|kib| kib << 10);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_job = job_limit(|name| std::env::var(name).ok());
    host.into_iter().chain(left_in_groups(&groups, Path::new(CONTROL_GROUPS))).chain(of_job).min()
}

/// Returns the smallest amount that the control groups of `groups`, the text of `/proc/self/cgroup`, leave (cgroups(7)).
fn left_in_groups(groups: &str, root: &Path) -> Option<u64> {
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, limit, used) = match controllers {
            "" => (root.to_owned(), "memory.max", "memory.current"),
            "memory" => (root.join(controllers), "memory.limit_in_bytes", "memory.usage_in_bytes"),
            _ => continue,
        };
        let bytes = |folder: &Path, name: &str| {
            fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok()
        };
        // A group is limited by those above it too. One without a limit says "max", or in version 1 a number near 2^63.
        for folder in
            root.join(path.trim_start_matches('/')).ancestors().take_while(|folder| folder.starts_with(&root))
        {
            if let Some(limit) = bytes(folder, limit).filter(|&limit| limit < 1 << 62) {
                let left = limit.saturating_sub(bytes(folder, used).unwrap_or(0));
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        }
    }
    least
}

/// Returns the memory of the Slurm job, which not every site enforces by control groups (sbatch(1), output environment variables).
fn job_limit(variable: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name| variable(name)?.parse::<u64>().ok();
    let mebibytes = number("SLURM_MEM_PER_NODE")
        .or_else(|| Some(number("SLURM_MEM_PER_CPU")? * number("SLURM_CPUS_ON_NODE")?))
        // All of the node's.
        .filter(|&mebibytes| mebibytes > 0);
    mebibytes.map(|mebibytes| mebibytes << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_tightest_group_limits() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let files = [
            ("memory.max", "50\n"),
            ("job/memory.max", "1000\n"),
            ("job/memory.current", "300\n"),
            ("job/task/memory.max", "max\n"),
            ("wide/memory.max", "9000\n"),
        ];
        write(root, &files[1..]);
        assert_eq!(left_in_groups("0::/job/task\n", root), Some(700));
        assert_eq!(left_in_groups("0::/wide\n", root), Some(9000));
        assert_eq!(left_in_groups("0::/none\n", root), None);
        write(root, &files[..1]);
        assert_eq!(left_in_groups("0::/job/task\n", root), Some(50));
    }

    #[test]
    fn groups_of_version_1_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let files = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/slurm/memory.limit_in_bytes", "4096\n"),
            ("memory/slurm/memory.usage_in_bytes", "96\n"),
        ];
        write(root, &files);
        assert_eq!(left_in_groups("5:devices:/x\n4:memory:/slurm/step\n0::/\n", root), Some(4000));
        assert_eq!(left_in_groups("4:memory:/\n", root), None);
    }

    #[test]
    fn jobs_have_memory_by_node_or_by_processor() {
        let of = |variables: &[(&str, &str)]| {
            job_limit(|name| {
                variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[("SLURM_MEM_PER_NODE", "2")]), Some(2 << 20));
        assert_eq!(of(&[("SLURM_MEM_PER_CPU", "3"), ("SLURM_CPUS_ON_NODE", "4")]), Some(12 << 20));
        assert_eq!(of(&[("SLURM_MEM_PER_NODE", "0")]), None);
        assert_eq!(of(&[]), None);
    }
}
