//! Doing what a form asks for, by the command itself.

use std::time::Duration;

use clap::Parser as _;
use tokio::runtime::Handle;
use tusou_platform::config::{Config, Source};
use tusou_platform::telemetry::chain;

use super::app::App;
use super::ask::{Deed, Form};
use crate::Args;

/// The longest that an action is waited for. It is not broken off then: it ends by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the command says: `Err` where it fails, with what it had said until then.
pub(super) type Said = Result<String, String>;

/// Says what would be done.
pub(super) async fn try_out(app: &App, deed: Deed, form: &Form) -> Said {
    run(app, deed, form, true).await
}

/// Does it.
pub(super) async fn carry_out(app: &App, deed: Deed, form: &Form) -> Said {
    let said = run(app, deed, form, false).await;
    if deed.is_of_letters() {
        app.letters.forget();
    }
    app.looker.again();
    said
}

async fn run(app: &App, deed: Deed, form: &Form, dry_run: bool) -> Said {
    let words = std::iter::once("tusou".to_owned()).chain(deed.command(form, dry_run));
    let args = Args::try_parse_from(words).map_err(|error| first_line(&error))?;
    // Nobody else of this process holds dead letters meanwhile: the command would not find them.
    let desk = deed.is_of_letters().then(|| app.looker.desk.lock());
    let _desk = match desk {
        Some(desk) => Some(desk.await),
        None => None,
    };
    let config = app.config.clone();
    let runtime = Handle::current();
    // A command writes to what need not be sent between threads, so it keeps one for itself.
    let ran =
        tokio::task::spawn_blocking(move || runtime.block_on(Box::pin(command(&config, args))));
    match tokio::time::timeout(PATIENCE, ran).await {
        Ok(Ok(said)) => said,
        Ok(Err(panic)) => Err(format!("the command broke off: {panic}")),
        Err(_) => Err(format!(
            "no end within {} s: it may still be done; look again in a while",
            PATIENCE.as_secs()
        )),
    }
}

async fn command(config: &Config, args: Args) -> Said {
    let mut out = Vec::new();
    let ran = crate::dispatch(config, &Source::default(), args.command, &mut out).await;
    let said = String::from_utf8_lossy(&out).into_owned();
    match ran {
        Ok(()) => Ok(said),
        Err(error) => Err(format!("{said}{}", chain(&error))),
    }
}

/// What is wrong with what was typed, without advice about the command's help.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    let said: Vec<&str> = lines.collect();
    said.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_in_one_line() {
        let form = Form::of(&[("do", "seed"), ("url", "http://a.test/"), ("depth", "many")]);
        let words = std::iter::once("tusou".to_owned()).chain(Deed::Seed.command(&form, true));
        let error = Args::try_parse_from(words).expect_err("that is no number");
        let line = first_line(&error);
        assert!(
            line.starts_with("invalid value 'many' for '--depth <N>'"),
            "{line}"
        );
        assert!(!line.contains("--help") && !line.contains('\n'), "{line}");
    }
}
