//! What a command said.

use std::process::Command;

use tusou_platform::Config;
use tusou_testkit::{World, binary, tusou};

/// What it wrote.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the command speaks UTF-8")
}

/// What a command prints that does what it is asked to.
pub(crate) async fn says(world: &World, arguments: &[&str]) -> String {
    let ran = tusou(world, arguments).await;
    assert!(ran.status.success(), "{arguments:?}: {}", text(&ran.stderr));
    text(&ran.stdout)
}

/// What a command says that fails, and its exit code.
pub(crate) async fn fails(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = tusou(world, arguments).await;
    (ran.status.code(), text(&ran.stderr))
}

/// A command that a test starts by itself, with this configuration written as `file`.
pub(crate) fn command(world: &World, file: &str, config: &Config) -> Command {
    let file = world.folder().join(file);
    let text = toml::to_string(config).expect("a configuration is TOML");
    std::fs::write(&file, text).expect("the world's folder can be written");
    let mut command = tusou_testkit::command(binary("tusou"));
    command.arg("--config").arg(file);
    command
}
