//! Verifies a Bitrix24 event, queues it, answers.
