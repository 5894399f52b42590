//! Dialogues over real sockets: the files of `tests/wire` hold what peers send and what they must be answered.
//!
//! How the files read is told in [`mqtide_testkit::wire`]. To judge another broker, or one that runs already,
//! set `MQTIDE_TEST_BROKER=127.0.0.1:1883`: cases that need a configuration of their own are then left out.

#[path = "wire/brokers.rs"]
mod brokers;
mod common;
#[path = "wire/guard.rs"]
mod guard;

use std::path::Path;

use mqtide_testkit::wire::play_file;

use brokers::Brokers;

macro_rules! files {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            play(stringify!($name), &Brokers::default());
        }
    )+

    /// The same dialogues with brokers that have a store: they answer later, and the same.
    mod with_a_store {
        use super::*;

        $(
            #[test]
            fn $name() {
                play(stringify!($name), &Brokers::durable());
            }
        )+
    }};
}

files! {
    bounds,
    choices,
    connect,
    session,
    will,
    publish,
    qos,
    retain,
    subscribe,
    topics,
    shared,
    limits,
    connection,
    guarded,
    mqtt31,
}

/// Every file of the folder is played.
#[test]
fn no_file_is_left_out() {
    let listed = include_str!("wire.rs");
    let files = std::fs::read_dir(folder())
        .expect("the folder of cases")
        .flatten()
        .map(|file| file.path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "txt")) {
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            listed.contains(&format!("\n    {name},")),
            "{name} is not played"
        );
    }
}

fn play(name: &str, brokers: &Brokers) {
    let report = play_file(&folder().join(format!("{name}.txt")), |configuration| {
        brokers.address(configuration)
    });
    report
        .unwrap_or_else(|error| panic!("{error}"))
        .assert_passed();
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire"))
}
