//! What each function may reach of secrets and stored data.
