//! Each tenant's routes, compiled once and kept until its settings change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use clients::Failure;
use runtime::TenantId;
use settings::Settings;
use tenants::portals::Portal;

use crate::Router;

/// More tenants than this are not kept at once.
const MAX_ROUTERS: usize = 500;

/// Routers by tenant. Cheap to clone.
#[derive(Clone, Default)]
pub struct Routers(Arc<Mutex<HashMap<TenantId, (Arc<Settings>, Arc<Router>)>>>);

impl Routers {
    /// The routes of the portal's tenant.
    pub fn of(&self, portal: &Portal) -> Result<Arc<Router>, Failure> {
        let settings = portal.settings_as::<Settings>()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, router)) = kept.get(&portal.tenant)
            && Arc::ptr_eq(known, &settings)
        {
            return Ok(router.clone());
        }
        let router = Arc::new(Router::new(Settings::clone(&settings)));
        if kept.len() >= MAX_ROUTERS {
            kept.clear();
        }
        kept.insert(portal.tenant.clone(), (settings, router.clone()));
        Ok(router)
    }
}
