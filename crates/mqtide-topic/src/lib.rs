//! Proven MQTT topic names and filters, and indexes over them.
