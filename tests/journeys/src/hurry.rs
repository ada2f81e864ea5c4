//! A clock that runs faster than the world, the same in several processes; and the host that runs by it.

use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use runtime::Clock;
use serde_json::Value;
use tokio::process::{Child, Command};

/// Starts a host from its `binary`, with what it is `told`. It ends with the test.
pub fn spawn(binary: &str, told: &Value) -> Child {
    Command::new(binary).arg(told.to_string()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// Starts at a moment of the machine's clock and runs `factor` times as fast from there.
#[derive(Debug, Clone, Copy)]
pub struct HurriedClock {
    began: Timestamp,
    factor: u32,
}

impl HurriedClock {
    /// A clock that began then. Processes that are told the same moment show the same time.
    pub fn since(began: Timestamp, factor: u32) -> Self {
        Self { began, factor }
    }
}

#[async_trait::async_trait]
impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        let passed = Timestamp::now().duration_since(self.began);
        self.began.checked_add(passed * i32::try_from(self.factor).unwrap_or(1)).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.factor).await;
    }
}
