//! A queue that refuses, as one does whose disk is full.

use std::time::Duration;

use async_trait::async_trait;
use runtime::queue::{Buried, DeadLetter, Depth, Judge, Queue, QueueError, QueueMessage, QueueName, Received};

/// Takes nothing and has nothing.
pub struct Refusing;

#[async_trait]
impl Queue for Refusing {
    async fn send(&self, queue: QueueName, _: Vec<QueueMessage>) -> Result<(), QueueError> {
        Err(QueueError { queue: queue.name(), cause: "the disk is full".into() })
    }

    async fn receive(&self, _: QueueName, _: usize, _: Duration) -> Result<Vec<Received>, QueueError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: QueueName, _: Vec<String>) -> Result<(), QueueError> {
        Ok(())
    }

    async fn delay(&self, _: QueueName, _: &str, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }

    async fn bury(&self, _: QueueName, _: &str, _: DeadLetter) -> Result<(), QueueError> {
        Ok(())
    }

    async fn sift(&self, _: QueueName, _: usize, _: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        Ok(Vec::new())
    }

    async fn depth(&self, _: QueueName) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}
