//! Ids, as people paste them and as Notion writes them.

/// The id in what somebody pasted: an id with or without dashes, or the address of a page or a database. Of an address
/// like `…/Deals-<32 hex>?v=<32 hex>` it is the first; the second is a view's, which no call takes.
///
/// Returned as Notion writes ids: lower case, with dashes.
pub fn object_id(pasted: &str) -> Option<String> {
    let pasted = pasted.trim();
    let path = pasted.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // A title before the id may end in hex letters itself: only the last 32 count.
    let hex: String = last.chars().filter(|c| *c != '-').collect();
    let id: String = hex.chars().rev().take(32).collect::<Vec<_>>().into_iter().rev().collect();
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| dashed(&id.to_ascii_lowercase()))
}

fn dashed(hex: &str) -> String {
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Whether two ids are the same, however each is written.
pub fn same(a: &str, b: &str) -> bool {
    let bare = |id: &str| id.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect::<String>();
    bare(a) == bare(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "3e631832-5efa-4702-8171-8b8a0e6651ba";

    #[test]
    fn an_id_is_found_in_whatever_is_pasted() {
        for pasted in [
            ID,
            "3E6318325EFA470281718B8A0E6651BA",
            "https://www.notion.so/acme/3e6318325efa470281718b8a0e6651ba?v=11111111111111111111111111111111",
            "https://www.notion.so/acme/Deals-cafe-3e6318325efa470281718b8a0e6651ba?v=1",
            "  https://app.notion.com/p/Deals-3e6318325efa470281718b8a0e6651ba/ ",
        ] {
            assert_eq!(object_id(pasted).as_deref(), Some(ID), "{pasted}");
        }
        assert_eq!(object_id("https://www.notion.so/acme/Deals"), None);
        assert_eq!(object_id("Ж".repeat(40).as_str()), None);
        assert!(same(ID, "3E6318325EFA470281718B8A0E6651BA"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_pasted_is_too_odd(text in ".{0,80}") {
            let _ = object_id(&text);
        }
    }
}
