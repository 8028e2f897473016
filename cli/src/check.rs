//! `tusou config check`

use std::io::Write;

use serde_json::Value;
use tusou_platform::Config;
use tusou_platform::config::Source;

use crate::error::Error;

/// Shows where the values come from and what they are, passwords and keys masked. A configuration
/// with an error never comes here: loading it names every one.
pub(crate) fn run(config: &Config, source: &Source, out: &mut dyn Write) -> Result<(), Error> {
    match &source.file {
        Some(file) => writeln!(out, "# from {}", file.display())?,
        None => writeln!(out, "# no file was found: these are the defaults")?,
    }
    for variable in &source.variables {
        writeln!(out, "# {variable} overrides a key")?;
    }
    for variable in &source.ignored {
        writeln!(out, "# {variable} names no key and is ignored")?;
    }
    let values = serde_json::to_value(config.redacted()).expect("a configuration has plain values");
    for (section, keys) in values.as_object().into_iter().flatten() {
        writeln!(out, "\n[{section}]")?;
        for (key, value) in keys.as_object().into_iter().flatten() {
            writeln!(out, "{key} = {}", toml(value))?;
        }
    }
    Ok(())
}

/// JSON's texts, numbers and lists of them are TOML as they stand.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(toml).collect();
            format!("[{}]", values.join(", "))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_shown_and_no_secret() {
        let mut config = Config::default();
        config.database.url = "postgres://me:sesame@db.test/x".into();
        config.elasticsearch.api_key = "sesame".into();
        config.models.hub_token = "sesame".into();
        let source = Source {
            file: Some("/etc/tusou/tusou.toml".into()),
            variables: vec!["TUSOU_DATABASE_URL".into()],
            ignored: vec!["TUSOU_DATABSE_URL".into()],
        };
        let mut out = Vec::new();
        run(&config, &source, &mut out).expect("a Vec can be written");
        let text = String::from_utf8(out).expect("it is text");
        assert!(!text.contains("sesame"), "{text}");
        for line in [
            "# from /etc/tusou/tusou.toml",
            "# TUSOU_DATABASE_URL overrides a key",
            "# TUSOU_DATABSE_URL names no key and is ignored",
            "[database]",
            r#"url = "postgres://me:***@db.test/x""#,
            r#"api_key = "***""#,
            r#"packs = ["lite"]"#,
            "allow = []",
        ] {
            assert!(
                text.lines().any(|shown| shown == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
