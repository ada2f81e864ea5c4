//! What is left of a company that left.

use std::time::Duration;

use jiff::Timestamp;
use runtime::Store;
use runtime::clock::later;
use runtime::store::Table;

use super::{Broken, Checked};
use crate::company::Company;

impl Checked<'_> {
    /// Nothing is left of a company that left: in no table, and on no queue. What counts requests expires within a day.
    pub(super) async fn nothing_is_left_of(&self, company: &Company) -> anyhow::Result<Vec<Broken>> {
        let memory = self.deployment.memory();
        let tomorrow = later(self.deployment.backend().clock.now(), Duration::from_secs(24 * 60 * 60));
        let mut left = Vec::new();
        for table in Table::ALL {
            for owner in [
                company.tenant.to_string(),
                format!("bitrix24#{}", company.tenant),
                format!("slack#{}", company.workspace.team_id()),
            ] {
                let part = memory.belonging(table, &owner, None).await?;
                let expires_soon = |expires: Option<Timestamp>| expires.is_some_and(|expires| expires <= tomorrow);
                let items = part.items.into_iter();
                let stays = items.filter(|(_, expires)| table != Table::Limits || !expires_soon(*expires));
                left.extend(
                    stays.map(|(item, _)| format!("{} {} {}", table.name(), item.key.partition, item.key.sort)),
                );
            }
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> =
            left.iter().take(3).filter_map(|key| key.split(' ').nth(2).map(str::to_owned)).collect();
        let what = format!(
            "{} items are left of company {}: {:?}",
            left.len(),
            company.number,
            left.iter().take(8).collect::<Vec<_>>()
        );
        Ok(vec![Broken::new("leaving leaves nothing", what, keys)])
    }
}
