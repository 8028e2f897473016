//! What a command said.

use tusou_testkit::{World, tusou};

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
