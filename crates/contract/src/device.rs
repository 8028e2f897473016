//! Where models are to run: a word of the configuration, and what the models' loader is told.

use serde::{Deserialize, Serialize};

/// Where models are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// An NVIDIA card where one can be used, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA card, or an error.
    Cuda,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Device, String> {
        serde_json::from_value(name.into()).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn devices_have_names() {
        assert_eq!(named("auto"), Ok(Device::Auto));
        assert_eq!(named("cuda"), Ok(Device::Cuda));
        assert!(named("gpu").expect_err("no such name").contains("gpu"));
    }
}
