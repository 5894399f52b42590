//! MQTT sessions, client and server side, as sans-IO state machines.
