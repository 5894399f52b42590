//! Shared test tools of the mqtide workspace; not published.
