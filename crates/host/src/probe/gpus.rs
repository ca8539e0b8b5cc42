//! NVIDIA GPUs: asked of the driver's library, then of `nvidia-smi`, then none.
//!
//! Nothing is loaded or started on a machine without the driver. Does not know architectures.

use std::process::{Command, Stdio};

use ironwright_core::facts::Gpu;
use ironwright_core::units::Bytes;
use nvml_wrapper::Nvml;

use super::answers;
use super::reader::Reader;

/// Any of these tells that a driver is there.
const SIGNS: &[&str] = &["/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg"];

/// Where the driver's library lies: in the loader's path, on NixOS, in WSL. The plain `.so` name
/// that the wrapper asks for by default comes with development packages only.
const LIBRARIES: &[&str] = &[
    "libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
];

pub(crate) fn read(reader: &mut Reader<'_>) -> Vec<Gpu> {
    if !reader.root.is_live() {
        return answers::recorded(reader).gpus;
    }
    if !SIGNS.iter().any(|path| reader.root.exists(path)) {
        return Vec::new();
    }
    nvml().or_else(smi).unwrap_or_default()
}

fn nvml() -> Option<Vec<Gpu>> {
    let library =
        LIBRARIES.iter().find_map(|path| Nvml::builder().lib_path(path.as_ref()).init().ok())?;
    let driver = library.sys_driver_version().ok();
    let count = library.device_count().ok()?;
    let gpu = |index| {
        let device = library.device_by_index(index).ok()?;
        let capability = device.cuda_compute_capability().ok();
        Some(Gpu {
            name: device.name().ok()?,
            memory: device.memory_info().ok().map(|memory| Bytes(memory.total)),
            compute_capability: capability.map(|c| format!("{}.{}", c.major, c.minor)),
            driver: driver.clone(),
            source: "NVML".to_owned(),
        })
    };
    Some((0..count).filter_map(gpu).collect())
}

fn smi() -> Option<Vec<Gpu>> {
    // Drivers before 450 do not know compute_cap and refuse the whole query.
    query("name,memory.total,driver_version,compute_cap")
        .or_else(|| query("name,memory.total,driver_version"))
}

fn query(fields: &str) -> Option<Vec<Gpu>> {
    let output = Command::new("nvidia-smi")
        .arg(format!("--query-gpu={fields}"))
        .arg("--format=csv,noheader,nounits")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let gpus: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().filter_map(csv).collect();
    (output.status.success() && !gpus.is_empty()).then_some(gpus)
}

/// A line of the answer: name, memory in MiB, driver and perhaps capability.
fn csv(line: &str) -> Option<Gpu> {
    let known = |text: &str| (!text.is_empty() && !text.starts_with('[')).then(|| text.to_owned());
    let mut fields = line.split(',').map(str::trim);
    let name = known(fields.next()?)?;
    let memory = fields.next()?.parse::<u64>().ok().map(Bytes::mib);
    let driver = fields.next().and_then(known);
    let compute_capability = fields.next().and_then(known);
    Some(Gpu { name, memory, compute_capability, driver, source: "nvidia-smi".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_answer_is_read_with_and_without_capability() {
        let gpu = csv("NVIDIA GeForce GTX 960, 4096, 570.195.03, 5.2").unwrap();
        assert_eq!(
            (gpu.memory, gpu.compute_capability.as_deref()),
            (Some(Bytes::gib(4)), Some("5.2"))
        );
        let gpu = csv("Tesla K80, [N/A], 440.33").unwrap();
        assert_eq!(
            (gpu.memory, gpu.compute_capability, gpu.driver.as_deref()),
            (None, None, Some("440.33"))
        );
        assert_eq!(csv("NVIDIA-SMI has failed"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "\\PC{0,40}") {
            let _ = csv(&line);
        }
    }
}
