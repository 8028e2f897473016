//! What can be done from the page, and the page that asks whether it is to be done.

use maud::{Markup, html};

use super::{Shown, document};
use crate::operate::act::Said;
use crate::operate::ask::{Deed, Form, typed};

/// The forms below the figures.
pub(super) fn forms(shown: &Shown<'_>) -> Markup {
    let (nothing, texts) = (Form::default(), shown.language.texts());
    html! {
        div.forms {
            section { h2 { (texts.seed_form) } (seed(shown, &nothing)) }
            section { h2 { (texts.pause_form) } (pause(shown, &nothing)) }
        }
    }
}

fn seed(shown: &Shown<'_>, kept: &Form) -> Markup {
    let texts = shown.language.texts();
    let or = |name: &str, usual: &str| match kept.get(name) {
        "" => usual.to_owned(),
        value => value.to_owned(),
    };
    html! {
        form.fields method="post" action="/ask" {
            (shown.hidden("seed"))
            label.wide { span { (texts.seed_url) } input type="text" inputmode="url" name="url" value=(kept.get("url")) required autocomplete="off" spellcheck="false" aria-describedby="seed-help"; }
            p.quiet.wide #seed-help { (texts.seed_help) }
            label { span { (texts.scope) }
                select name="scope" {
                    @for (value, name) in [("host", texts.scope_host), ("domain", texts.scope_domain), ("prefix", texts.scope_prefix)] {
                        option value=(value) selected[kept.get("scope") == value] { (name) }
                    }
                }
            }
            label { span { (texts.depth_field) } input type="text" inputmode="numeric" name="depth" value=(or("depth", "16")); }
            label { span { (texts.limit) } input type="text" inputmode="numeric" name="limit" value=(or("limit", "100000")); }
            label { span { (texts.images_field) } input type="text" inputmode="numeric" name="images" value=(or("images", "0")); }
            button type="submit" { (texts.ask) }
        }
    }
}

fn pause(shown: &Shown<'_>, kept: &Form) -> Markup {
    let texts = shown.language.texts();
    html! {
        form.fields method="post" action="/ask" {
            input type="hidden" name="token" value=(shown.token);
            input type="hidden" name="lang" value=(shown.language.name());
            label { span { (texts.what) }
                select name="what" {
                    @for (value, name) in [
                        ("crawl", texts.the_crawl), ("host", texts.a_single_host), ("encoder", texts.the_encoder), ("indexer", texts.the_indexer),
                    ] { option value=(value) selected[kept.get("what") == value] { (name) } }
                }
            }
            label { span { (texts.host_field) } input type="text" name="host" value=(kept.get("host")) autocomplete="off" spellcheck="false"; }
            label.wide { span { (texts.why) } input type="text" name="why" value=(kept.get("why")) maxlength="200" autocomplete="off"; }
            button type="submit" name="do" value="pause" { (texts.pause) "…" }
            button.second type="submit" name="do" value="resume" { (texts.resume) "…" }
        }
    }
}

/// Says what would happen and asks; where it cannot be done, says why, with what was typed.
pub(in crate::operate) fn confirm(
    shown: &Shown<'_>,
    deed: Deed,
    form: &Form,
    said: &Said,
) -> Markup {
    let texts = shown.language.texts();
    let command = typed(&deed.command(form, false));
    let home = format!("/?lang={}", shown.language.name());
    let body = match said {
        Ok(said) => html! {
            section.ask {
                h1 { (texts.confirm) }
                p { strong { (shown.language.deed(deed)) } }
                h2 { (texts.would) }
                pre lang="en" { (said) }
                p.quiet { (texts.command) ": " code { (command) } }
                div.deeds {
                    form.one method="post" action="/do" {
                        input type="hidden" name="token" value=(shown.token);
                        @for (name, value) in form.fields() { input type="hidden" name=(name) value=(value); }
                        button #yes type="submit" { (texts.yes) }
                    }
                    a.second href=(home) { (texts.no) }
                }
            }
        },
        Err(reason) => html! {
            section.ask {
                div role="alert" {
                    h1 { (texts.not_done) }
                    p { strong { (shown.language.deed(deed)) } }
                    pre lang="en" { (reason) }
                    p.quiet { (texts.command) ": " code { (command) } }
                }
                @match deed {
                    Deed::Seed => { h2 { (texts.ask_again) } (seed(shown, form)) }
                    Deed::Pause | Deed::Resume => { h2 { (texts.ask_again) } (pause(shown, form)) }
                    Deed::Retry | Deed::RetryReason | Deed::Drop => {}
                }
                p { a href=(home) { (texts.back) } }
            }
        },
    };
    let title = if said.is_ok() {
        texts.confirm
    } else {
        texts.not_done
    };
    document(shown, title, false, &body)
}

/// The form is of another run of the process.
pub(in crate::operate) fn stale(shown: &Shown<'_>) -> Markup {
    let texts = shown.language.texts();
    let body = html! {
        section.ask role="alert" {
            h1 { (texts.stale) }
            p { (texts.stale_help) }
            p { a href={ "/?lang=" (shown.language.name()) } { (texts.back) } }
        }
    };
    document(shown, texts.stale, false, &body)
}
