//! Whatever servers send is read: no panic, bounded results, the same answer for the same bytes.
//!
//! `TUSOU_FUZZ_CASES` says how many cases each target runs.

use tusou_ingest::Address;

mod css;
mod files;
mod html;

fn page() -> Address {
    Address::parse("http://site.test/a/page.html").expect("an address")
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// An address is normal: whole, bounded, and itself when it is read again.
fn check_address(address: &Address) {
    assert!(address.as_str().len() <= 2_048 && address.as_str().is_ascii());
    assert_eq!(Address::parse(address.as_str()).as_ref(), Ok(address));
}

fn check_text(text: Option<&String>, max: usize) {
    if let Some(text) = text {
        assert!(!text.is_empty() && text.chars().count() <= max, "{text:?}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
