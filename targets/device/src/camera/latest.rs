//! Reader of the newest frame.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::frame_buffer::CapturedFrame;
use crate::ports::{FrameSource, SourceError};

/// Time limit of a frame, after which the camera counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Slot {
    shot: CapturedFrame,
    is_new: bool,
    error: Option<SourceError>,
    /// True if the reader waits for a call to reopen its source.
    stopped: bool,
    reopen: bool,
    closed: bool,
    /// True if the reader has ended without being closed: it panicked.
    dead: bool,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Shared {
    /// A panic cannot leave partial changes in here.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the reader as long as `is_pending` and it neither fails nor takes too long.
    fn wait_while<'a>(
        &'a self,
        slot: MutexGuard<'a, Slot>,
        is_pending: impl Fn(&Slot) -> bool,
    ) -> MutexGuard<'a, Slot> {
        let waited = self.changed.wait_timeout_while(slot, PATIENCE, |slot| {
            is_pending(slot) && slot.error.is_none() && !slot.dead
        });
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Source read by a thread of its own, so that a slow network gets the newest frame and a camera
/// never waits. Two buffers are swapped; no queue grows, nothing is allocated.
#[derive(Debug)]
pub struct Latest {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

impl Latest {
    /// Starts to read.
    ///
    /// # Errors
    ///
    /// The operating system's error if there is no thread.
    pub fn new(source: impl FrameSource + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let reader = thread::Builder::new()
            .name("camera".to_string())
            .spawn(move || read(source, &theirs))?;
        Ok(Self { shared, reader: Some(reader) })
    }
}

/// Reports the end of the reader on every path.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.lock().dead = true;
        self.0.changed.notify_all();
    }
}

fn read(mut source: impl FrameSource, shared: &Shared) {
    let _ending = Ending(shared);
    let mut shot = CapturedFrame::default();
    loop {
        let result = source.next(&mut shot);
        let mut slot = shared.lock();
        match result {
            Ok(()) => {
                std::mem::swap(&mut slot.shot, &mut shot);
                slot.is_new = true;
            }
            Err(error) => (slot.error, slot.stopped) = (Some(error), true),
        }
        shared.changed.notify_all();
        while slot.stopped && !slot.closed {
            slot = shared.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut slot.reopen) {
                drop(slot);
                let result = source.reopen();
                slot = shared.lock();
                (slot.stopped, slot.error) = (result.is_err(), result.err());
                shared.changed.notify_all();
            }
        }
        if slot.closed {
            return;
        }
    }
}

impl FrameSource for Latest {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let slot = self.shared.lock();
        let mut slot = self.shared.wait_while(slot, |slot| !slot.is_new);
        if let Some(error) = slot.error.take() {
            return Err(error);
        }
        if !std::mem::take(&mut slot.is_new) {
            if slot.dead {
                return Err(SourceError::Ended);
            }
            return Err(SourceError::Silent(PATIENCE.as_secs()));
        }
        std::mem::swap(&mut slot.shot, shot);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        let mut slot = self.shared.lock();
        if !slot.stopped {
            // Silent, not gone: it still reads.
            return Ok(());
        }
        (slot.reopen, slot.error) = (true, None);
        self.shared.changed.notify_all();
        let mut slot = self.shared.wait_while(slot, |slot| slot.stopped);
        match slot.error.take() {
            Some(error) => Err(error),
            None if slot.stopped => Err(SourceError::Silent(PATIENCE.as_secs())),
            None => Ok(()),
        }
    }
}

impl Drop for Latest {
    /// Waits for the frame that is being read.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has reported it already.
            let _ = reader.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its frames; fails at some of them until it is reopened.
    struct Counter {
        frame: u32,
        fails_at: u32,
        refuses: u32,
    }

    impl FrameSource for Counter {
        fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
            thread::sleep(Duration::from_millis(1));
            if self.frame == self.fails_at {
                return Err(SourceError::Silent(0));
            }
            self.frame += 1;
            shot.reshape(1, 1).copy_from_slice(&self.frame.to_le_bytes()[..3]);
            Ok(())
        }

        fn reopen(&mut self) -> Result<(), SourceError> {
            if self.refuses > 0 {
                self.refuses -= 1;
                return Err(SourceError::Silent(1));
            }
            self.fails_at = u32::MAX;
            Ok(())
        }
    }

    fn number(shot: &CapturedFrame) -> u32 {
        let rgb = shot.rgb();
        u32::from_le_bytes([rgb[0], rgb[1], rgb[2], 0])
    }

    #[test]
    fn a_slow_reader_sees_new_frames_only() {
        let mut latest = Latest::new(Counter { frame: 0, fails_at: u32::MAX, refuses: 0 }).unwrap();
        let mut shot = CapturedFrame::default();
        let mut last = 0;
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(30));
            latest.next(&mut shot).unwrap();
            assert!(number(&shot) >= last + 3, "{last} {}", number(&shot));
            last = number(&shot);
        }
    }

    #[test]
    fn a_reader_that_panics_is_told_of_at_once() {
        struct Broken;
        impl FrameSource for Broken {
            fn next(&mut self, _: &mut CapturedFrame) -> Result<(), SourceError> {
                panic!("as the test wants it");
            }

            fn reopen(&mut self) -> Result<(), SourceError> {
                Ok(())
            }
        }
        let mut latest = Latest::new(Broken).unwrap();
        assert!(matches!(latest.next(&mut CapturedFrame::default()), Err(SourceError::Ended)));
        latest.reopen().unwrap();
        assert!(matches!(latest.next(&mut CapturedFrame::default()), Err(SourceError::Ended)));
    }

    #[test]
    fn an_unplugged_camera_is_told_of_and_comes_back() {
        let mut latest = Latest::new(Counter { frame: 0, fails_at: 3, refuses: 1 }).unwrap();
        let mut shot = CapturedFrame::default();
        while latest.next(&mut shot).is_ok() {}
        assert!(matches!(latest.reopen(), Err(SourceError::Silent(1))));
        latest.reopen().unwrap();
        latest.next(&mut shot).unwrap();
        assert!(number(&shot) >= 3);
    }
}
