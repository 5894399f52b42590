//! The MQTT broker, publisher and subscriber in one program.

fn main() {}
