//! Session machines over a bad network and slow disks keep the laws of MQTT.

use mqtide_testkit::simulator;

#[test]
fn schedules_keep_the_laws() {
    for seed in 0..SCHEDULES {
        if let Err(failure) = simulator::run(seed) {
            panic!("{failure}");
        }
    }
}

#[test]
fn a_seed_leads_to_the_same_schedule_again() {
    let (trace, outcome) = simulator::replay(7);
    assert_eq!((trace, outcome), simulator::replay(7));
    assert!(simulator::replay(7).0.len() > 10);
}

/// As many as take some ten seconds in a debug build.
const SCHEDULES: u64 = 4000;
