//! What a story runs on: SQLite and HTTP over sockets, as the one-machine host does; or the engine in memory and requests
//! without sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use clients::Connections;
use http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use jobs::queues;
use memory::{Memory, MemoryBackup};
use runtime::clock::Clock;
use runtime::metrics::Counters;
use runtime::queue::Queue;
use runtime::{Backend, ClientAddress, RestoreMark};
use simulators::direct::{Direct, ListedServer};
use simulators::http::HangUp;

/// The variable that puts the stories that do not choose on [`Stage::Sockets`] if it is `sockets`.
const VARIABLE: &str = "JOURNEYS_STAGE";

/// What a story runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The engine in memory; providers and webhooks are called without sockets.
    Memory,
    /// SQLite; providers and webhooks are called by HTTP over sockets.
    Sockets,
}

impl Stage {
    /// What a story runs on that does not care.
    pub fn usual() -> Self {
        if std::env::var(VARIABLE).is_ok_and(|stage| stage == "sockets") { Self::Sockets } else { Self::Memory }
    }

    /// Connections whose provider has `patience` to answer.
    pub(crate) fn connect(self, connections: Connections, patience: Duration) -> Connections {
        match self {
            Self::Memory => connections.over(Arc::new(Direct::new(patience))),
            Self::Sockets => connections.impatient(patience),
        }
    }

    /// Lets the simulators call a router at its address.
    pub(crate) fn list(self, address: SocketAddr, router: Router) -> Option<ListedServer> {
        let answer = move |request| -> futures::future::BoxFuture<'static, simulators::http::HttpAnswer> {
            Box::pin(routed(router.clone(), request))
        };
        (self == Self::Memory).then(|| ListedServer::new(address, false, Arc::new(answer)))
    }
}

async fn routed(router: Router, request: Request<Bytes>) -> simulators::http::HttpAnswer {
    let mut request = request.map(Body::from);
    request.extensions_mut().insert(ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let Ok(answer) = TowerToHyperService::new(router).call(request).await;
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| HangUp::Breaks)?;
    Ok(http::Response::from_parts(head, body))
}

/// The engine of a story.
pub struct Engine {
    /// The ports, for the functions.
    pub backend: Backend,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// The counts so far.
    pub counters: Arc<Counters>,
    kept: Kept,
}

enum Kept {
    Memory(Memory),
    Sqlite { engine: standalone::engine::Engine, folder: tempfile::TempDir },
}

impl Engine {
    /// A new, empty engine.
    pub async fn start(stage: Stage, clock: Arc<dyn Clock>) -> Self {
        match stage {
            Stage::Memory => {
                let (memory, counters) = (Memory::new(clock), Arc::new(Counters::default()));
                let backend = memory.backend(counters.clone());
                Self { queue: backend.queue.clone(), backend, counters, kept: Kept::Memory(memory) }
            }
            Stage::Sockets => {
                let folder = tempfile::tempdir().unwrap();
                let engine = standalone::engine::Engine::open(&folder.path().join("story.db"), clock).await.unwrap();
                let (backend, counters) = (engine.backend.clone(), engine.counters.clone());
                Self { queue: engine.queue.clone(), backend, counters, kept: Kept::Sqlite { engine, folder } }
            }
        }
    }

    /// When the next message of any queue is due.
    pub(crate) async fn next_due(&self) -> Option<Timestamp> {
        let mut next = None;
        for queue in queues::ALL {
            let due = match &self.kept {
                Kept::Memory(memory) => memory.next_due(queue).unwrap(),
                Kept::Sqlite { engine, .. } => engine.queue.next_due(queue).await.unwrap(),
            };
            next = [next, due].into_iter().flatten().min();
        }
        next
    }

    /// A copy of everything that it keeps; in memory only.
    pub fn backup(&self) -> MemoryBackup {
        match &self.kept {
            Kept::Memory(memory) => memory.backup(),
            Kept::Sqlite { .. } => panic!("a story with a backup chooses the stage in memory"),
        }
    }

    /// Puts a backup in place, and marks that.
    pub async fn restore(&self, backup: &MemoryBackup, mark: RestoreMark) {
        match &self.kept {
            Kept::Memory(memory) => memory.restore(backup),
            Kept::Sqlite { .. } => panic!("a story with a backup chooses the stage in memory"),
        }
        runtime::generation::mark_restored(self.backend.store.as_ref(), mark).await.unwrap();
    }

    /// Everything that it keeps readable, as bytes.
    pub fn everything(&self) -> Vec<u8> {
        match &self.kept {
            Kept::Memory(memory) => memory.texts().join("\n").into_bytes(),
            Kept::Sqlite { folder, .. } => {
                let entries = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
                let files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
                files.iter().filter_map(|file| std::fs::read(file).ok()).flatten().collect()
            }
        }
    }
}
