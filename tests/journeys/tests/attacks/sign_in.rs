//! Signing in: shut out by strangers, or signed in to a stranger's tenant.
