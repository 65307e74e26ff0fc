//! The database file: created atomically, of mode 0600, its checksums verified when it is opened.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, DatabaseError, StorageError};

use super::StoreError;
use super::lock::with_suffix;

/// Size of redb's page cache, in bytes. The few hundred attachments of a host fit; netd as a whole
/// has to stay under 25 MiB.
const CACHE: usize = 1 << 20;

/// Opens the database at `path`; if there is no file, creates it with the tables that `fill` makes.
///
/// A new database is created under another name and renamed when it is complete. So an empty or
/// incomplete file at `path` is damaged, and never taken for a new one.
pub(crate) fn open_or_create(
    path: &Path,
    fill: impl FnOnce(&Database) -> Result<(), StoreError>,
) -> Result<Database, StoreError> {
    let io = |doing| {
        move |source: io::Error| StoreError::Read {
            path: path.to_owned(),
            doing,
            source: source.into(),
        }
    };
    // A dangling symbolic link, for example to a disk that is not mounted yet, is an error.
    if !flatnet_files::is_there(path).map_err(io("find"))? {
        let temporary = with_suffix(path, "new");
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io("create")(e)),
            Ok(()) | Err(_) => {}
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(io("create"))?;
        let database = redb::Builder::new()
            .set_cache_size(CACHE)
            .create(&temporary)
            .map_err(|source| opening(path, source))?;
        fill(&database)?;
        drop(database);
        fs::rename(&temporary, path).map_err(io("create"))?;
        flatnet_files::sync_directory_of(path).map_err(io("create"))?;
    }
    open(path)
}

/// Opens the database at `path`, which has to be there.
pub(crate) fn open(path: &Path) -> Result<Database, StoreError> {
    let io = |source: io::Error| StoreError::Read {
        path: path.to_owned(),
        doing: "open",
        source: source.into(),
    };
    let metadata = fs::metadata(path).map_err(io)?;
    flatnet_files::regular(metadata.file_type()).map_err(io)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)?;
    }
    if metadata.len() == 0 {
        return Err(StoreError::Corrupt {
            path: path.to_owned(),
            detail: "the file is empty".to_owned(),
        });
    }
    // redb may panic on a file that another program altered.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        redb::Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .open(path)
    }));
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(source)) => Err(opening(path, source)),
        Err(_) => Err(StoreError::Corrupt {
            path: path.to_owned(),
            detail: "the database cannot make sense of it".to_owned(),
        }),
    }
}

fn opening(path: &Path, source: DatabaseError) -> StoreError {
    let path = path.to_owned();
    let corrupt = |path, detail| StoreError::Corrupt { path, detail };
    match source {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Held { path, pid: None }
        }
        DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => {
            corrupt(path, source.to_string())
        }
        DatabaseError::Storage(StorageError::Corrupted(detail)) => corrupt(path, detail),
        DatabaseError::Storage(StorageError::Io(e))
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            corrupt(path, e.to_string())
        }
        source => StoreError::Read {
            path,
            doing: "open",
            source: source.into(),
        },
    }
}
