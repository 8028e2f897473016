//! Reading the documents: their blocks of code, and what is typed in them.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use tusou_cli::Args;

/// A page of the guide.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) blocks: Vec<Block>,
}

/// A block of code.
pub(super) struct Block {
    /// What stands after its first fence.
    pub(super) marked: String,
    pub(super) lines: Vec<String>,
    /// Whether it is for a crawl that is done.
    pub(super) waits: bool,
}

/// Something typed, and what is shown below it.
pub(super) struct Step<'a> {
    pub(super) typed: String,
    pub(super) shown: Vec<&'a str>,
}

impl Block {
    /// What is to be run: none but in a block marked `console`.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        let mut steps: Vec<Step<'_>> = Vec::new();
        if self.marked != "console" {
            return steps;
        }
        for line in &self.lines {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(typed), _) => steps.push(Step {
                    typed: typed.to_owned(),
                    shown: Vec::new(),
                }),
                (None, Some(step)) => step.shown.push(line),
                (None, None) => panic!("a block of `console` begins with `$ `, not with `{line}`"),
            }
        }
        steps
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of `docs/guide`, in the order of the book.
pub(super) fn pages() -> Vec<Page> {
    let docs = root().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    let named: Vec<&str> = summary
        .lines()
        .filter_map(|line| Some(line.split_once("](guide/")?.1.split_once(')')?.0))
        .collect();
    assert!(named.len() > 3, "docs/SUMMARY.md names {named:?}");
    let page = |name: &str| Page {
        name: format!("docs/guide/{name}"),
        blocks: blocks(&read(&docs.join("guide").join(name))),
    };
    named.into_iter().map(page).collect()
}

/// The fenced blocks of a page.
fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let (mut waits, mut open): (bool, Option<Block>) = (false, None);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(marked), None) => {
                open = Some(Block {
                    marked: marked.trim().to_owned(),
                    lines: Vec::new(),
                    waits: std::mem::take(&mut waits),
                });
            }
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => waits |= line.trim() == "<!-- wait: until the crawl is done -->",
        }
    }
    found
}

/// Whether what was said is what is shown; nothing shown agrees with anything.
pub(super) fn agrees(shown: &[&str], said: &str) -> bool {
    let said: Vec<&str> = said.lines().collect();
    shown.is_empty() || lines_agree(shown, &said)
}

fn lines_agree(shown: &[&str], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((&"…", rest)) => (0..=said.len()).any(|skipped| lines_agree(rest, &said[skipped..])),
        Some((line, rest)) => said
            .split_first()
            .is_some_and(|(first, others)| line_agrees(line, first) && lines_agree(rest, others)),
    }
}

fn line_agrees(shown: &str, said: &str) -> bool {
    let mut parts = shown.trim_end().split('…');
    let said = said.trim_end();
    let Some(mut rest) = said.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// File, line and words of each `tusou …` in a block of code of README and docs.
pub(super) fn commands() -> Vec<(String, usize, Vec<String>)> {
    let mut files = vec![root().join("README.md")];
    for folder in ["docs", "docs/guide", "docs/adr"] {
        let listed =
            std::fs::read_dir(root().join(folder)).expect("the documents are part of the checkout");
        let paths = listed.map(|entry| entry.expect("a folder can be read").path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file
            .strip_prefix(root())
            .unwrap_or(&file)
            .display()
            .to_string();
        let mut fenced = false;
        for (number, line) in read(&file).lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced || line.starts_with("    ") {
                let line = line.trim_start();
                let typed = line.strip_prefix("$ ").unwrap_or(line);
                let typed = typed.strip_prefix("target/release/").unwrap_or(typed);
                if typed.starts_with("tusou ") {
                    found.push((name.clone(), number + 1, words(typed)));
                }
            }
        }
    }
    found
}

/// The words of the first command of a line, as a shell divides them.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    for character in line.chars() {
        match (quote, character) {
            (Some(mark), _) if mark == character => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(character), true),
            (None, '|' | '&' | '>' | ';') => break,
            (None, '#') if !begun => break,
            (None, ' ') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => {
                word.push(character);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// What the command's own parser has against these words; `ID` stands for one.
pub(super) fn refusal(words: &[String]) -> Option<String> {
    let filled = words
        .iter()
        .map(|word| if word == "ID" { "3fa2" } else { word });
    let refused = Args::try_parse_from(filled).err()?;
    refused.use_stderr().then(|| refused.to_string())
}
