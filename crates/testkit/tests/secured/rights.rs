//! The accounts of docs/security.md.

use std::path::Path;

use tokio::process::Command;

/// `deploy/check-rights` makes them as that page says, runs the chain with them, and tries what they must not do.
#[tokio::test]
async fn every_service_works_with_the_rights_of_its_page_and_no_more() {
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/check-rights");
    let output = Command::new(&check).output().await;
    let output = output.expect("it is part of the checkout, and Python is there");
    let text = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("what must be refused is refused"), "{said}");
}
