use std::io;

use mqtide_codec::ReasonCode;

/// Why a store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room. Clients are told 0x97 (Quota exceeded).
    #[error("the store is full")]
    Full,
    /// The operating system said no. Clients are told 0x83 (Implementation specific error), or 0x97 if it said that
    /// there is no room.
    #[error("the store failed: {0}")]
    Io(#[from] io::Error),
    /// What is stored cannot be understood.
    #[error("what is stored cannot be read: {0}")]
    Corrupt(String),
    /// The store dropped a [`Completion`](super::Completion) without completing it.
    #[error("the store gave a batch up")]
    Abandoned,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// What a client is told.
    pub(crate) fn reason(&self) -> ReasonCode {
        match self {
            StoreError::Full => ReasonCode::QuotaExceeded,
            StoreError::Io(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                ReasonCode::QuotaExceeded
            }
            _ => ReasonCode::ImplementationSpecificError,
        }
    }
}
