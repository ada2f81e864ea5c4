//! What the connection can see: the pages that it was added to, and everything below them.

use super::{NotionState, SimulatedDatabase, SimulatedPage, Source};

/// How deep pages are nested at most, as far as we look.
const MAX_DEPTH: usize = 100;

impl NotionState {
    /// The database, if it is there and the connection sees it.
    pub(super) fn database(&self, id: &str) -> Option<&SimulatedDatabase> {
        self.databases.get(id).filter(|database| self.sees_database(database))
    }

    /// The data source, if it is there and the connection sees its database.
    pub(super) fn source(&self, id: &str) -> Option<&Source> {
        let source = self.sources.get(id)?;
        self.database(&source.database).map(|_| source)
    }

    /// The page, if it is there and the connection sees it.
    pub(super) fn page(&self, id: &str) -> Option<&SimulatedPage> {
        let page = self.pages.get(id)?;
        self.sees_page(page, 0).then_some(page)
    }

    fn sees_database(&self, database: &SimulatedDatabase) -> bool {
        database.shared || self.pages.get(&database.parent).is_some_and(|page| self.sees_page(page, 0))
    }

    fn sees_page(&self, page: &SimulatedPage, depth: usize) -> bool {
        if page.shared || depth > MAX_DEPTH {
            return page.shared;
        }
        if page.source.is_empty() {
            return self.pages.get(&page.parent).is_some_and(|parent| self.sees_page(parent, depth + 1));
        }
        self.source(&page.source).is_some()
    }

    /// Whether the page is in the trash, itself or with one of its parents.
    pub(super) fn is_trashed(&self, page: &SimulatedPage) -> bool {
        let mut at = page;
        for _ in 0..MAX_DEPTH {
            if at.in_trash {
                return true;
            }
            if let Some(source) = self.sources.get(&at.source) {
                return source.in_trash || self.databases.get(&source.database).is_some_and(|found| found.in_trash);
            }
            match self.pages.get(&at.parent) {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }

    /// Whether `page` is `above` or somewhere below it.
    pub(super) fn is_below(&self, page: &str, above: &str) -> bool {
        let mut at = page.to_owned();
        for _ in 0..MAX_DEPTH {
            if at == above {
                return true;
            }
            let Some(found) = self.pages.get(&at) else { return false };
            let database = self.sources.get(&found.source).and_then(|source| self.databases.get(&source.database));
            at = database.map_or_else(|| found.parent.clone(), |database| database.parent.clone());
        }
        true
    }
}
