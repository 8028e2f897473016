//! Finding the text tower of a folder.

use serde_json::Value;

use super::{DescribeError, Found, Place, embedding, names};
use crate::pack::signature::Signature;
use crate::pack::{Clean, Padding, Pooling, Textual};

pub(super) const OPEN_CLIP: &str = "open_clip";
pub(super) const SENTENCE_TRANSFORMERS: &str = "sentence-transformers";

/// open_clip's, where a configuration does not say another.
const CONTEXT: u64 = 77;

/// sentence-transformers', where nothing says another.
const LONGEST_TEXT: u64 = 128;

/// The text tower, where there is one.
pub(super) fn find(place: &Place<'_>) -> Result<Option<Found>, DescribeError> {
    for tower in ["textual/", ""] {
        if place.has(&format!("{tower}modules.json")) {
            return sentence_transformers(place, tower).map(Some);
        }
    }
    let any = ["textual/model.onnx", "textual/tokenizer.json"];
    match any.iter().any(|file| place.has(file)) {
        true => open_clip(place).map(Some),
        false => Ok(None),
    }
}

/// The names of the inputs for tokens and their mask.
fn inputs(
    place: &Place<'_>,
    model: &str,
    signature: &Signature,
) -> Result<(String, Option<String>), DescribeError> {
    let mask = "attention_mask";
    let known = |name: &str| ["text", "input_ids", mask].contains(&name);
    if let Some(other) = signature.inputs.iter().find(|input| !known(&input.name)) {
        let reason = format!(
            "it wants `{}` besides tokens and their mask, which this build cannot give",
            other.name
        );
        return Err(place.unfit(model, reason));
    }
    let named = |test: &dyn Fn(&str) -> bool| {
        let names = signature.inputs.iter().map(|input| input.name.as_str());
        names.into_iter().find(|name| test(name)).map(str::to_owned)
    };
    let ids = named(&|name| name != mask).ok_or_else(|| {
        let reason = format!(
            "no input is for tokens: it has {}",
            names(&signature.inputs)
        );
        place.unfit(model, reason)
    })?;
    Ok((ids, named(&|name| name == mask)))
}

fn open_clip(place: &Place<'_>) -> Result<Found, DescribeError> {
    let model = "textual/model.onnx";
    let tokenizer = "textual/tokenizer.json";
    let tokens = "textual/tokenizer_config.json";
    place.want(OPEN_CLIP, &[model, tokenizer, tokens])?;
    let signature = place.signature(model)?;
    let (input_ids, attention_mask) = inputs(place, model, &signature)?;
    let output = embedding(place, model, &signature.outputs, "text")?;
    let (name, dimension) = (output.name.clone(), output.axis(-1));

    let config: Value = place.json_if_there("config.json")?;
    let text = &config["text_cfg"];
    let fixed = signature.inputs.iter().find_map(|input| input.axis(1));
    let said = text["context_length"].as_u64();
    if let (Some(fixed), Some(said)) = (fixed, said)
        && fixed != said
    {
        let reason = format!("`context_length` is {said}, and {model} takes {fixed} tokens");
        return Err(place.unfit("config.json", reason));
    }
    let pad: Value = place.json(tokens)?;
    let pad = &pad["pad_token"];
    let pad = pad.as_str().or(pad["content"].as_str());
    let clean = match text["tokenizer_kwargs"]["clean"].as_str() {
        Some("canonicalize") => Some(Clean::Canonicalize),
        Some("lower") => Some(Clean::Lower),
        Some("whitespace") => Some(Clean::Whitespace),
        _ => None,
    };
    Ok(Found {
        textual: Textual {
            model: model.to_owned(),
            tokenizer: tokenizer.to_owned(),
            input_ids,
            attention_mask,
            output: name,
            max_tokens: length(fixed.or(said).unwrap_or(CONTEXT)),
            padding: Padding::MaxTokens,
            pad_token: pad.map(str::to_owned),
            clean,
            pooling: None,
            dense: None,
        },
        signature,
        dimension,
    })
}

