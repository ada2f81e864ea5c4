//! Each tenant's routes, made ready once and kept while its settings stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use clients::Failure;
use notifications::Router;
use runtime::TenantId;
use tenants::portals::Portal;

/// More tenants than this are not kept at once.
const MOST: usize = 500;

/// Routers by tenant. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Routers(Arc<Mutex<HashMap<TenantId, (serde_json::Value, Arc<Router>)>>>);

impl Routers {
    /// The routes of the portal's tenant.
    pub(crate) fn of(&self, portal: &Portal) -> Result<Arc<Router>, Failure> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((settings, router)) = kept.get(&portal.tenant)
            && *settings == portal.settings
        {
            return Ok(router.clone());
        }
        let settings = serde_json::from_value(portal.settings.clone()).map_err(|error| {
            Failure::permanent(
                "bad_settings",
                format!("the tenant's settings cannot be read: {error}; apply them anew"),
            )
        })?;
        let router = Arc::new(Router::new(settings));
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(portal.tenant.clone(), (portal.settings.clone(), router.clone()));
        Ok(router)
    }
}
