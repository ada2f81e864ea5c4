//! Files and folders that only their owner may read, for customers' data and secrets.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// How a new file is opened for writing: readable by its owner only, from its first byte on.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A new file for writing. It is an error if there is one already.
pub fn create(path: &Path) -> io::Result<fs::File> {
    options().create_new(true).open(path)
}

/// Makes a file if there is none, and closes one that others may read.
pub fn file(path: &Path) -> io::Result<()> {
    options().create(true).truncate(false).open(path)?;
    tighten(path);
    Ok(())
}

/// Makes a folder with those above it if there is none, and closes one that others may read.
pub fn folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)?;
    tighten(path);
    Ok(())
}

/// Takes away what others may do with a file or a folder, and logs it. Nothing is done where it is not there.
#[cfg(unix)]
pub fn tighten(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    let Ok(found) = fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return;
    }
    let tightened = fs::set_permissions(path, fs::Permissions::from_mode(mode & !OTHERS));
    let path = path.display();
    match tightened {
        Ok(()) => tracing::warn!(%path, "others could read this ({mode:o}); now only its owner can"),
        Err(error) => {
            tracing::error!(%path, %error, "others can read this ({mode:o}): take it away from them with chmod go=");
        }
    }
}

/// Elsewhere folders inherit who may read them.
#[cfg(not(unix))]
pub fn tighten(_path: &Path) {}
