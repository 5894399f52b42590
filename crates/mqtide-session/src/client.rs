//! The client's side of a session.

mod connection;
mod event;
mod options;
mod requests;
mod session;

pub use self::event::{ClientEvent, Operation, Outcome};
pub use self::options::ClientSettings;
pub use self::session::ClientSession;
