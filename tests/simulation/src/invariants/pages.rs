//! Records and their Notion pages.

use std::collections::BTreeMap;

use serde_json::Value;
use simulators::portal::DEAL;

use super::{Broken, Checked};
use crate::company::Company;

const EQUAL: &str = "both sides of a link are equal, or the difference is listed";

impl Checked<'_> {
    /// Every deal has one page, which shows it as it is.
    pub(super) async fn pages_show_their_records(&self, company: &Company) -> anyhow::Result<Vec<Broken>> {
        let Some(source) = company.deeds().source.clone() else { return Ok(Vec::new()) };
        let mut rows: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        for row in self.estate.notion.rows(&source) {
            let id = row["properties"]["Bitrix24 ID"]["number"].as_f64().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ids are small and whole")]
            rows.entry(id as u64).or_default().push(row);
        }
        let listed = notion_sync::attention::Attention::new(self.deployment.backend().store);
        let (listed, _) = listed.list(&company.tenant, None, 1_000).await?;
        let deals = company.deeds().deals.clone();
        let mut broken = Vec::new();
        for id in deals {
            let Some(item) = company.portal.item(DEAL, id) else { continue };
            let keys = || [format!("deal#{id}"), format!("deal {id} "), format!("\"id\":{id}}}")];
            let pages = rows.get(&id).map(Vec::as_slice).unwrap_or_default();
            let [page] = pages else {
                broken.push(Broken::new(EQUAL, format!("deal {id} has {} pages", pages.len()), keys()));
                continue;
            };
            let page_id = page["id"].as_str().unwrap_or_default();
            let shown = |property: &str| self.estate.notion.shown(page_id, property);
            let amount = item["opportunity"].as_f64().map(|amount| amount.to_string()).unwrap_or_default();
            let title = item["title"].as_str().unwrap_or_default().to_owned();
            let is_listed = listed.iter().any(|entry| entry.record.to_string() == format!("deal {id}"));
            for (property, there, here) in [("Amount", shown("Amount"), amount), ("Name", shown("Name"), title)] {
                if there != here && !is_listed {
                    let what = format!("deal {id}: {property} is {here:?} in Bitrix24 and {there:?} in Notion");
                    broken.push(Broken::new(EQUAL, what, keys().into_iter().chain([page_id.to_owned()])));
                }
            }
        }
        Ok(broken)
    }
}
