//! What each model made, for people.

use super::report::{ModelStatus, sum};
use crate::format::{number, one_line, table};

/// A row for each model, and below them what helps where something lacks.
pub(super) fn section(models: &[ModelStatus]) -> String {
    let header = ["", "field", "device", "pictures", "lacking", "failed"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(models.iter().map(|model| {
        let digest: String = model.digest.chars().take(8).collect();
        vec![
            format!("{} {digest}", one_line(&model.model, 40)),
            model.field.clone(),
            model.device.clone().unwrap_or_else(|| "-".to_owned()),
            number(model.made),
            number(model.lacking),
            number(sum(&model.failed)),
        ]
    }));
    let mut text = table(&rows);
    for line in models.iter().filter_map(remedy) {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

fn remedy(model: &ModelStatus) -> Option<String> {
    let name = &model.model;
    if !model.configured {
        return Some(format!(
            "{name} is of an index, and `models.packs` does not name it here"
        ));
    }
    if !model.indexed {
        return Some(format!(
            "no index holds {name}: `tusou index create`, then `tusou index migrate`, which has pictures encoded"
        ));
    }
    (model.lacking > 0).then(|| {
        format!(
            "pictures that lack {name} and are not on their way: `tusou reconcile --model {name} --repair` has them \
             encoded"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_lacks_is_shown_with_what_helps() {
        let model = |model: &str, field: &str, lacking, indexed| ModelStatus {
            model: model.into(),
            digest: "0123456789abcdef".into(),
            field: field.into(),
            configured: true,
            indexed,
            made: 1_450,
            lacking,
            ..ModelStatus::default()
        };
        let mut models = vec![
            model("lite", "image_embedding", 0, true),
            model("sscd", "copy_embedding", 1_450, false),
            model("nsfw", "nsfw", 12, true),
            model("old", "image_embedding", 0, true),
        ];
        models[2].failed = BTreeMap::from([("not_finite".into(), 2), ("run_failed".into(), 3)]);
        models[3].configured = false;
        models[0].device = Some("cpu".into());
        insta::assert_snapshot!(section(&models));
    }
}
