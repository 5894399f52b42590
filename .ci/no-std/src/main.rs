//! A program without std that uses the three lower crates.
//!
//! It brings its own panic handler and allocator. Should any dependency pull std in, there are two panic
//! handlers and the build fails; so the build is the proof, and the run only shows that it works.
#![no_std]
#![no_main]

extern crate alloc;

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ffi::c_int,
    panic::PanicInfo,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::BytesMut;
use mqtide_codec::{Connect, Framer, Packet, Version, decode_connect, encode};
use mqtide_session::{ClientSession, ClientSettings, Instant, Message};
use mqtide_topic::{FilterIndex, TopicFilter, TopicName};

/// Zero if a client's CONNECT comes through the codec and a topic finds its subscriber.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> c_int {
    match (connect_comes_through(), index_finds()) {
        (Some(()), Some(())) => 0,
        (None, _) => 1,
        (_, None) => 2,
    }
}

fn connect_comes_through() -> Option<()> {
    let mut session = ClientSession::<Message>::new(ClientSettings::default());
    session
        .handle_connected(Instant::ZERO, Connect::new(Version::V5, "probe"))
        .ok()?;
    let packet = session.poll_transmit(Instant::ZERO)?.into_packet();

    let mut wire = BytesMut::new();
    encode(&packet, Version::V5, &mut wire).ok()?;
    let frame = Framer::unknown_version().next_frame(&mut wire).ok()??;
    let decoded = Packet::from(decode_connect(&frame, Default::default()).ok()?);
    (decoded == packet).then_some(())
}

fn index_finds() -> Option<()> {
    let mut index = FilterIndex::with_seed(1);
    index.insert(&TopicFilter::try_from("site/+/temperature").ok()?, 7, ());
    let mut found = 0;
    index.for_each_match(
        &TopicName::try_from("site/berlin/temperature").ok()?,
        |key, ()| found = *key,
    );
    (found == 7).then_some(())
}

/// Hands out a fixed piece of memory from front to back, and takes nothing back.
struct Arena {
    memory: UnsafeCell<[u8; CAPACITY]>,
    used: AtomicUsize,
}

const CAPACITY: usize = 1 << 20;

#[global_allocator]
static ARENA: Arena = Arena {
    memory: UnsafeCell::new([0; CAPACITY]),
    used: AtomicUsize::new(0),
};

// SAFETY: `used` only grows, by an atomic update, so no two callers get the same bytes.
unsafe impl Sync for Arena {}

// SAFETY: a returned block lies in `memory`, aligned and long enough, and is handed out once.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        let block = |used: usize| {
            let start = (base as usize)
                .checked_add(used)?
                .checked_next_multiple_of(layout.align())?
                - base as usize;
            Some((start, start.checked_add(layout.size())?))
        };
        let claim = |used| {
            block(used)
                .map(|(_, end)| end)
                .filter(|end| *end <= CAPACITY)
        };
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
        {
            Ok(used) => block(used).map_or(ptr::null_mut(), |(start, _)| base.wrapping_add(start)),
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: the C runtime that starts this program also ends it.
    unsafe { abort() }
}

/// The precompiled `alloc` names this; a program that aborts never calls it.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

// The C library starts the program and has memcpy and its kin.
#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}
