//! What people in Slack may see and do in Bitrix24.
