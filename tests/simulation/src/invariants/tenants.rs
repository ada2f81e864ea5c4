//! What is left of a company that left.

use runtime::Store;
use runtime::store::Table;

use super::{Broken, Checked};
use crate::company::Company;

impl Checked<'_> {
    /// Nothing is left of a company that left: in no table, and on no queue.
    pub(super) async fn nothing_is_left_of(&self, company: &Company) -> anyhow::Result<Vec<Broken>> {
        let memory = self.deployment.memory();
        let mut left = Vec::new();
        for table in Table::ALL {
            for owner in [
                company.tenant.to_string(),
                format!("bitrix24#{}", company.tenant),
                format!("slack#{}", company.workspace.team_id()),
            ] {
                let part = memory.belonging(table, &owner, None).await?;
                left.extend(
                    part.items
                        .into_iter()
                        .map(|(item, _)| format!("{} {} {}", table.name(), item.key.partition, item.key.sort)),
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
