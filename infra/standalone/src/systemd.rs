//! What systemd learns of the host: that it is ready, that it stops, that it is alive (`Type=notify`, `WatchdogSec=`).
//!
//! A message is one datagram to the socket that systemd names. A crate for these lines would be one more to trust.

use std::ffi::OsString;
use std::time::Duration;

use tokio::sync::watch;

/// The service manager that started this process, if one did.
#[derive(Debug, Clone, Default)]
pub struct ServiceManager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn from_env() -> Self {
        let watchdog = watchdog(
            std::env::var("WATCHDOG_USEC").ok().as_deref(),
            std::env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        Self { socket: std::env::var_os("NOTIFY_SOCKET"), watchdog }
    }

    /// The host answers and works.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The host was asked to stop.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Reports that the process still runs its tasks, twice in each interval that systemd asks for. It does not depend on
    /// the disk or on a provider: a restart would not help either.
    pub async fn keep_alive(self, mut closed: watch::Receiver<bool>) {
        let Some(interval) = self.watchdog else { return };
        while !*closed.borrow() {
            self.send("WATCHDOG=1");
            tokio::select! {
                () = tokio::time::sleep(interval / 2) => {}
                _ = closed.changed() => {}
            }
        }
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = datagram(socket, message.as_bytes()) {
            tracing::warn!(%error, message, "systemd could not be notified");
        }
    }
}

/// The interval of the watchdog, if it is asked of this process.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let microseconds = microseconds?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    is_ours.then(|| Duration::from_micros(microseconds))
}

#[cfg(target_os = "linux")]
fn datagram(to: &std::ffi::OsStr, message: &[u8]) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let socket = UnixDatagram::unbound()?;
    match to.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.send_to_addr(message, &SocketAddr::from_abstract_name(name)?)?,
        None => socket.send_to(message, to)?,
    };
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn datagram(_: &std::ffi::OsStr, _: &[u8]) -> std::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_asked_of_one_process() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("1000000"), None, 7), second);
        assert_eq!(watchdog(Some("1000000"), Some("7"), 7), second);
        for (microseconds, pid) in [(Some("1000000"), Some("8")), (Some("0"), None), (Some("soon"), None), (None, None)]
        {
            assert_eq!(watchdog(microseconds, pid, 7), None, "{microseconds:?} {pid:?}");
        }
    }

    #[test]
    fn a_message_arrives_at_a_path_and_at_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("switchboard-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, at) in [(by_path, path.into_os_string()), (by_name, format!("@{name}").into())] {
            ServiceManager { socket: Some(at), watchdog: None }.ready();
            let mut message = [0; 64];
            let length = socket.recv(&mut message).unwrap();
            assert_eq!(&message[..length], b"READY=1");
        }
    }
}