fn sentence_transformers(place: &Place<'_>, tower: &str) -> Result<Found, DescribeError> {
    let file = |name: &str| format!("{tower}{name}");
    let (modules, tokenizer) = (file("modules.json"), file("tokenizer.json"));
    // Exports by hand lie beside the tokenizer.
    let beside = file("model.onnx");
    let model = match tower == "textual/" && place.has(&beside) {
        true => beside,
        false => file("onnx/model.onnx"),
    };
    place.want(SENTENCE_TRANSFORMERS, &[&model, &tokenizer])?;
    let signature = place.signature(&model)?;
    let (input_ids, attention_mask) = inputs(place, &model, &signature)?;
    let (mut width, mut dense, mut pooled) = (None, None, false);
    for module in place.json::<Vec<Value>>(&modules)? {
        let (kind, path) = (&module["type"], module["path"].as_str().unwrap_or_default());
        let kind = kind.as_str().and_then(|kind| kind.rsplit('.').next());
        match kind {
            // What it is called with is what every run ends with anyhow.
            Some("Transformer" | "Normalize") => {}
            Some("Pooling") => {
                let config = file(&format!("{path}/config.json"));
                place.want(SENTENCE_TRANSFORMERS, &[&config])?;
                mean_only(&place.json(&config)?).map_err(|why| place.unfit(&config, why))?;
                pooled = true;
            }
            Some("Dense") if dense.is_none() => {
                let config = file(&format!("{path}/config.json"));
                let weights = file(&format!("{path}/model.safetensors"));
                place.want(SENTENCE_TRANSFORMERS, &[&config, &weights])?;
                let config_read: Value = place.json(&config)?;
                let activation = config_read["activation_function"].as_str();
                if activation.is_some_and(|name| !name.ends_with("Identity")) {
                    let reason =
                        "`activation_function` is not the identity, which alone can be run";
                    return Err(place.unfit(&config, reason));
                }
                width = config_read["out_features"].as_u64();
                dense = Some(weights);
            }
            other => {
                let kind = other.unwrap_or("without a type");
                let reason = format!("the module {kind} at {path:?} cannot be run");
                return Err(place.unfit(&modules, reason));
            }
        }
    }
    let tokens = signature.outputs.iter();
    let mut tokens = tokens.filter(|output| output.shape.len() == 3);
    let (output, last) = match (pooled, tokens.next()) {
        (true, Some(output)) => (output.name.clone(), output.axis(-1)),
        (true, None) => {
            let names = names(&signature.outputs);
            let reason = format!("no output has a vector for each token: it has {names}");
            return Err(place.unfit(&model, reason));
        }
        (false, _) => {
            let output = embedding(place, &model, &signature.outputs, "text")?;
            (output.name.clone(), output.axis(-1))
        }
    };
    if pooled && attention_mask.is_none() {
        let reason = "it takes no `attention_mask`, without which tokens cannot be pooled";
        return Err(place.unfit(&model, reason));
    }
    Ok(Found {
        textual: Textual {
            tokenizer,
            input_ids,
            attention_mask,
            output,
            max_tokens: longest_text(place, tower)?,
            padding: Padding::Longest,
            pad_token: None,
            clean: None,
            pooling: pooled.then_some(Pooling::Mean),
            // A dense module makes vectors of its own width.
            dense: dense.clone(),
            model,
        },
        signature,
        dimension: if dense.is_some() { width } else { last },
    })
}

fn mean_only(config: &Value) -> Result<(), String> {
    // Newer versions say one word, older ones a truth for each mode.
    if let Some(mode) = config["pooling_mode"].as_str() {
        return match mode {
            "mean" => Ok(()),
            mode => Err(format!(
                "`pooling_mode` is {mode}, and only mean can be run"
            )),
        };
    }
    let modes = config.as_object().into_iter().flatten();
    let set = modes
        .filter(|(key, value)| key.starts_with("pooling_mode_") && value.as_bool() == Some(true));
    let set: Vec<&str> = set.map(|(key, _)| key.as_str()).collect();
    match set.as_slice() {
        ["pooling_mode_mean_tokens"] => Ok(()),
        other => Err(format!(
            "pools by {}, and only the mean can be run",
            other.join(", ")
        )),
    }
}

fn longest_text(place: &Place<'_>, tower: &str) -> Result<usize, DescribeError> {
    let own = place.json_if_there(&format!("{tower}sentence_bert_config.json"))?;
    let tokenizer = place.json_if_there(&format!("{tower}tokenizer_config.json"))?;
    // A tokenizer without a limit says 10^30.
    let limit = tokenizer["model_max_length"].as_u64();
    let limit = limit.filter(|limit| *limit <= 4_096);
    let said = own["max_seq_length"].as_u64().or(limit);
    Ok(length(said.unwrap_or(LONGEST_TEXT)))
}

fn length(tokens: u64) -> usize {
    usize::try_from(tokens.min(4_096)).expect("4,096 is a length")
}
